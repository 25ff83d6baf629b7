"""What runs in a trial's process: one call of a task, its output in a file, its end told to the worker."""

from __future__ import annotations

import os
import pickle
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn, Protocol

import cloudpickle

from ratchet.errors import TrialPruned, TrialTimeout
from ratchet.files import unlink_from_others
from ratchet.search.processes.channel import TrialConnection, TrialContext, Verdict, enter_trial, interrupt_main_thread
from ratchet.search.processes.outcomes import Outcome

OUTPUT = "output.log"  # in the trial's directory: what it printed


class Task(Protocol):
    """What all jobs of a worker call."""

    def enter(self) -> None:
        """Make a new process ready for the call."""

    def __call__(self, given: Any) -> Outcome:
        """Do the work of one job. What it raises is an outcome too."""


@dataclass(frozen=True)
class Job:
    """One call of a task in a process of its own: one training of one trial."""

    task: Task
    given: Any  # to the task
    study: str
    number: int
    directory: Path
    environment: tuple[tuple[str, str], ...] = ()
    captures: bool = True  # what is printed goes to a file
    identity: str = ""  # see TrialContext

    def shared(self) -> bytes:
        """Pickle the task, for all jobs of a worker. By cloudpickle: it may be in a script."""
        return bytes(cloudpickle.dumps(self.task))

    def own(self) -> bytes:
        """Pickle the rest."""
        return dumps(replace(self, task=None))  # type: ignore[arg-type]


def trial_main(connection: Connection, environment: dict[str, str | None], shared: bytes, own: bytes) -> None:
    """Entry point of a forked process. Its environment is the worker's: the server's is from when that began."""
    if hasattr(os, "setsid"):
        os.setsid()  # Ctrl-C in the terminal is the worker's business
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # also one that came before, and waits where it is blocked
    told: list[Verdict] = []  # to stop, and why

    def hear(*_: object) -> NoReturn:
        if "timeout" in told:
            raise TrialTimeout("it took longer than sweep.trial_timeout")
        raise KeyboardInterrupt

    def stop(verdict: Verdict) -> None:
        told.append(verdict)
        interrupt_main_thread()

    line = TrialConnection(connection, on_stop=stop, on_lost=_end_all)
    try:  # what is raised by a signal, at whatever moment, is the outcome
        try:
            signal.signal(signal.SIGINT, hear)
            signal.signal(signal.SIGTERM, lambda *_: interrupt_main_thread())
            if hasattr(signal, "pthread_sigmask"):
                signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # a worker that was placed has it blocked
            line.listen()
            enter_environment(environment)
            task: Task = cloudpickle.loads(shared)
            task.enter()
            job: Job = replace(pickle.loads(own), task=task)
            os.environ.update(job.environment)
            if job.captures:
                _capture(job.directory / OUTPUT)
            outcome = run(job, line.report)
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
    except BaseException as error:  # noqa: BLE001 - the worker has to hear of anything
        outcome = Outcome.of_error(error)
    line.end(outcome)


def _end_all() -> NoReturn:
    """The worker is gone: end this process and those that it started, which are in the group that it leads."""
    if hasattr(os, "setsid") and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def enter_environment(environment: Mapping[str, str | None]) -> None:
    """Take over the environment of the process that asked for this one: see TrialServer.environment."""
    for name, value in environment.items():
        os.environ.pop(name, None)
        os.environ.update({name: value} if value is not None else {})


def run(job: Job, report: Callable[[int, float, int | None], Any]) -> Outcome:
    """Call the job's task and say what it came to."""
    enter_trial(TrialContext(job.study, job.number, report, job.identity))
    try:
        return job.task(job.given)
    except TrialPruned:
        return Outcome("pruned")
    except BaseException as error:  # noqa: BLE001 - the worker has to hear of anything
        return Outcome.of_error(error)
    finally:
        enter_trial(None)


def _capture(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    unlink_from_others(file)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)


def dumps(value: Any) -> bytes:
    """An object as bytes: by pickle, which is fast, and by cloudpickle where that refuses.

    Hydra imports its plugins anew when it starts, and a config from before names classes that are no longer what their
    module has.
    """
    try:
        return pickle.dumps(value)
    except (pickle.PicklingError, AttributeError, TypeError):
        return bytes(cloudpickle.dumps(value))
