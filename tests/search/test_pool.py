"""A pool of jobs, of which a test says what they send and when they end."""

from __future__ import annotations

import errno
import os
import signal
from multiprocessing import Pipe
from typing import Any

import pytest

from ratchet.errors import RatchetError
from ratchet.search.processes import pool as room
from ratchet.search.processes.channel import Report
from ratchet.search.processes.outcomes import Outcome
from ratchet.search.processes.pool import Active, Pool
from ratchet.search.processes.slots import Slot, make_slots

COMPLETE = Outcome("complete", metrics={"value": 1.0})


class Played:
    """A process that a test plays: what it sends, and what it is told."""

    death = "it was killed"

    def __init__(self) -> None:
        self.ours, self.theirs = Pipe()
        self.told: list[str] = []
        self.ended = False

    @property
    def signs(self) -> list[Any]:
        return [self.ours]

    def send(self, message: Report | Outcome) -> None:
        self.theirs.send(message)

    def receive(self) -> Any:
        try:
            return self.ours.recv()
        except EOFError:
            return None

    def answer(self, verdict: str) -> None:
        self.told.append(verdict)

    def end(self) -> None:
        self.ended = True


class Executor:
    """Starts what a test plays."""

    warming = None

    def __init__(self) -> None:
        self.left = False

    def warm_up(self) -> None:
        pass

    def leave(self) -> None:
        self.left = True

    def start(self, job: Any) -> Played:
        if job == "too many":
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return Played()


JOB: Any = "a job"


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def pool(said: list[str], monkeypatch: pytest.MonkeyPatch) -> Pool[Active]:
    monkeypatch.setattr(room, "STOP_GRACE", 5.0)
    return Pool(Executor(), [Slot(0, 1), Slot(1, 1)], say=said.append)  # type: ignore[arg-type]


def started(pool: Pool[Active], *, limit: float | None = None) -> tuple[Active, Any]:
    slot = pool.take_slot()
    active = Active(slot=slot, running=pool.start(JOB), began=room.time.monotonic(), limit=limit)
    pool.add(active)
    return active, active.running


def test_a_job_is_heard_and_its_slot_is_free_again(pool: Pool[Active]) -> None:
    active, running = started(pool)
    other, _ = started(pool)
    assert not pool.has_room
    running.send(Report(1, 0.5))
    assert pool.ready(0) == [active]
    assert pool.receive(active) == Report(1, 0.5)
    pool.answer(active, "go")
    running.send(COMPLETE)
    assert pool.ready(0) == [active]
    assert pool.receive(active) == COMPLETE
    pool.release(active)
    assert (running.told, running.ended, pool.active, pool.has_room) == (["go"], True, [other], True)


def test_one_that_ends_without_a_word_was_killed(pool: Pool[Active]) -> None:
    active, running = started(pool)
    running.theirs.close()
    assert pool.receive(active) == Outcome("failed", failure="killed", error="it was killed")
    assert active.ended_without_result


@pytest.mark.parametrize("sent", [COMPLETE, Outcome("failed", failure="interrupted")])
def test_what_was_sent_in_time_counts_though_nobody_listened(pool: Pool[Active], sent: Outcome) -> None:
    active, running = started(pool, limit=0.0)
    assert pool.end_overdue() == []
    assert running.told == ["timeout"]
    running.send(sent)
    active.kill_at = room.time.monotonic() - 1.0  # this process slept meanwhile
    assert pool.end_overdue() == []
    assert pool.ready(0) == [active]
    outcome = pool.receive(active)
    assert (outcome.state, outcome.failure) == ((sent.state, None) if sent is COMPLETE else ("failed", "timeout"))  # type: ignore[union-attr]


def test_one_that_reports_for_ever_is_ended_all_the_same(pool: Pool[Active]) -> None:
    active, running = started(pool, limit=0.0)
    pool.end_overdue()
    running.send(Report(1, 0.5))
    active.kill_at = room.time.monotonic() - 6.0
    ((ended, outcome),) = pool.end_overdue()
    assert (ended is active, outcome.failure, running.ended) == (True, "timeout", True)


def test_the_next_job_of_a_slot_has_its_own_time(pool: Pool[Active]) -> None:
    active, running = started(pool, limit=0.0)
    pool.end_overdue()
    running.send(COMPLETE)
    assert pool.receive(active) == COMPLETE
    active.limit = 60.0
    pool.start_next(active, JOB)
    assert pool.end_overdue() == []
    assert (active.stop_reason, active.kill_at, active.running is running) == (None, 0.0, False)


def test_a_machine_that_starts_no_further_process_is_a_line(pool: Pool[Active]) -> None:
    with pytest.raises(RatchetError, match=r"no further process can be started \(.*Too many open files\); what is"):
        pool.start("too many")  # type: ignore[arg-type]


def test_signals_act_at_once_and_are_told_where_nothing_is_printed(pool: Pool[Active], said: list[str]) -> None:
    with pool.handling_signals():
        active, running = started(pool)
        signal.raise_signal(signal.SIGINT)
        assert (pool.has_room, said, running.told) == (False, [], [])
        pool.ready(0)
        assert said.pop() == "no new trials; waiting for 1 to finish (Ctrl-C again ends them)"
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        assert (said, running.told, active.stop_reason) == ([], ["stop"], "interrupted")
        pool.ready(0)
        assert said == ["ending 1 running; the same command runs it again", "told to end by SIGTERM"]
        assert pool.ended_by == signal.SIGINT
    assert running.ended
    assert pool.executor.left  # type: ignore[attr-defined]


def test_what_is_heard_elsewhere_later_does_not_change_what_ended_it(pool: Pool[Active]) -> None:
    with pool.handling_signals():
        signal.raise_signal(signal.SIGTERM)
        pool.set_interrupts(2)
        assert pool.ended_by == signal.SIGTERM


@pytest.mark.parametrize(
    ("n_jobs", "devices", "gpus"),
    [
        (None, 1, ["0", "1", "2", "3"]), (None, 2, ["0,1", "2,3"]), (None, 3, ["0,1,2"]), (None, 8, ["0,1,2,3"]),
        (3, 2, ["0,1", "2,3", "0,1"]),
    ],
)  # fmt: skip
def test_a_trial_gets_as_many_gpus_as_it_uses(n_jobs, devices, gpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ratchet.search.processes.slots.visible_gpus", lambda: ["0", "1", "2", "3"])
    monkeypatch.setattr("ratchet.search.processes.slots.cores", lambda: 64)
    slots = make_slots(n_jobs, devices=devices)
    assert [slot.gpu for slot in slots] == gpus
    assert ("CUDA_VISIBLE_DEVICES", gpus[0]) in slots[0].environment
