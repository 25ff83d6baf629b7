"""The connection between a trial process and its worker: reports and results one way, verdicts the other."""

from __future__ import annotations

import operator
import os
import queue
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Literal

from ratchet.errors import TrialPruned
from ratchet.search.processes.outcomes import Outcome

Verdict = Literal["go", "prune", "stop", "timeout"]


@dataclass(frozen=True)
class Report:
    """An intermediate value of the objective."""

    step: int
    value: float
    of: int | None = None  # how many there will be, if nothing ends it early; None: it cannot say


@dataclass(frozen=True)
class TrialContext:
    """Which trial the calling process runs; what a task asks for to report and to be pruned."""

    study: str
    number: int
    send: Callable[[int, float, int | None], Verdict]
    identity: str = ""  # of this training, the same when it is tried again; of no other study, deleted ones included

    def report(self, step: int, value: float, of: int | None = None) -> None:
        """Tell the worker; `of`: how many reports there will be. Raises TrialPruned when the pruner has seen enough.

        Raises TypeError or ValueError for a step that is not a whole number from 0 on.
        """
        step = operator.index(step)
        if step < 0:
            raise ValueError(f"a report's step is {step}; allowed: 0 or more")
        if self.send(step, float(value), None if of is None else int(of)) == "prune":
            raise TrialPruned


_current: TrialContext | None = None
_process = 0  # whose trial it is


def current_trial() -> TrialContext | None:
    """The trial of this process; None outside a search, and in what a trial has forked."""
    return _current if _process == os.getpid() else None


def enter_trial(context: TrialContext | None) -> None:
    """What a trial's process calls first."""
    global _current, _process
    _current, _process = context, os.getpid()


class TrialConnection:
    """The trial's end. A thread listens: for verdicts, for `stop` or `timeout`, and for the worker's death."""

    def __init__(
        self, connection: Connection, *, on_stop: Callable[[Verdict], None], on_lost: Callable[[], None]
    ) -> None:
        self._connection = connection
        self._verdicts: queue.SimpleQueue[Verdict] = queue.SimpleQueue()
        self._on_stop, self._on_lost = on_stop, on_lost
        self._ended = False

    def listen(self) -> None:
        """Begin to listen."""
        threading.Thread(target=self._listen, name="worker", daemon=True).start()

    def report(self, step: int, value: float, of: int | None) -> Verdict:
        """Send an intermediate value and wait for the verdict."""
        self._connection.send(Report(step, value, of))
        return self._verdicts.get()

    def end(self, outcome: Outcome) -> None:
        """Send the result. Nothing follows it."""
        self._ended = True
        self._connection.send(outcome)

    def _listen(self) -> None:
        while True:
            try:
                verdict: Any = self._connection.recv()
            except (EOFError, OSError):
                if not self._ended:
                    self._on_lost()
                return
            if verdict in {"stop", "timeout"}:
                self._on_stop(verdict)
            else:
                self._verdicts.put(verdict)


def interrupt_main_thread() -> None:
    """Interrupt the main thread as Ctrl-C would."""
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
