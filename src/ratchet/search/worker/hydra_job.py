"""A job of a Hydra application, in a process that has its config to itself."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cloudpickle
from hydra import version
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import (
    JobReturn,
    JobRuntime,
    JobStatus,
    configure_log,
    env_override,
    setup_globals,
)
from omegaconf import DictConfig, OmegaConf

from ratchet.compat.hydra import flush_loggers, returned_error, save_config, singletons, take_over
from ratchet.compat.omegaconf import taken_out
from ratchet.search.processes.outcomes import Outcome


@dataclass(frozen=True)
class HydraJob:
    """What one job of a Hydra application is given."""

    config: DictConfig  # with its hydra node
    names: tuple[str, ...]  # of the objectives
    keep_return: bool = False  # whether the worker gets Hydra's JobReturn


@dataclass(frozen=True, eq=False)
class HydraTask:
    """A Hydra application's task function, as a Task of trial processes."""

    function: Callable[[DictConfig], Any]
    context: Any  # HydraContext

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_state": singletons()}

    def enter(self) -> None:
        """Take over the worker's Hydra."""
        take_over(self.__dict__["_state"])

    def __call__(self, given: HydraJob) -> Outcome:
        setup_globals()
        returned = run_job(self.function, given.config, self.context)
        kept = _pickled(returned) if given.keep_return else None
        if returned.status == JobStatus.FAILED:
            return Outcome.of_error(returned_error(returned), returned=kept)
        return Outcome.of_value(returned.return_value, given.names, returned=kept)


def _pickled(returned: JobReturn) -> bytes | None:
    try:
        return bytes(cloudpickle.dumps(returned))
    except Exception:  # noqa: BLE001 - what a task returns need not pickle
        return None


def run_job(task: Callable[[DictConfig], Any], config: DictConfig, context: Any) -> JobReturn:
    """Run a job of a sweep as hydra.core.utils.run_job does, without its five deep copies.

    It takes the `hydra` node out of the given config.

    An Exception of the task becomes its return; everything else is raised.
    """
    before, here = HydraConfig.instance().cfg, Path.cwd()
    whole = taken_out(config, "hydra")  # Hydra refers to some of the other nodes
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
    flush_loggers()
    context.callbacks.on_job_end(config=whole, job_return=returned)


def _save(config: DictConfig, whole: DictConfig, hydra: DictConfig) -> None:
    if hydra.output_subdir is None:
        return
    directory = Path(hydra.runtime.output_dir) / str(hydra.output_subdir)
    save_config(config, "config.yaml", directory)
    save_config(OmegaConf.masked_copy(whole, "hydra"), "hydra.yaml", directory)
    save_config(hydra.overrides.task, "overrides.yaml", directory)
