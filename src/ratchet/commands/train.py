"""`python src/train.py`: Hydra's command line around train()."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from ratchet.compat.hydra import VERSION_BASE
from ratchet.config.command_line import CommandLine, is_for_a_sweep
from ratchet.config.grammar import to_override_value
from ratchet.config.groups import is_group
from ratchet.config.hints import OverrideError, named, to_type
from ratchet.config.non_numeric_settings import NON_NUMERIC_SETTINGS
from ratchet.config.params import without_params
from ratchet.config.request import Request, plain_config
from ratchet.config.schema import Config
from ratchet.config.targets import class_at
from ratchet.config.tree import exists, value_at
from ratchet.config.tuned import tuned_values_give_way
from ratchet.config.validation import validate
from ratchet.data.on_demand import prepare_if_missing
from ratchet.errors import CheckpointError, ConfigError, Interrupted
from ratchet.files import not_a_directory
from ratchet.project import Project
from ratchet.runs.directory import RunDirectory
from ratchet.runs.record import RunRecord, read_config
from ratchet.terminal.quiet import quiet_libraries
from ratchet.tracking.identity import SweepAgent
from ratchet.yaml_files import read_yaml


def main(arguments: Sequence[str]) -> int:
    """Train what the command line names. Returns the exit status; raises a RatchetError for a mistake.

    Everything is composed and checked, the model's settings too, before a run directory is made.
    """
    project = Project.find()
    line, agent = CommandLine.parse(arguments), SweepAgent.take()
    resumed = _resumed(line.resume, project=project) if line.resume else None
    request = _request(line, project=project, resumed=resumed)
    if line.multirun and not line.prints:
        return _sweep(line, request, project=project)
    if searched := [text for text in line.typed if is_for_a_sweep(text)]:
        command = to_type("python", "src/train.py", "-m", *line.typed)
        raise OverrideError(f"{searched[0]} is for a search", otherwise=f"type: {command}")
    if not (line.bare or line.other_config):
        _look_at(request, prints=line.prints)
    request.notify()
    job = _Job(project, line, resumed, agent if resumed is None else None)
    _run_hydra(job.run, line, request, project=project)
    if job.failed:
        raise job.failed[0]
    return 0


def _run_hydra(task: Callable[[DictConfig], Any], line: CommandLine, request: Request, *, project: Project) -> None:
    argv = ["train.py", *line.flags, *request.overrides]
    with _environment(project, argv), request.explained(), tuned_values_give_way():
        hydra.main(**VERSION_BASE, config_path=str(request.directory), config_name="config")(task)()


def _sweep(line: CommandLine, request: Request, *, project: Project) -> int:
    from ratchet.commands.sweep import run_sweep
    from ratchet.commands.sweep_settings import for_the_sweep, sweep_settings

    asked, _ = for_the_sweep(request.typed)
    sweeps, request = sweep_settings(project, request)
    request.refuse_wrong_options()
    request.notify()
    ending = run_sweep(
        sweeps,
        request,
        asked=asked,
        project=project,
        run_hydra=lambda task: _run_hydra(task, line, request, project=project),
    )  # fmt: skip
    if ending.early is not None:
        raise Interrupted(ending.early)
    return 1 if ending.failed else 0


def _look_at(request: Request, *, prints: bool) -> None:
    """Raises ConfigError for what cannot be trained. Where nothing is to be, Hydra says itself what is wrong."""
    if not prints:
        request.compose()
        return
    with suppress(ConfigError):
        request.compose()


def _request(line: CommandLine, *, project: Project, resumed: RunDirectory | None) -> Request:
    if resumed is not None:
        return _resuming(resumed, line, project=project)
    if line.bare:
        return Request(project.conf.resolve(), typed=line.typed)
    request = Request.of(project, line.typed, multirun=line.multirun)
    return request if line.prints or line.multirun else replace(request, check=check_classes)


def _resumed(name: str, *, project: Project) -> RunDirectory:
    path = Path(name) if Path(name).is_dir() else project.root / name
    run = RunDirectory(path.resolve())
    if not run.config.is_file():
        why = f"it {not_a_directory(path)}" if path.exists() and not path.is_dir() else f"no {run.config.name} in it"
        raise CheckpointError(
            f"resume={name}: there is no run ({why}); allowed: a run directory; type: find runs -name run.json, to "
            "see them"
        )
    if not run.last_checkpoint.is_file():
        raise CheckpointError(
            f"resume={name}: the run has no {run.last_checkpoint.relative_to(run.path)} to go on from: it ended too "
            "early; allowed: a run that has one; type: python src/train.py, to start anew"
        )
    return run


def _resuming(run: RunDirectory, line: CommandLine, *, project: Project) -> Request:
    """The run's own config is the primary one: its groups have been chosen for good, its values can be overridden."""
    for item in line.typed:
        key = item.partition("=")[0].lstrip("+~")
        if is_group(project.conf, key):
            rest = [each for each in line.typed if each != item]
            command = to_type("python", "src/train.py", named("resume", line.resume or ""), *rest)
            raise ConfigError(
                f"{item}: a resumed run keeps its {key}; allowed: values, such as trainer.max_epochs=100; "
                f"type: {command}"
            )
    settings = [f"hydra.run.dir={to_override_value(str(run.path))}", "hydra.output_subdir=null"]
    settings += ["hydra/job_logging=none", "hydra/hydra_logging=none"]
    settings += _left_out(run)
    typed, _ = without_params(line.typed)  # the run's own config is read, and nothing else
    return Request(run.path, params=tuple(settings), typed=tuple(typed), check=check_classes, root=project.root)


def _left_out(run: RunDirectory) -> list[str]:
    """What the pipeline's config.yaml leaves out, as overrides. Raises CheckpointError for one that is damaged."""
    whole, plain = read_config(run).plain(), read_yaml(run.config)
    missing = [key for key in NON_NUMERIC_SETTINGS if not exists(plain, key)]
    return [f"+{key}={to_override_value(value_at(whole, key))}" for key in missing if exists(whole, key)]


def check_classes(config: Config) -> None:
    """Raises ConfigError for a class that is not there, or does not take what the config gives it."""
    from torch import nn, zeros

    from ratchet.models.build import checked_settings, model_class, refuse_layout
    from ratchet.models.lightning import check_module
    from ratchet.training.optimizers import build_optimizer
    from ratchet.training.tasks import loss_for, some_targets, task_for

    if config.data.module is not None:
        class_at(config.data.module.target, key="data", kind="LightningDataModule")
    for name, asked in config.callbacks.items():
        class_at(asked["_target_"], key=f"callbacks.{name}", kind="Callback")
    if config.logger.custom:
        class_at(config.logger.custom["_target_"], key="logger", kind="Logger")
    if config.model.is_lightning:
        check_module(config.model)
        return
    network = model_class(config.model.target)
    refuse_layout(network, config.model, config.data.layout)
    checked_settings(network, config.model)
    build_optimizer(config.optimizer, [nn.Parameter(zeros(1))])
    if config.data.module is None:
        loss_for(config, task_for(config, config.data.target), some_targets(config.data.target))


@dataclass(frozen=True)
class _Job:
    """The run of one command line, as Hydra calls it."""

    project: Project
    line: CommandLine
    resumed: RunDirectory | None
    agent: SweepAgent | None = None
    failed: list[Exception] = field(default_factory=list)

    def run(self, composed: DictConfig) -> float | None:
        """Train. Raises no Exception: what Hydra raises is taken for a mistake in the config."""
        run = RunDirectory(Path(HydraConfig.get().runtime.output_dir))
        try:
            config = validate(plain_config(composed))
            if self.agent is not None:
                config = self.agent.tell(config, typed=self.line.typed)
            record = self._train(config, run)
        except KeyboardInterrupt as interrupt:
            if run.last_checkpoint.is_file() and run.record.is_file():
                again = named("resume", os.path.relpath(run.path))
                interrupt.add_note(f"to go on, type: {to_type('python', 'src/train.py', again)}")
            else:
                interrupt.add_note("nothing was trained yet")
                _leave_nothing_empty(run)
            raise
        except Exception as error:  # noqa: BLE001 - main() raises it
            self.failed.append(error)
            if self.resumed is None:
                _leave_nothing_empty(run)
            return None
        _show(record, run)
        return record.best.value if record.best else None

    def _train(self, config: Config, run: RunDirectory) -> RunRecord:
        from ratchet.training.train import sole_training, train

        prepare_if_missing(config.data, project=self.project)
        command = ["train.py", *self.line.typed]
        if self.resumed is None:
            with sole_training(run):
                if not run.holds_a_run:
                    run.clear_remains()
        with quiet_libraries(run.log):
            return train(
                config, run=run, project=self.project, command=command, resume=self.resumed is not None,
                agent=self.agent,
            )  # fmt: skip


def _show(record: RunRecord, run: RunDirectory) -> None:
    """Print the result of a run: its best value, its cost and its directory."""
    best = record.best
    if best is not None:
        took = f"{record.timings['fit']:.1f} s, {record.parameters:,} parameters"
        print(f"{best.metric} {best.value:.4f} at step {best.step} (epoch {best.epoch}); {took}")
    print(f"run {record.id} in {os.path.relpath(run.path)}")


def _leave_nothing_empty(run: RunDirectory) -> None:
    """Remove the directory of a run that never began, and the day's when it was the only one."""
    if run.config.exists() or run.record.exists():
        return
    run.log.unlink(missing_ok=True)
    ours = Path(os.environ["RATCHET_RUNS"]).resolve()
    for folder in (run.checkpoints, run.path, *run.path.parents):
        if folder.is_dir() and (folder.is_relative_to(run.path) or ours in folder.parents):
            if any(folder.iterdir()):
                return
            folder.rmdir()


@contextmanager
def _environment(project: Project, argv: list[str]) -> Iterator[None]:
    """Hydra reads sys.argv, and raises what it meets, instead of printing it, with HYDRA_FULL_ERROR=1."""
    before = sys.argv, {name: os.environ.get(name) for name in ("HYDRA_FULL_ERROR", "RATCHET_RUNS")}
    sys.argv = argv
    os.environ["HYDRA_FULL_ERROR"] = "1"
    os.environ.setdefault("RATCHET_RUNS", os.path.relpath(project.runs))
    try:
        yield
    finally:
        sys.argv = before[0]
        for name, value in before[1].items():
            os.environ.pop(name)
            os.environ.update({name: value} if value is not None else {})
