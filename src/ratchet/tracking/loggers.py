"""conf/logger becomes Lightning loggers. wandb and tensorboard are imported only where they are asked for."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from pytorch_lightning.loggers.logger import Logger

from ratchet.config.hints import OverrideError
from ratchet.config.schema import Config
from ratchet.config.targets import built
from ratchet.config.tree import leaves
from ratchet.project import Project
from ratchet.redaction import said_of
from ratchet.runs.directory import RunDirectory
from ratchet.runs.record import RunRecord
from ratchet.tracking.fail_safe import FailSafeLogger
from ratchet.tracking.identity import Identity, config_of, identity_of, preparation_of, summary_of
from ratchet.tracking.lineage import data_materials, model_material
from ratchet.tracking.metrics_file import MetricsFile, read_rows
from ratchet.tracking.wandb_run import Mode, WandbRun


def tracks_in_wandb(config: Config) -> bool:
    """Whether a run with this config is a W&B run."""
    return config.logger.name == "wandb" and config.logger.mode != "disabled"


def build_loggers(
    config: Config,
    *,
    run: RunDirectory,
    record: RunRecord,
    project: Project,
    resumed_at_step: int | None = None,
    parameters: Mapping[str, Any] | None = None,
    keeps_curves: bool = False,
) -> list[Logger]:
    """The loggers of one run. A service that cannot start or fails costs a line of warning, never the training.

    A run that `keeps_curves` has its metrics.csv whatever logs it: for a stage of DVC it is an output.

    The `parameters` of a sweep of W&B's stand in the run's config there, under the names that the sweep gives them.
    """
    if config.logger.name == "none" and not keeps_curves:
        return []
    loggers: list[Logger] = [MetricsFile(run, resumed_at_step=resumed_at_step)]
    if config.logger.name == "tensorboard":
        from pytorch_lightning.loggers import TensorBoardLogger

        loggers.append(FailSafeLogger(TensorBoardLogger(run.tensorboard, name="", version=""), service="TensorBoard"))
    if config.logger.name == "custom" and (service := _custom(config)) is not None:
        loggers.append(service)
    if tracks_in_wandb(config):
        goes_on = resumed_at_step is not None
        session = open_wandb(
            identity_of(record, config), config=config, values={**config_of(record, config), **(parameters or {})},
            project=project, goes_on=goes_on, earlier=read_rows(run) if goes_on else (),
        )  # fmt: skip
        if session is not None:
            if config.data.module is None:
                session.use(data_materials(project, config.data, data_hash=record.data["hash"])[1])
            loggers.append(session)
    return loggers


def _custom(config: Config) -> FailSafeLogger | None:
    """The logger of logger=custom, told the config; None, and a line of warning, where it cannot begin."""
    name = str(config.logger.custom["_target_"]).rpartition(".")[2]
    try:
        logger: Logger = built(config.logger.custom, key="logger", kind="Logger")
        logger.log_hyperparams(dict(leaves(config.plain())))
    except OverrideError:
        raise  # it is no logger
    except Exception as error:  # noqa: BLE001 - whatever the service does, the run is worth more than its curves
        cause = error.__cause__ or error
        reason = " ".join(f"{type(cause).__name__}: {cause}".split())
        print(f"warning: no {name} for this run ({reason}); metrics.csv has it all", file=sys.stderr)
        return None
    return FailSafeLogger(logger, service=name)


def open_wandb(
    identity: Identity,
    *,
    config: Config,
    values: dict[str, Any],
    project: Project,
    goes_on: bool = False,
    earlier: Sequence[Mapping[str, float]] = (),
) -> FailSafeLogger | None:
    """A W&B run that can fail as it likes; None, and a line of warning, where it cannot even begin."""
    try:
        opened = WandbRun.open(
            identity, settings=config.logger, config=values, project=project, goes_on=goes_on, earlier=earlier
        )
    except Exception as error:  # noqa: BLE001 - whatever the service does, the run is worth more than its curves
        print(f"warning: no W&B for this run ({said_of(error)}); metrics.csv has it all", file=sys.stderr)
        return None
    return FailSafeLogger(opened, service="W&B")


def with_mode(config: Config, mode: Mode) -> Config:
    """The same config, whose W&B runs are online or not: what has not answered once is not waited for again."""
    return config.model_copy(update={"logger": config.logger.model_copy(update={"mode": mode})})


def _track_preparation(record: RunRecord, *, config: Config, project: Project) -> None:
    """The W&B run between raw and prepared data, once for each version of them: the stages themselves know no W&B."""
    raw, prepared = data_materials(project, config.data, data_hash=record.data["hash"])
    settings = config.logger
    identity = preparation_of(raw, prepared, settings)
    begin = "run" if settings.mode == "online" else "offline-run"
    if any((project.root / "wandb").glob(f"{begin}-*-{identity.id}")):
        return
    data = {f"data.{key}": value for key, value in config.plain()["data"].items()}
    session = open_wandb(identity, config=config, values=data, project=project)
    if session is not None:
        session.use(raw)
        session.make(prepared)
        session.finish(summary={}, tags=(), exit_code=0)


def finish_loggers(
    loggers: list[Logger], *, record: RunRecord, config: Config, run: RunDirectory, project: Project
) -> None:
    """Close every logger; W&B gets the model, the summary, the tags and the exit code."""
    exit_code = exit_code_of(record)
    for logger in loggers:
        if isinstance(logger, FailSafeLogger):
            _make_model(logger, record=record, config=config, run=run, project=project)
            tags = identity_of(record, config).tags if record.wandb_id else ()
            logger.finish(summary=summary_of(record), tags=tags, exit_code=exit_code)
            if logger.tracks and not logger.lost and config.data.module is None:
                _track_preparation(record, config=with_mode(config, logger.mode), project=project)
        else:
            logger.finalize("success" if exit_code == 0 else "failed")


def exit_code_of(record: RunRecord) -> int:
    """0 for a run that came to its end, or was ended by a pruner."""
    return 0 if record.status in {"completed", "pruned"} else 1


def _make_model(
    logger: FailSafeLogger, *, record: RunRecord, config: Config, run: RunDirectory, project: Project
) -> None:
    try:
        material = model_material(project, run, record, config)
    except OSError:  # a disk that went away has been reported
        return
    if material is not None:
        logger.make(material)
