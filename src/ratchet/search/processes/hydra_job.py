"""One job of Hydra's, in a process that has its config to itself: what run_job does, without its five deep copies."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hydra import version
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import (
    JobReturn,
    JobRuntime,
    JobStatus,
    _flush_loggers,
    _save_config,
    configure_log,
    env_override,
)
from omegaconf import DictConfig, OmegaConf


def run_job(task: Callable[[DictConfig], Any], config: DictConfig, context: Any) -> JobReturn:
    """Run a job of a sweep as hydra.core.utils.run_job does. It takes the `hydra` node out of the given config.

    An Exception of the task becomes its return; everything else is raised.
    """
    before, here = HydraConfig.instance().cfg, Path.cwd()
    whole = _whole(config)
    hydra = whole.hydra
    try:
        HydraConfig.instance().cfg = whole  # type: ignore[assignment]
        directory = Path(str(hydra.sweep.dir)) / str(hydra.sweep.subdir)
        hydra.runtime.output_dir = os.path.abspath(directory)  # noqa: PTH100 - as Hydra does: links stay
        OmegaConf.set_readonly(hydra, True)
        directory.mkdir(parents=True, exist_ok=True)
        returned = JobReturn(overrides=list(hydra.overrides.task), cfg=config, hydra_cfg=whole)
        moves = not version.base_at_least("1.2") if hydra.job.chdir is None else hydra.job.chdir
        if moves:
            os.chdir(directory)
        returned.working_dir = str(directory if moves else here)
        configure_log(hydra.job_logging, hydra.verbose)
        _save(config, whole, hydra)
        with env_override(hydra.job.env_set):
            _call(task, config, whole, returned, context)
        return returned
    finally:
        HydraConfig.instance().cfg = before
        os.chdir(here)


def _call(
    task: Callable[[DictConfig], Any], config: DictConfig, whole: DictConfig, returned: JobReturn, context: Any
) -> None:
    context.callbacks.on_job_start(config=whole, task_function=task)
    try:
        returned.return_value, returned.status = task(config), JobStatus.COMPLETED
    except Exception as error:  # noqa: BLE001 - it is the job's return
        returned.return_value, returned.status = error, JobStatus.FAILED
    returned.task_name = JobRuntime.instance().get("name")
    _flush_loggers()
    context.callbacks.on_job_end(config=whole, job_return=returned)


def _save(config: DictConfig, whole: DictConfig, hydra: DictConfig) -> None:
    if hydra.output_subdir is None:
        return
    directory = Path(hydra.runtime.output_dir) / str(hydra.output_subdir)
    _save_config(config, "config.yaml", directory)
    _save_config(OmegaConf.masked_copy(whole, "hydra"), "hydra.yaml", directory)
    _save_config(hydra.overrides.task, "overrides.yaml", directory)


def _whole(config: DictConfig) -> DictConfig:
    """Take the `hydra` node out of the config, into one that shares all other nodes: Hydra refers to some of them."""
    whole = DictConfig({}, flags=dict(config._metadata.flags or {}))
    content = config.__dict__["_content"]
    whole.__dict__["_content"].update(content)
    content.pop("hydra")._set_parent(whole)
    return whole
