"""train(): one run, from a checked config to a run directory."""

from __future__ import annotations

import shutil
import signal
import threading
import time
import traceback
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytorch_lightning as pl
import torch
import yaml

from ratchet.config.composition import config_hash
from ratchet.config.schema import Config
from ratchet.errors import CheckpointError, OutOfMemoryError, TrainingError, TrialPruned
from ratchet.files import write_atomically
from ratchet.project import Project
from ratchet.runs import provenance
from ratchet.runs.directory import RunDirectory
from ratchet.runs.record import RunRecord, Status
from ratchet.tracking.loggers import build_loggers, finish_loggers
from ratchet.training.checkpoint import read_checkpoint, require_same_data, require_same_model
from ratchet.training.fit import Fit
from ratchet.training.trainer import Report


def train(
    config: Config,
    *,
    run: RunDirectory,
    project: Project,
    command: Sequence[str] = (),
    resume: bool = False,
    study: str | None = None,
    trial: int | None = None,
    report: Report | None = None,
) -> RunRecord:
    """Train on the prepared arrays and write the run directory; with `resume` go on from its last checkpoint.

    In a search the run is `trial` of `study`; `report(validation, objective)` hears of each validation, and ends the
    run by raising TrialPruned.

    Raises a RatchetError for what a person can mend and KeyboardInterrupt for Ctrl-C; run.json then says so too.
    Nothing is written before the config, the data and the model are known to fit together.
    """
    began = time.perf_counter()
    fit = Fit.assemble(config, project=project, run=run)
    run.create()
    step = _resumable_step(fit) if resume else None
    if not resume:
        shutil.rmtree(run.evaluation, ignore_errors=True)  # it is of the weights that are about to be replaced
    record = _begin(fit, project=project, command=command, resume=resume)
    record.study, record.trial = study, trial
    write_atomically(run.config, yaml.safe_dump(config.plain(), sort_keys=False, allow_unicode=True).encode())
    loggers = build_loggers(config, run=run, record=record, project=project, resumed_at_step=step)
    trainer = fit.trainer(loggers, report=report)
    record.timings["setup"] = round(time.perf_counter() - began, 3)
    record.write(run)
    began = time.perf_counter()
    status: Status = "failed"
    error: BaseException | None = None
    try:
        with _explained():
            fit.go(trainer, resume=resume)
            _require_a_number(fit)
        status = "completed"
    except BaseException as raised:
        error = raised
        status = _status_of(raised)
        raise
    finally:
        _finish(record, fit=fit, trainer=trainer, status=status, error=error)
        record.timings["fit"] = round(time.perf_counter() - began, 3)
        record.write(run)
        finish_loggers(loggers, summary=_summary(record), exit_code=0 if status in {"completed", "pruned"} else 1)
    return record


def _resumable_step(fit: Fit) -> int:
    """The step of the run's last checkpoint, once it is known to be of this model."""
    try:
        contents = read_checkpoint(fit.run.last_checkpoint)
    except CheckpointError as error:
        raise CheckpointError(f"cannot resume: {error}") from error
    require_same_model(contents, fit.task.identity, fit.run.last_checkpoint)
    require_same_data(contents, fit.data.data_hash, fit.run.last_checkpoint)
    return int(contents["global_step"])


def _begin(fit: Fit, *, project: Project, command: Sequence[str], resume: bool) -> RunRecord:
    config, run = fit.config, fit.run
    before = RunRecord.read(run) if resume and run.record.is_file() else None
    identifier = before.id if before else uuid.uuid4().hex[:8]
    return RunRecord(
        id=identifier,
        status="running",
        wandb_id=identifier if config.logger.name == "wandb" and config.logger.mode != "disabled" else None,
        command=list(command),
        git=provenance.git_state(project.root),
        data={"name": config.data.name, "hash": fit.data.data_hash},
        config_hash=config_hash(config),
        versions=provenance.versions(),
        host=provenance.host(),
        threads=config.trainer.threads,
        seed=config.seed,
        parameters=fit.parameters,
        started_at=before.started_at if before else _now(),
        resumed=before.resumed + 1 if before else 0,
    )


def _finish(record: RunRecord, *, fit: Fit, trainer: pl.Trainer, status: Status, error: BaseException | None) -> None:
    record.status = status
    record.finished_at = _now()
    record.best = fit.checkpoints.best
    record.metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
    if error is not None and not isinstance(error, TrialPruned):
        record.error = {"class": type(error).__name__, "message": str(error)}
        with fit.run.log.open("a", encoding="utf-8") as log:
            log.writelines(traceback.format_exception(error))


def _status_of(error: BaseException) -> Status:
    if isinstance(error, TrialPruned):
        return "pruned"
    return "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"


def _summary(record: RunRecord) -> dict[str, Any]:
    summary: dict[str, Any] = dict(record.metrics)
    if record.best is not None:
        summary |= {record.best.metric: record.best.value, "best/step": record.best.step}
    return summary


def _require_a_number(fit: Fit) -> None:
    if fit.checkpoints.validates and fit.checkpoints.best is None:
        raise TrainingError(
            "training ended before its first validation, so there is no best checkpoint; "
            "type: trainer.validate_every=1, or a larger trainer.max_epochs or trainer.max_steps"
        )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@contextmanager
def _explained() -> Iterator[None]:
    """Lightning's way of ending on Ctrl-C, and memory or disk that ran out, as what they are."""
    on_main_thread = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise
    except (RuntimeError, MemoryError) as error:
        text = str(error)
        if isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in text:
            line = text.splitlines()[0][:120] if text else "the machine's memory"
            raise OutOfMemoryError(f"out of memory ({line}); type: trainer.batch_size=<half of it>") from error
        if "No space left on device" in text or "file write failed" in text:
            raise OSError(28, "No space left on device") from error
        raise
    finally:
        if on_main_thread:
            signal.signal(signal.SIGINT, handler)  # Lightning leaves Ctrl-C ignored
