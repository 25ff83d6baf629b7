"""What runs in a trial's process: one job of Hydra's, its output in a file, its end told to the worker."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cloudpickle
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, run_job, setup_globals
from omegaconf import DictConfig

from ratchet.errors import TrialPruned
from ratchet.search.channel import Line, TrialContext, enter_trial, interrupt_main_thread
from ratchet.search.outcomes import Outcome

OUTPUT = "output.log"  # in the trial's directory: what it printed


@dataclass(frozen=True)
class Job:
    """One training of one trial."""

    task: Callable[[DictConfig], Any]
    config: DictConfig  # with its hydra node
    context: Any  # HydraContext
    study: str
    number: int
    directory: Path
    names: tuple[str, ...]  # of the objectives
    keep_return: bool = False
    environment: tuple[tuple[str, str], ...] = ()
    captures: bool = True  # what is printed goes to a file

    def dumps(self) -> bytes:
        """By cloudpickle: a task may be defined in a script."""
        return bytes(cloudpickle.dumps((self, Singleton.get_state())))


def trial_main(connection: Connection, payload: bytes) -> None:
    """Entry point of a forked process."""
    if hasattr(os, "setsid"):
        os.setsid()  # Ctrl-C in the terminal is the worker's business
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: interrupt_main_thread())
    line = Line(connection, on_stop=interrupt_main_thread, on_lost=lambda: os._exit(1))
    try:
        job, state = cloudpickle.loads(payload)
        Singleton.set_state(state)
        os.environ.update(job.environment)
        if job.captures:
            _capture(job.directory / OUTPUT)
        outcome = run(job, line.report)
    except BaseException as error:  # noqa: BLE001 - the worker has to hear of anything
        outcome = Outcome.of_error(error)
    _send(line, outcome)


def run(job: Job, report: Callable[[int, float], Any]) -> Outcome:
    """Run the job's task under Hydra and say what it came to."""
    enter_trial(TrialContext(job.study, job.number, report))
    setup_globals()
    try:
        returned = run_job(
            hydra_context=job.context,
            task_function=job.task,
            config=job.config,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
        )
    except TrialPruned:
        return Outcome("pruned")
    except KeyboardInterrupt as error:
        return Outcome.of_error(error)
    finally:
        enter_trial(None)
    kept: JobReturn | None = returned if job.keep_return else None
    if returned.status == JobStatus.FAILED:
        return Outcome.of_error(returned._return_value, returned=kept)
    return Outcome.of_value(returned.return_value, job.names, returned=kept)


def _send(line: Line, outcome: Outcome) -> None:
    try:
        message = cloudpickle.dumps(outcome)
    except Exception:  # noqa: BLE001 - what a task returns need not pickle
        message = cloudpickle.dumps(Outcome(**{**vars(outcome), "returned": None}))
    line.end(message)


def _capture(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)


def preloaded() -> Sequence[str]:
    """What a server that forks trials has imported at least."""
    return ("cloudpickle", "hydra.core.utils", __name__)
