"""Executors of trials: processes forked from a preloaded fork server, and their equivalent in threads of the worker."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol

from ratchet.search.processes.channel import Report, Verdict
from ratchet.search.processes.outcomes import Outcome
from ratchet.search.processes.server import SERVER, importable
from ratchet.search.processes.trial_process import Job, Task, enter_environment, trial_main

GRACE = 1.0  # seconds between asking a process to end and ending it
_SERVER_GONE = 255  # multiprocessing's exit code of a process whose server cannot tell it any more


class Running(Protocol):
    """A training that has been started."""

    @property
    def signs(self) -> list[Any]:
        """What becomes readable when it has sent something, or ended."""

    @property
    def death(self) -> str:
        """How it ended, when it ended without a result."""

    def receive(self) -> Report | Outcome | None:
        """The next message; None when it ended without a result."""

    def answer(self, verdict: Verdict) -> None:
        """Answer a report, or say `stop` or `timeout` at any time."""

    def end(self) -> None:
        """End it at once, with all that it started."""


class Executor(Protocol):
    """Starts jobs, each in a trial process or in a thread."""

    def warm_up(self) -> None:
        """Begin to import what jobs need, for there will be jobs soon."""

    @property
    def warming(self) -> Connection | None:
        """Connection that becomes readable when jobs can be started at once; None when they can already."""

    def leave(self) -> None:
        """End what is still warming up, for there will be no more jobs."""

    def start(self, job: Job) -> Running:
        """Start one, and come back at once; while it is `warming` up it waits for that."""


class ForkedExecutor:
    """One process for each job, from a server that has imported what jobs need; where there is no fork, spawned."""

    def __init__(self, preload: Sequence[str] = ()) -> None:
        self._context: Any = multiprocessing.get_context("forkserver" if SERVER.exists else "spawn")
        self._preload, self._begun = preload, False
        self._pickled: tuple[Task, bytes] | None = None

    def warm_up(self) -> None:
        """Let the server begin its imports; it takes seconds."""
        self._begun = True
        SERVER.begin(self._preload)

    @property
    def warming(self) -> Connection | None:
        """What becomes readable when the server has imported everything; None from then on."""
        return SERVER.warming

    def leave(self) -> None:
        """A server that still imports is ended, unless somebody else waits for it."""
        if self._begun:
            self._begun = False
            SERVER.leave()

    def start(self, job: Job) -> ForkedRun:
        """Fork, hand the job over, and come back."""
        if not self._begun:
            self.warm_up()
        ours, theirs = self._context.Pipe()
        payload = (SERVER.environment(), self._pickled_once(job), job.own())
        process = self._context.Process(target=trial_main, args=(theirs, *payload), name=f"trial-{job.number}")
        with importable(), _without_main():
            process.start()
        theirs.close()
        return ForkedRun(process, ours)

    def _pickled_once(self, job: Job) -> bytes:
        if self._pickled is None or self._pickled[0] is not job.task:
            self._pickled = job.task, job.shared()
        return self._pickled[1]


class ForkedRun:
    """A process and the worker's end of its pipe."""

    def __init__(self, process: Any, connection: Connection) -> None:
        self._process, self.connection = process, connection

    @property
    def pid(self) -> int:
        """Process id of the trial process."""
        return int(self._process.pid)

    @property
    def signs(self) -> list[Any]:
        """Its pipe, which what it forked may hold open, and its sentinel, unless that tells of the server's death."""
        process = self._process
        orphaned = process.exitcode == _SERVER_GONE and _exists(self.pid)
        return [self.connection] if orphaned else [self.connection, process.sentinel]

    def receive(self) -> Report | Outcome | None:
        """The next message; None when the process was killed."""
        wait(self.signs)
        try:
            if not self.connection.poll():
                return None
            message = self.connection.recv()
        except (EOFError, OSError):
            return None
        assert isinstance(message, Report | Outcome)
        return message

    def answer(self, verdict: Verdict) -> None:
        """A process that is gone hears nothing; its end is noticed elsewhere."""
        with suppress(OSError):
            self.connection.send(verdict)

    def end(self) -> None:
        """Wait a little for it to end by itself, then kill it and the processes it started."""
        self._process.join(GRACE)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)  # it leads a group of its own, which outlives it
        if self._process.exitcode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self._process.join(GRACE)  # the kernel may hold it for long: one that waits for a disk or a device
        self.connection.close()

    @property
    def death(self) -> str:
        """How a process ended that sent no result."""
        self._process.join(GRACE)
        code = self._process.exitcode
        if code is not None and code < 0:
            return f"its process was ended by {signal.Signals(-code).name}"
        return f"its process ended with status {code}"


def _exists(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def apart(function: Callable[[Any], Any], argument: Any) -> Any:
    """What a function of a module returns, called in a process of the server; here where no server was begun.

    None where the process was killed, or the function raised something.
    """
    if not SERVER.begun:
        return function(argument)
    while (warming := SERVER.warming) is not None:
        wait([warming], 0.5)
    context: Any = multiprocessing.get_context("forkserver")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(theirs, SERVER.environment(), function, argument), name="apart")
    with importable(), _without_main():
        process.start()
    theirs.close()
    try:
        wait([ours, process.sentinel])  # what the function forked may hold the pipe open
        return ours.recv() if ours.poll() else None
    except (EOFError, OSError):
        return None
    finally:
        process.kill()
        process.join()
        ours.close()


def _answer(
    connection: Connection, environment: dict[str, str | None], function: Callable[[Any], Any], argument: Any
) -> None:
    enter_environment(environment)
    with suppress(Exception):
        connection.send(function(argument))


@contextmanager
def _without_main() -> Iterator[None]:
    """A trial does not import the script that was typed: multiprocessing would, for each process again.

    Nor does it take over a way of starting processes that it does not know, such as loky's in a worker of joblib's.
    """
    method = multiprocessing.get_start_method(allow_none=True)
    if method not in {None, *multiprocessing.get_all_start_methods()}:
        multiprocessing.set_start_method(None, force=True)
    main: Any = sys.modules["__main__"]
    hidden = {name: getattr(main, name) for name in ("__spec__", "__file__") if hasattr(main, name)}
    main.__spec__ = None
    if "__file__" in hidden:
        del main.__file__
    try:
        yield
    finally:
        for name, value in hidden.items():
            setattr(main, name, value)
        if method not in {None, *multiprocessing.get_all_start_methods()}:
            multiprocessing.set_start_method(method, force=True)


def wait_for(running: Sequence[Running], timeout: float, *, warming: Connection | None) -> list[Running]:
    """Return the jobs that have sent something or ended in `timeout` seconds; none if the executor is warm first."""
    if not running and warming is None:
        time.sleep(min(timeout, 0.5))
        return []
    ready = set(wait([*(sign for each in running for sign in each.signs), *filter(None, [warming])], timeout))
    return [each for each in running if ready.intersection(each.signs)]
