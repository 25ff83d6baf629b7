"""A pool of slots, in each of which one job at a time runs in a process of its own; what signals mean for them."""

from __future__ import annotations

import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Generic, Literal, TypeVar

from ratchet.errors import RatchetError, first_line
from ratchet.search.processes.channel import Report, Verdict
from ratchet.search.processes.executors import Executor, Running, wait_for
from ratchet.search.processes.outcomes import Outcome
from ratchet.search.processes.server import SERVER
from ratchet.search.processes.slots import Slot
from ratchet.search.processes.trial_process import Job
from ratchet.terminal.command import PATIENCE, to_end
from ratchet.terminal.signals import handled_by

PRUNE_GRACE = 10.0  # seconds that a pruned training has to close what it holds, such as an online run of W&B
STOP_GRACE = 10.0  # seconds that a training has to write its checkpoint after `stop`


@dataclass(kw_only=True, eq=False)
class Active:
    """A job in its slot."""

    slot: Slot
    running: Running
    began: float  # time.monotonic()
    limit: float | None = None  # seconds that it may take
    stop_reason: Literal["timeout", "interrupted", "pruned"] | None = None  # why it was told to stop
    kill_at: float = 0.0  # time.monotonic() at which it is ended, where it has not stopped by then
    stop_sent_to: Running | None = None  # the process that was told so
    ended_without_result: bool = False  # whether its process ended without a word

    def outcome_of_stop(self, traceback: str = "") -> Outcome:
        """What it came to when it was told to stop, however it took that."""
        if self.stop_reason == "pruned":
            return Outcome("pruned")
        if self.stop_reason == "timeout":
            return Outcome("failed", failure="timeout", error=f"longer than {self.limit:g} s", traceback=traceback)
        return Outcome("failed", failure="interrupted", error="told to end", traceback=traceback)


Occupant = TypeVar("Occupant", bound=Active)


class Pool(Generic[Occupant]):
    """Slots and the jobs in them.

    Ctrl-C once: nothing is started any more. Twice, or SIGTERM, or SIGHUP: what runs is told to stop, and ended where
    it does not. At the fourth signal this process ends at once: something may be waited for in vain.
    """

    def __init__(
        self, executor: Executor, slots: Sequence[Slot], *, say: Callable[[str], None], jobs: str = "trials"
    ) -> None:
        """`say` tells a person what signals do; `jobs`: what they are called."""
        self.executor, self._say, self._jobs = executor, say, jobs
        self._free, self.size = list(reversed(slots)), len(slots)
        self.active: list[Occupant] = []
        self.interrupts, self._signals = 0, 0
        self._notes: deque[str] = deque()  # of signals, to be said where nothing else is being printed
        self.ended_by: signal.Signals | None = None  # what ended it early

    @contextmanager
    def handling_signals(self, *, ctrl_c: bool = True) -> Iterator[None]:
        """Act on signals within this context; without `ctrl_c` it is ignored. Nothing that was started outlives it."""
        with (
            handled_by((lambda *_: self._on_sigint()) if ctrl_c else signal.SIG_IGN, signal.SIGINT),
            handled_by(lambda number, _: self._on_sigterm(number), *to_end()),
        ):
            try:
                yield
            finally:
                self._say_notes()
                for active in list(self.active):  # only where something unforeseen was raised
                    active.running.end()
                self.executor.leave()

    # --- starting

    @property
    def has_room(self) -> bool:
        """Whether a job can be started now."""
        return bool(self._free) and not self.interrupts and self.executor.warming is None

    def take_slot(self) -> Slot:
        """Take a free slot for a job that is being made."""
        return self._free.pop()

    def return_slot(self, slot: Slot) -> None:
        """Free the slot of a job that could not be made."""
        self._free.append(slot)

    def start(self, job: Job) -> Running:
        """Start a job. Raises RatchetError where this machine lets no further process be started."""
        try:
            return self.executor.start(job)
        except OSError as error:
            raise RatchetError(
                f"no further process can be started ({first_line(error)}); what is finished is kept; free memory, "
                "processes or open files (ulimit -a), then type the same command again"
            ) from error

    def add(self, active: Occupant) -> None:
        """Watch over a job that has been started."""
        self.active.append(active)
        self._end_if_told(active)

    def start_next(self, active: Occupant, job: Job) -> None:
        """Start the next job of an occupant in its slot."""
        active.running, active.began = self.start(job), time.monotonic()
        active.stop_reason, active.kill_at = None, 0.0  # it was the last one's
        self._end_if_told(active)

    def _end_if_told(self, active: Occupant) -> None:
        """End a job that was being started when a signal came: `active` had not yet led to it."""
        if self.interrupts > 1:
            self._notes.append("ending 1 running; the same command runs it again")
            self._stop(active, "interrupted")

    # --- listening

    def ready(self, patience: float) -> list[Occupant]:
        """Return who has sent something or ended, after `patience` seconds at most."""
        self._say_notes()
        now = time.monotonic()
        dates = [active.kill_at for active in self.active if active.kill_at]
        dates += [active.began + active.limit for active in self.active if active.limit is not None]
        timeout = max(0.0, min([now + patience, *dates]) - now)
        heard = wait_for([active.running for active in self.active], timeout, warming=self.executor.warming)
        self._say_notes()
        return [active for active in self.active if active.running in heard]

    def receive(self, active: Occupant) -> Report | Outcome:
        """Return what it has sent, or what its end means: it may have been told to stop, here or by somebody else."""
        message = active.running.receive()
        if isinstance(message, Report):
            return message
        active.ended_without_result = message is None
        outcome = message or Outcome("failed", failure="killed", error=active.running.death)
        active.running.end()
        if active.stop_reason is not None and outcome.state != "complete":
            return active.outcome_of_stop(outcome.traceback)
        if outcome.failure == "interrupted":
            return replace(outcome, failure="killed", error="its process was told to end")
        return outcome

    def answer(self, active: Occupant, verdict: Verdict) -> None:
        """Answer a report; one that was told to stop has heard why it ends."""
        if active.stop_reason is None and verdict == "prune":
            active.stop_reason, active.kill_at = "pruned", time.monotonic() + PRUNE_GRACE
            active.running.answer("prune")
        else:
            active.running.answer("go")

    def end_overdue(self) -> list[tuple[Occupant, Outcome]]:
        """Tell those that take too long to stop, and end those that were told so and have not; these are returned."""
        now, ended = time.monotonic(), []
        for active in list(self.active):
            if active.stop_reason is None and active.limit is not None and now - active.began > active.limit:
                self._stop(active, "timeout")
            if not active.kill_at or now <= active.kill_at:
                continue
            if now <= active.kill_at + STOP_GRACE and wait_for([active.running], 0.0, warming=None):
                continue  # what it has sent is heard first
            active.running.end()
            ended.append((active, active.outcome_of_stop()))
        return ended

    def release(self, active: Occupant) -> None:
        """Free the slot of one that has ended."""
        self.active.remove(active)
        self._free.append(active.slot)

    def _stop(self, active: Occupant, why: Literal["timeout", "interrupted"]) -> None:
        active.stop_reason, active.kill_at = why, time.monotonic() + STOP_GRACE
        if active.stop_sent_to is not active.running:  # a second word would break off what the first one made it write
            active.stop_sent_to = active.running
            active.running.answer("timeout" if why == "timeout" else "stop")

    # --- signals

    def set_interrupts(self, times: int, *, by: int = signal.SIGINT) -> None:
        """Interrupt as `times` times Ctrl-C would, without printing. `by`: the signal received elsewhere."""
        if times > self.interrupts:
            self.interrupts, self.ended_by = times, signal.Signals(by)

    def stop_all(self, *, by: int = signal.SIGINT) -> None:
        """Tell what runs to stop. A third signal changes nothing."""
        self.set_interrupts(2, by=by)
        ending = [active for active in self.active if active.stop_reason is None]
        if ending:
            it = "it" if len(ending) == 1 else "them"
            self._notes.append(f"ending {len(ending)} running; the same command runs {it} again")
        for active in ending:
            self._stop(active, "interrupted")

    def _on_sigint(self) -> None:
        self._exit_if_asked_again(signal.SIGINT)
        self.set_interrupts(self.interrupts + 1)
        if self.interrupts == 1:
            busy = self.size - len(self._free)  # with what is being started just now
            waits = f"; waiting for {busy} to finish (Ctrl-C again ends them)" if busy else ""
            self._notes.append(f"no new {self._jobs}{waits}")
        else:
            self.stop_all()

    def _on_sigterm(self, number: int) -> None:
        """Whoever ends processes, such as a cluster at its time limit, means it: as Ctrl-C twice."""
        self._exit_if_asked_again(number)
        self._notes.append(f"told to end by {signal.Signals(number).name}")
        self.stop_all(by=number)

    def _exit_if_asked_again(self, number: int) -> None:
        self._signals += 1
        if self._signals > PATIENCE:
            SERVER.kill()
            os._exit(128 + number)

    def _say_notes(self) -> None:
        """Say what signals did: a handler that prints would break into what is being printed."""
        while self._notes:
            self._say(self._notes.popleft())
