"""conf/trainer becomes a Lightning Trainer with nothing on the path of a step that a run does not need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from pytorch_lightning.callbacks import EarlyStopping
from pytorch_lightning.loggers.logger import Logger
from pytorch_lightning.profilers import SimpleProfiler

from ratchet.compat.lightning import resume_after_epochs
from ratchet.config.schema import Config
from ratchet.config.sections import TrainerConfig
from ratchet.errors import ConfigError
from ratchet.runs.directory import RunDirectory
from ratchet.training.batches import TrainingBatches
from ratchet.training.callbacks import Checkpoints, Reports, TerminalProgress
from ratchet.training.ranks import RankedDDPStrategy

Report = Callable[[int, float, int | None], None]  # of a validation: its number, the objective, how many there will be


def require_devices(settings: TrainerConfig) -> None:
    """Raises ConfigError where this machine has not the devices that are asked for."""
    if settings.accelerator == "gpu" and torch.cuda.device_count() < settings.devices:
        raise ConfigError(
            f"trainer.accelerator=gpu with trainer.devices={settings.devices}: torch sees {torch.cuda.device_count()} "
            "GPUs on this machine; type: trainer=cpu, or trainer=ddp_cpu to try out data parallelism"
        )
    if settings.accelerator == "mps" and not torch.backends.mps.is_available():
        raise ConfigError("trainer.accelerator=mps: this machine has no Apple GPU; type: trainer=cpu")


class SetEpoch(pl.Callback):
    """Tells the batches which epoch's order to draw."""

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        batches: Any = trainer.train_dataloader
        if isinstance(batches, TrainingBatches):
            batches.epoch = trainer.current_epoch


class ValidateAtTheEnd(pl.Callback):
    """A training ends with a validation, whether its last step ends an epoch, or an epoch that is validated, or not."""

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.current_epoch + 1 == trainer.max_epochs:
            trainer.check_val_every_n_epoch = 1

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.global_step == trainer.max_steps:
            trainer.check_val_every_n_epoch = 1
            trainer.should_stop = True


def build_trainer(
    config: Config,
    *,
    run: RunDirectory,
    loggers: list[Logger],
    checkpoints: Checkpoints,
    report: Report | None = None,
    more: Sequence[pl.Callback] = (),
    plugins: Sequence[Any] = (),
) -> pl.Trainer:
    """The Trainer for one run, with `more` callbacks than ours; every file it writes lies in the run directory."""
    settings = config.trainer
    # A check for bugs of torch's own, on by default where algorithms are deterministic; it costs 5 % of a cnn.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    validates, own_data = settings.train_on == "train", config.data.module is not None
    one = 1 if settings.one_batch else None  # ours are cut where they are made
    callbacks: list[pl.Callback] = [SetEpoch(), ValidateAtTheEnd(), *more, checkpoints]
    if settings.early_stopping is not None:
        mode = {"maximize": "max", "minimize": "min"}[config.objective.direction]
        stopping: dict[str, Any] = {**settings.early_stopping.model_dump(), "check_on_train_epoch_end": False}
        callbacks.append(EarlyStopping(config.objective.metric, mode=mode, strict=False, **stopping))
    if report is not None:
        callbacks.append(Reports(config.objective.metric, report))
    if settings.progress != "none":
        callbacks.append(TerminalProgress(config.objective.metric, style=settings.progress))
    trainer = pl.Trainer(
        accelerator=settings.accelerator,
        devices=settings.devices,
        strategy=RankedDDPStrategy() if settings.strategy == "ddp" else settings.strategy,
        precision=settings.precision,
        max_epochs=settings.max_epochs if settings.max_epochs is not None else -1,
        max_steps=settings.max_steps if settings.max_steps is not None else -1,
        check_val_every_n_epoch=settings.validate_every,
        limit_train_batches=one if own_data else None,
        overfit_batches=1 if own_data and settings.overfit_one_batch else 0.0,
        limit_val_batches=(one if own_data else None) if validates else 0,
        gradient_clip_val=settings.gradient_clip,
        deterministic=settings.deterministic,
        callbacks=callbacks,
        plugins=[LightningEnvironment(), *plugins],  # not that of a cluster whose variables a shell happens to have
        logger=loggers or False,
        profiler=SimpleProfiler(dirpath=run.path, filename="profile") if settings.profile else None,
        default_root_dir=run.path,
        enable_progress_bar=False,  # TerminalProgress does it
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=0,  # nothing is logged on a step
    )
    resume_after_epochs(trainer)
    return trainer
