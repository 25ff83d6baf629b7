"""An executor whose jobs run in threads of the worker: for tests, and where time is counted."""

from __future__ import annotations

import multiprocessing
import threading
from typing import Any

from ratchet.search.processes.channel import Report, TrialConnection, Verdict
from ratchet.search.processes.executors import GRACE
from ratchet.search.processes.outcomes import Outcome
from ratchet.search.processes.trial_process import Job, run


class ThreadExecutor:
    """The twin: a job runs in a thread of the worker. No isolation; for tests, and where time is counted."""

    def warm_up(self) -> None:
        """Nothing: jobs import what they need."""

    @property
    def warming(self) -> None:
        """Always None: threads need no warming up."""

    def leave(self) -> None:
        """Threads end with their jobs."""

    def start(self, job: Job) -> ThreadRun:
        """Start the job in a thread."""
        return ThreadRun(job)


class ThreadRun:
    """A thread that speaks as a process would."""

    def __init__(self, job: Job) -> None:
        self.connection, theirs = multiprocessing.Pipe()
        self._line = TrialConnection(theirs, on_stop=lambda _: None, on_lost=lambda: None)
        self._line.listen()
        self._thread = threading.Thread(target=self._run, args=(job,), daemon=True)
        self._thread.start()

    @property
    def signs(self) -> list[Any]:
        """A thread that ends has said so."""
        return [self.connection]

    def _run(self, job: Job) -> None:
        self._line.end(run(job, self._line.report))

    def receive(self) -> Report | Outcome | None:
        """Receive the next message of the trial."""
        message = self.connection.recv()
        assert isinstance(message, Report | Outcome)
        return message

    def answer(self, verdict: Verdict) -> None:
        """Answer a report through the same pipe."""
        self.connection.send(verdict)

    @property
    def death(self) -> str:
        """A thread does not end like that."""
        return "its thread ended"

    def end(self) -> None:
        """A thread cannot be ended, only awaited."""
        self._thread.join(GRACE)
        self.connection.close()
