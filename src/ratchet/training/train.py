"""train(): one run, from a checked config to a run directory."""

from __future__ import annotations

import sys
import time
import traceback
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytorch_lightning as pl
import torch
import yaml
from pytorch_lightning.loggers.logger import Logger

from ratchet.config.composition import config_hash
from ratchet.config.schema import Config
from ratchet.data.prepared import PreparedData
from ratchet.errors import CheckpointError, TrainingError
from ratchet.files import write_atomically
from ratchet.models import build_model
from ratchet.project import Project
from ratchet.runs import provenance
from ratchet.runs.directory import RunDirectory
from ratchet.runs.record import RunRecord, Status
from ratchet.tracking.loggers import build_loggers, finish_loggers
from ratchet.training.callbacks import Checkpoints
from ratchet.training.checkpoint import identity, read_checkpoint, require_same_model
from ratchet.training.datamodule import PreparedDataModule
from ratchet.training.module import ClassificationTask
from ratchet.training.trainer import build_trainer


def train(
    config: Config, *, run: RunDirectory, project: Project, command: Sequence[str] = (), resume: bool = False
) -> RunRecord:
    """Train on the prepared arrays and write the run directory; with `resume` go on from its last checkpoint.

    Raises a RatchetError for what a person can mend and KeyboardInterrupt for Ctrl-C; run.json then says so too.
    """
    began = time.perf_counter()
    torch.set_num_threads(config.trainer.threads)
    data = PreparedData.open(project.prepared(config.data.name), reader="train", config=config.data)
    pl.seed_everything(config.seed, verbose=False)
    execution = _Execution.prepare(
        config, data=data, run=run, project=project, command=command, resume=resume
    )
    execution.record.timings["setup"] = round(time.perf_counter() - began, 3)
    return execution.go()


@dataclass
class _Execution:
    """One run under way: what fit needs, and what is written however it ends."""

    run: RunDirectory
    record: RunRecord
    task: ClassificationTask
    datamodule: PreparedDataModule
    trainer: pl.Trainer
    checkpoints: Checkpoints
    loggers: list[Logger]
    from_checkpoint: str | None

    @classmethod
    def prepare(
        cls,
        config: Config,
        *,
        data: PreparedData,
        run: RunDirectory,
        project: Project,
        command: Sequence[str],
        resume: bool,
    ) -> _Execution:
        datamodule = PreparedDataModule(config, data)
        network = build_model(config.model, input_shape=tuple(data.shape), n_classes=len(data.classes))
        task = ClassificationTask(
            network,
            config,
            n_classes=len(data.classes),
            class_weights=datamodule.class_weights(),
            identity=identity(config, data),
        )
        run.create()
        last = _resumable(run, task) if resume else None
        parameters = sum(parameter.numel() for parameter in network.parameters())
        record = _begin_record(
            config, data=data, run=run, project=project, command=command, parameters=parameters, resume=resume
        )
        write_atomically(
            run.config, yaml.safe_dump(config.plain(), sort_keys=False, allow_unicode=True).encode()
        )
        step = int(last["global_step"]) if last else None
        loggers = build_loggers(config, run=run, record=record, project=project, resumed_at_step=step)
        checkpoints = Checkpoints(run, config.objective, validates=config.trainer.train_on == "train")
        trainer = build_trainer(config, run=run, loggers=loggers, checkpoints=checkpoints)
        path = str(run.last_checkpoint) if last else None
        return cls(run, record, task, datamodule, trainer, checkpoints, loggers, path)

    def go(self) -> RunRecord:
        """Fit, and write run.json whatever happens."""
        self.record.write(self.run)
        began = time.perf_counter()
        try:
            self.trainer.fit(self.task, self.datamodule, ckpt_path=self.from_checkpoint, weights_only=True)
            self._require_a_number()
        except SystemExit as error:
            if not isinstance(error.__context__, KeyboardInterrupt):
                raise
            self._end("interrupted", began, error.__context__)
            raise KeyboardInterrupt from None
        except BaseException as error:
            explained = _explain(error)
            self._end("failed", began, explained)
            if explained is error:
                raise
            raise explained from error
        self._end("completed", began)
        return self.record

    def _require_a_number(self) -> None:
        if self.checkpoints.validates and self.checkpoints.best is None:
            raise TrainingError(
                "no validation was reached, so there is no best checkpoint; type: trainer.validate_every=1, or more trainer.max_epochs"
            )

    def _end(self, status: Status, began: float, error: BaseException | None = None) -> None:
        record = self.record
        record.status = status
        record.finished_at = _now()
        record.timings["fit"] = round(time.perf_counter() - began, 3)
        record.best = self.checkpoints.best
        record.metrics = {name: float(value) for name, value in self.trainer.callback_metrics.items()}
        if error is not None:
            record.error = {"class": type(error).__name__, "message": str(error)}
            self.run.log.open("a").write("".join(traceback.format_exception(error)))
        summary: dict[str, Any] = dict(record.metrics)
        if record.best is not None:
            summary |= {record.best.metric: record.best.value, "best/step": record.best.step}
        finish_loggers(self.loggers, summary=summary, exit_code=0 if status == "completed" else 1)
        record.write(self.run)


def _resumable(run: RunDirectory, task: ClassificationTask) -> dict[str, Any]:
    try:
        contents = read_checkpoint(run.last_checkpoint)
    except CheckpointError as error:
        raise CheckpointError(f"cannot resume: {error}") from error
    require_same_model(contents, task.identity, run.last_checkpoint)
    return contents


def _begin_record(
    config: Config,
    *,
    data: PreparedData,
    run: RunDirectory,
    project: Project,
    command: Sequence[str],
    parameters: int,
    resume: bool,
) -> RunRecord:
    before = RunRecord.read(run) if resume and run.record.is_file() else None
    identifier = before.id if before else uuid.uuid4().hex[:8]
    return RunRecord(
        id=identifier,
        status="running",
        wandb_id=identifier if config.logger.name == "wandb" and config.logger.mode != "disabled" else None,
        command=list(command),
        git=provenance.git_state(project.root),
        data={"name": config.data.name, "hash": data.data_hash},
        config_hash=config_hash(config),
        versions=provenance.versions(),
        host=provenance.host(),
        threads=config.trainer.threads,
        seed=config.seed,
        parameters=parameters,
        started_at=before.started_at if before else _now(),
        resumed=before.resumed + 1 if before else 0,
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _explain(error: BaseException) -> BaseException:
    """Memory that ran out is a person's to mend; other exceptions stay what they are."""
    text = str(error)
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in text:
        return TrainingError(
            f"out of memory ({text.splitlines()[0][:120] if text else 'host'}); type: trainer.batch_size=<half of it>"
        )
    if isinstance(error, RuntimeError) and "No space left on device" in text:
        return OSError(28, "No space left on device")
    return error


def report(record: RunRecord, run: RunDirectory, *, file: Any = None) -> None:
    """Two lines on how a run ended: its number, and where everything is."""
    out = file or sys.stdout
    if record.best is not None:
        best = record.best
        print(
            f"{best.metric} {best.value:.4f} at step {best.step} (epoch {best.epoch}), {record.timings['fit']:.1f} s",
            file=out,
        )
    print(f"run {record.id} in {run.path}", file=out)
