"""conf/logger becomes Lightning loggers. wandb and tensorboard are imported only where they are asked for."""

from __future__ import annotations

import sys
from typing import Any

from pytorch_lightning.loggers.logger import Logger

from ratchet.config.schema import Config
from ratchet.project import Project
from ratchet.runs.directory import RunDirectory
from ratchet.runs.record import RunRecord
from ratchet.tracking.guarded import Guarded
from ratchet.tracking.metrics_file import MetricsFile


def build_loggers(
    config: Config,
    *,
    run: RunDirectory,
    record: RunRecord,
    project: Project,
    resumed_at_step: int | None = None,
) -> list[Logger]:
    """The loggers of one run. A service that cannot start or fails costs a line of warning, never the training."""
    if config.logger.name == "none":
        return []
    loggers: list[Logger] = [MetricsFile(run, resumed_at_step=resumed_at_step)]
    if config.logger.name == "tensorboard":
        from pytorch_lightning.loggers import TensorBoardLogger

        loggers.append(Guarded(TensorBoardLogger(run.tensorboard, name="", version=""), service="TensorBoard"))
    if config.logger.name == "wandb" and config.logger.mode != "disabled":
        try:
            loggers.append(_wandb_logger(config, record=record, project=project))
        except Exception as error:  # noqa: BLE001 - whatever the service does, the run is worth more than its curves
            print(
                f"warning: no W&B for this run ({type(error).__name__}: {error}); metrics.csv has it all",
                file=sys.stderr,
            )
    return loggers


def _wandb_logger(config: Config, *, record: RunRecord, project: Project) -> Logger:
    import wandb
    from pytorch_lightning.loggers import WandbLogger

    directory = project.root / "wandb"
    directory.mkdir(exist_ok=True)
    settings = config.logger
    quiet = wandb.Settings(silent=True, console="off", init_timeout=30.0, x_disable_stats=True)
    session = wandb.init(
        project=settings.project,
        entity=settings.entity,
        id=record.wandb_id,
        name=f"{config.data.name}-{config.model.name}-{record.id}",
        group=record.study,
        job_type="train",
        tags=settings.tags,
        config=flatten(config.plain()),
        dir=str(project.root),
        mode="online" if settings.mode == "online" else "offline",
        resume="allow",
        settings=quiet,
    )
    return Guarded(WandbLogger(experiment=session), service="W&B", session=session)


def flatten(plain: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dicts as dotted keys; lists stay values."""
    flat: dict[str, Any] = {}
    for key, value in plain.items():
        name = f"{prefix}{key}"
        flat |= flatten(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return flat


def finish_loggers(loggers: list[Logger], *, summary: dict[str, Any], exit_code: int) -> None:
    """Close every logger; W&B gets the summary and the exit code (0: completed)."""
    for logger in loggers:
        if isinstance(logger, Guarded):
            logger.finish(summary=summary, exit_code=exit_code)
        else:
            logger.finalize("success" if exit_code == 0 else "failed")
