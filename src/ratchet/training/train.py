"""train(): one run, from a checked config to a run directory."""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
import shutil
import signal
import sys
import threading
import time
import traceback
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.loggers.logger import Logger

from ratchet.config.composition import config_hash
from ratchet.config.grammar import assignment
from ratchet.config.hints import named, to_type
from ratchet.config.non_numeric_settings import only_non_numeric, without_non_numeric
from ratchet.config.schema import Config
from ratchet.data.card import imbalance
from ratchet.data.prepared import PreparedData
from ratchet.errors import (
    OutOfMemoryError,
    RatchetError,
    TrainingError,
    TrialPruned,
    TrialTimeout,
    first_line,
    ran_out,
)
from ratchet.files import unlink_from_others, write_atomically
from ratchet.models.build import TO_SHRINK
from ratchet.project import Project
from ratchet.redaction import redacted
from ratchet.runs import provenance
from ratchet.runs.directory import RunDirectory
from ratchet.runs.record import Result, RunRecord, Status
from ratchet.terminal.command import signals_later
from ratchet.tracking.identity import SweepAgent
from ratchet.tracking.loggers import build_loggers, finish_loggers, tracks_in_wandb
from ratchet.training.datamodule import PreparedDataModule
from ratchet.training.fit import Fit
from ratchet.training.module import TaskModule
from ratchet.training.own_data import OwnData
from ratchet.training.predictions import write_out_of_fold
from ratchet.training.resuming import is_over, note_the_end, reached_by, refuse_changes, restored
from ratchet.training.trainer import Report
from ratchet.yaml_files import yaml_text


def train(
    config: Config,
    *,
    run: RunDirectory,
    project: Project,
    command: Sequence[str] = (),
    resume: bool = False,
    study: str | None = None,
    trial: int | None = None,
    wandb_id: str | None = None,
    agent: SweepAgent | None = None,
    report: Report | None = None,
) -> RunRecord:
    """Train on the prepared arrays and write the run directory; with `resume` go on from its last checkpoint.

    In a search the run is `trial` of `study`; `report(validation, objective)` hears of each validation, and ends the
    run by raising TrialPruned. Its W&B run is `wandb_id`, the same for a trial that is tried again. A new run that
    `agent` of a sweep of W&B's began is the one that it names.

    Raises a RatchetError for what a person can mend and KeyboardInterrupt for Ctrl-C; run.json then says so too.
    Nothing is written before the config, the data and the model are known to fit together, and nothing at all
    where a run is resumed that has nothing left to do.
    """
    began = time.perf_counter()
    if not resume and study is None:
        _refuse_to_replace(run)
    with explained(config):
        fit = Fit.assemble(config, project=project, run=run)
    _note_the_data(fit)
    run.create()
    with sole_training(run):
        if not resume and study is None:
            _refuse_to_replace(run)  # again: another training may have ended here since
        return _train(
            fit, began=began, project=project, command=command, resume=resume, report=report, study=study, trial=trial,
            wandb_id=wandb_id, agent=agent,
        )  # fmt: skip


def _train(
    fit: Fit, *, began: float, project: Project, command: Sequence[str], resume: bool, report: Report | None,
    study: str | None, trial: int | None, wandb_id: str | None, agent: SweepAgent | None,
) -> RunRecord:  # fmt: skip
    config, run = fit.config, fit.run
    reached = reached_by(fit) if resume else None
    if resume:
        refuse_changes(config, run=run)
    before = RunRecord.read(run) if resume and run.record.is_file() else None
    if before and reached and is_over(before, reached, config=config):
        note_the_end(reached, config, run=run)
        return before
    if not resume:
        shutil.rmtree(run.evaluation, ignore_errors=True)  # it is of the weights that are about to be replaced
    record = _begin(fit, project=project, command=command, before=before)
    record.study, record.trial = (study, trial) if before is None else (before.study, before.trial)
    if wandb_id is not None and record.wandb_id is not None:
        record.wandb_id = wandb_id
    if agent is not None and before is None and record.wandb_id is not None:
        record.id = record.wandb_id = agent.run_id
        record.wandb_sweep = agent.sweep
    for_dvc = run.path.resolve() == project.champion_run.resolve()
    status: Status = "failed"
    error: BaseException | None = None
    trainer: pl.Trainer | None = None
    loggers: list[Logger] = []
    try:
        _write_config(config, run=run, record=record, for_dvc=for_dvc)
        record.write(run)  # the two say the same from here on, also where a service is waited for in vain
        loggers = build_loggers(
            config, run=run, record=record, project=project, resumed_at_step=reached.steps if reached else None,
            parameters=agent.parameters if agent else None, keeps_curves=for_dvc,
        )  # fmt: skip
        began = _note_time(record, "setup", since=began)
        with explained(config), restored(run) if resume else nullcontext():
            trainer = fit.trainer(loggers, report=report)
            record.host["device"] = provenance.device(trainer.strategy.root_device)
            record.write(run)
            fit.go(trainer, resume=resume)
            _conclude(fit)
        status = "completed"
    except BaseException as raised:
        error = raised
        status = _status_of(raised)
        raise
    finally:
        try:
            with signals_later():
                metrics = trainer.callback_metrics if trainer else {}
                _finish(record, fit=fit, metrics=metrics, status=status, error=error)
                _note_time(record, "fit", since=began)
                record.write(run)
                if for_dvc and status == "completed":
                    Result.of(record).write(run)
        finally:
            finish_loggers(loggers, record=record, config=config, run=run, project=project)
    return record


@contextmanager
def sole_training(run: RunDirectory) -> Iterator[None]:
    """Hold the run's directory, for two trainings in one would damage each other. Raises RatchetError where one is.

    The kernel lets go of it when the process ends, however that is. A file system without locks has none.
    """
    held = os.open(run.path, os.O_RDONLY)
    try:
        with suppress(OSError):
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                said = (
                    f"{os.path.relpath(run.path)} is being trained by another process; allowed: to wait until it ends"
                )
                raise RatchetError(f"{said}; type: {to_type('cat', os.path.relpath(run.record))}") from None
        yield
    finally:
        os.close(held)


def _conclude(fit: Fit) -> None:
    """Require a number; of a cross-validation write what the best checkpoint says of the fold that it never saw."""
    _require_a_number(fit)
    if isinstance(fit.data, PreparedData) and fit.data.fold is not None and isinstance(fit.module, TaskModule):
        write_out_of_fold(fit.run, fit.data, fit.module.task)


def _note_the_data(fit: Fit) -> None:
    if isinstance(fit.data, OwnData):
        print(
            f"note: {type(fit.datamodule).__qualname__} splits its data itself: training gets its train and validation "
            "loaders alone, but what it reads is neither guarded nor verified",
            file=sys.stderr,
        )
        return
    assert isinstance(fit.datamodule, PreparedDataModule)
    left_out = fit.module.task.left_out if isinstance(fit.module, TaskModule) else ()
    for line in (*left_out, *imbalance(fit.data.card, fit.config.objective.metric)):
        print(f"note: {line}", file=sys.stderr)
    asked, size = fit.config.trainer.batch_size, fit.datamodule.batch_size
    if size < asked:
        print(
            f"note: trainer.batch_size={asked} is more than there are training examples for each device: it is {size}",
            file=sys.stderr,
        )


def _refuse_to_replace(run: RunDirectory) -> None:
    """Raises RatchetError where the directory holds a run: its numbers would be lost without a word."""
    if run.holds_a_run:
        record, again = RunRecord.read(run), named("resume", os.path.relpath(run.path))
        raise RatchetError(
            f"{os.path.relpath(run.path)} holds the run {record.id} ({record.status}), which is not replaced; "
            f"allowed: a new directory, or to go on with it; type: {to_type('python', 'src/train.py', again)}, "
            f"or {to_type(assignment('hydra.run.dir', _another(run)))}"
        )


def _another(run: RunDirectory) -> str:
    """A directory beside the run's that is not there."""
    names = (f"{os.path.relpath(run.path)}-{number}" for number in itertools.count(2))
    return next(name for name in names if not Path(name).exists())


def _write_config(config: Config, *, run: RunDirectory, record: RunRecord, for_dvc: bool) -> None:
    """Write config.yaml. Where DVC tracks it, it holds only what decides the numbers; the record has the rest."""
    plain = config.plain()
    if for_dvc:
        record.inert, plain = only_non_numeric(plain), without_non_numeric(plain)
        run.result.unlink(missing_ok=True)  # until there is another
    write_atomically(run.config, yaml_text(plain).encode())


def _begin(fit: Fit, *, project: Project, command: Sequence[str], before: RunRecord | None) -> RunRecord:
    config = fit.config
    identifier = before.id if before else uuid.uuid4().hex[:8]
    now = _now()
    return RunRecord(
        id=identifier,
        status="running",
        wandb_id=(before and before.wandb_id) or (identifier if tracks_in_wandb(config) else None),
        wandb_sweep=before.wandb_sweep if before else None,
        command=[redacted(argument) for argument in command],
        git=provenance.git_state(project.root),
        data={"name": config.data.name, "hash": fit.data.data_hash},
        config_hash=config_hash(config),
        versions=provenance.versions(),
        host=provenance.host(),
        threads=config.trainer.threads,
        seed=config.seed,
        parameters=fit.parameters,
        started_at=before.started_at if before else now,
        resumed=before.resumed + 1 if before else 0,
        resumed_at=now if before else None,
        legs=before.earlier_legs() if before else [],
        timings=dict(before.timings) if before else {},
        best=before.best if before else None,  # until there is a better one: its checkpoint stays
        metrics=dict(before.metrics) if before else {},
    )


def _note_time(record: RunRecord, name: str, *, since: float) -> float:
    """Add the seconds since then to those of the run's earlier legs. Returns the time."""
    now = time.perf_counter()
    record.timings[name] = round(record.timings.get(name, 0.0) + now - since, 3)
    return now


def _finish(
    record: RunRecord, *, fit: Fit, metrics: Mapping[str, Any], status: Status, error: BaseException | None
) -> None:
    record.status = status
    record.finished_at = _now()
    record.best = fit.checkpoints.best or record.best
    record.metrics = {name: float(value) for name, value in metrics.items()} or record.metrics
    if error is not None and not isinstance(error, TrialPruned):
        record.error = {"class": type(error).__name__, "message": redacted(str(error))}
        unlink_from_others(fit.run.log)
        with fit.run.log.open("a", encoding="utf-8") as log:
            log.write(redacted("".join(traceback.format_exception(error))))


def _status_of(error: BaseException) -> Status:
    if isinstance(error, TrialPruned):
        return "pruned"
    interrupted = isinstance(error, KeyboardInterrupt) and not isinstance(error, TrialTimeout)
    return "interrupted" if interrupted else "failed"


def _require_a_number(fit: Fit) -> None:
    if fit.checkpoints.validates and fit.checkpoints.best is None:
        raise TrainingError(
            "training ended before its first validation, so there is no best checkpoint; "
            "type: trainer.validate_every=1, or a larger trainer.max_epochs or trainer.max_steps"
        )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@contextmanager
def explained(config: Config) -> Iterator[None]:
    """Lightning's way of ending on Ctrl-C, and memory or disk that ran out, as what they are."""
    on_main_thread = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise error.__context__ from None
        raise
    except RatchetError:
        raise
    except Exception as error:
        short = ran_out(error)
        if short == "memory":
            own = config.data.module
            size: Any = config.trainer.batch_size if own is None else own.arguments.get("batch_size")
            key = f"{'trainer' if own is None else 'data'}.batch_size"
            halved = isinstance(size, int) and size > 1
            smaller = f"type: {key}={size // 2}, or choose a smaller model" if halved else TO_SHRINK
            raise OutOfMemoryError(f"out of memory ({first_line(error)[:120]}); {smaller}") from error
        if isinstance(error, MisconfigurationException) and config.model.is_lightning:
            raise TrainingError(
                f"Lightning refuses this run of {config.model.target}: {' '.join(str(error).split())[:300]}; "
                "mend that in its code or its settings, then type the same again"
            ) from error
        if short == "disk" and not isinstance(error, OSError):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
        raise
    finally:
        if on_main_thread:
            signal.signal(signal.SIGINT, handler)  # Lightning leaves Ctrl-C ignored
