"""`python src/train.py`: Hydra's command line around train()."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from ratchet.config.composition import known_config, plain_config
from ratchet.config.explanation import explain_composition_error
from ratchet.config.params import params_overrides
from ratchet.config.schema import Config
from ratchet.config.validation import validate
from ratchet.errors import ConfigError
from ratchet.project import Project
from ratchet.runs.directory import RunDirectory
from ratchet.runs.record import RunRecord
from ratchet.terminal.command import one_line
from ratchet.terminal.quiet import quiet_libraries


@dataclass
class _Outcome:
    """What the jobs of one command line came to; Hydra's own return values raise when they are read."""

    objective: list[tuple[str, float]] = field(default_factory=list)
    failed: list[tuple[str, BaseException]] = field(default_factory=list)


def main(arguments: Sequence[str]) -> int:
    """Train what the command line names. Returns the exit status; raises a RatchetError for a mistake."""
    project = Project.find()
    command_line = CommandLine.parse(project, arguments)
    for notice in command_line.notices:
        print(f"note: {notice}", file=sys.stderr)
    os.environ.setdefault("RATCHET_RUNS", os.path.relpath(project.runs))
    outcome = _Outcome()

    def task(composed: DictConfig) -> float | None:
        return _job(composed, project=project, command_line=command_line, outcome=outcome)

    with _command_line(["train.py", *command_line.argv]):
        try:
            hydra.main(version_base="1.3", config_path=str(command_line.config_dir), config_name="config")(task)()
        except Exception as error:
            explained = explain_composition_error(error, known_config(project))
            if explained is None:
                raise
            raise explained from error
    return _conclude(outcome, multirun=command_line.multirun)


@dataclass(frozen=True)
class CommandLine:
    """A train command line, taken apart: Hydra's flags, overrides, and the run to resume."""

    argv: list[str]
    typed: list[str]
    notices: list[str]
    config_dir: Path
    resume: RunDirectory | None
    multirun: bool

    @classmethod
    def parse(cls, project: Project, arguments: Sequence[str]) -> CommandLine:
        """Params.yaml's choices come first, then what was typed. Raises ConfigError for a bad `resume=`."""
        parsed = get_args_parser().parse_intermixed_args(list(arguments))
        typed = [item for item in parsed.overrides if not item.startswith("resume=")]
        resumes = [item.removeprefix("resume=") for item in parsed.overrides if item.startswith("resume=")]
        flags = [item for item in arguments if item not in parsed.overrides]
        if resumes:
            return cls._resuming(project, Path(resumes[-1]), flags=flags, typed=typed, multirun=parsed.multirun)
        chosen, notices = params_overrides(project, typed)
        return cls([*flags, *chosen, *typed], typed, notices, project.conf.resolve(), None, parsed.multirun)

    @classmethod
    def _resuming(
        cls, project: Project, path: Path, *, flags: list[str], typed: list[str], multirun: bool
    ) -> CommandLine:
        if multirun:
            raise ConfigError("resume= goes on with one run, -m starts many; type one of them")
        path = path if path.is_dir() else project.root / path
        run = RunDirectory(path.resolve())
        if not run.config.is_file():
            raise ConfigError(f"resume={path}: there is no run (no config.yaml in it); type: ls -d runs/*/*")
        settings = [f"hydra.run.dir='{run.path}'", "hydra.output_subdir=null"]
        settings += ["hydra/job_logging=none", "hydra/hydra_logging=none"]
        return cls([*flags, *settings, *typed], typed, [], run.path, run, False)


def _job(composed: DictConfig, *, project: Project, command_line: CommandLine, outcome: _Outcome) -> float | None:
    """One job of the command line. Never raises an Exception: Hydra would end the other jobs with it."""
    label = _label(command_line)
    run = RunDirectory(Path(HydraConfig.get().runtime.output_dir))
    try:
        config = validate(plain_config(composed))
        if command_line.multirun:
            print(f"-- {label}", file=sys.stderr)
        return _train(config, run=run, project=project, command_line=command_line, outcome=outcome, label=label)
    except KeyboardInterrupt:
        if run.last_checkpoint.is_file():
            print(f"to go on, type: python src/train.py resume={os.path.relpath(run.path)}", file=sys.stderr)
        raise
    except Exception as error:  # noqa: BLE001 - reported after the last job
        outcome.failed.append((label, error))
        if not any(run.path.iterdir()):
            run.path.rmdir()
        if command_line.multirun:
            print(f"error: {one_line(error) or repr(error)}", file=sys.stderr)
        return None


def _train(
    config: Config,
    *,
    run: RunDirectory,
    project: Project,
    command_line: CommandLine,
    outcome: _Outcome,
    label: str,
) -> float | None:
    from ratchet.training.train import train

    with quiet_libraries(run.log):
        command = [Path(sys.argv[0]).name, *command_line.typed]
        record = train(config, run=run, project=project, command=command, resume=command_line.resume is not None)
    _report(record, run)
    if record.best is None:
        return None
    outcome.objective.append((label, record.best.value))
    return record.best.value


def _report(record: RunRecord, run: RunDirectory) -> None:
    where = os.path.relpath(run.path)
    if record.best is not None:
        best = record.best
        took = f"{record.timings['fit']:.1f} s, {record.parameters:,} parameters"
        print(f"{best.metric} {best.value:.4f} at step {best.step} (epoch {best.epoch}); {took}")
    print(f"run {record.id} in {where}")


def _label(command_line: CommandLine) -> str:
    overrides = HydraConfig.get().overrides.task
    swept = [item.split("=")[0] for item in command_line.typed]
    return " ".join(item for item in overrides if item.split("=")[0] in swept) or "the run"


def _conclude(outcome: _Outcome, *, multirun: bool) -> int:
    if multirun and outcome.objective:
        print()
        for label, value in sorted(outcome.objective, key=lambda pair: -pair[1]):
            print(f"{value:.4f}  {label}")
        for label, error in outcome.failed:
            print(f"failed  {label}: {one_line(error) or repr(error)}")
    if outcome.failed and not multirun:
        raise outcome.failed[0][1]
    return 1 if outcome.failed else 0


@contextmanager
def _command_line(argv: list[str]) -> Iterator[None]:
    """Hydra reads sys.argv, and raises what it meets, instead of printing it, with HYDRA_FULL_ERROR=1."""
    before, full_error = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    sys.argv = argv
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    finally:
        sys.argv = before
        if full_error is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = full_error
