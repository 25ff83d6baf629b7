"""run.json: one run's identity, circumstances and results, typed."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from ratchet.config.hints import OverrideError
from ratchet.config.non_numeric_settings import with_non_numeric_of
from ratchet.errors import CheckpointError, ConfigError, FileError, RatchetError, first_line
from ratchet.files import read_json_as, write_atomically
from ratchet.runs.directory import RunDirectory
from ratchet.yaml_files import read_yaml

if TYPE_CHECKING:
    from ratchet.config.schema import Config

_ONE_BATCH = ("trainer.one_batch", "trainer.overfit_one_batch")
_DEBUG = re.compile(r"debug=(?!null$)[^,]+")  # of a grid over it the config says which trial had it
_REMEDY = "type: dvc checkout or git checkout, where they hold it, or train again"
Status = Literal["running", "completed", "interrupted", "failed", "pruned"]


class Best(BaseModel):
    """The best validation: when it was and the value of the objective."""

    model_config = ConfigDict(ser_json_inf_nan="strings")  # it is not inherited from what holds it

    checkpoint: str  # relative to the run directory
    epoch: int
    step: int
    metric: str
    value: float
    metrics: dict[str, float] = {}  # everything that this validation measured


class Leg(BaseModel):
    """A part of a run that was resumed: from its start, or from a resume, until the next one."""

    model_config = ConfigDict(ser_json_inf_nan="strings")

    status: Status  # running: it was killed
    command: list[str]
    git: dict[str, Any]
    config_hash: str
    versions: dict[str, str]
    host: dict[str, Any]
    threads: int
    started_at: str
    finished_at: str | None
    timings: dict[str, float]


class RunRecord(BaseModel):
    """What run.json holds. Times are UTC in ISO 8601, durations in seconds.

    What differs between the legs of a resumed run is that of the last leg here and of the others in `legs`; started_at
    and the timings are of the whole run.
    """

    model_config = ConfigDict(extra="forbid", ser_json_inf_nan="strings")

    id: str
    status: Status
    study: str | None = None
    trial: int | None = None
    wandb_id: str | None = None
    wandb_sweep: str | None = None  # W&B's sweep, whose agent began it
    command: list[str]
    git: dict[str, Any]  # revision, dirty; both None outside a repository
    data: dict[str, str]  # name, hash of the prepared arrays
    config_hash: str
    versions: dict[str, str]
    host: dict[str, Any]
    threads: int
    seed: int
    parameters: int
    started_at: str
    finished_at: str | None = None
    resumed: int = 0  # how many times
    resumed_at: str | None = None  # the last time
    legs: list[Leg] = []  # the earlier ones
    timings: dict[str, float] = {}
    best: Best | None = None
    metrics: dict[str, float] = {}  # of the last validation
    error: dict[str, str] | None = None  # class, message
    inert: dict[str, Any] = {}  # settings that change no number, of a run whose config.yaml leaves them out

    def debugging(self, config: Mapping[str, Any]) -> str | None:
        """What makes it a run that only tried something out, as it is typed; None for one whose number counts.

        `config` has dotted keys.
        """
        typed = [text for command in (*(leg.command for leg in self.legs), self.command) for text in command]
        chosen = [text for text in typed if _DEBUG.fullmatch(text)]
        return next(iter([*chosen, *(f"{key}=true" for key in _ONE_BATCH if config.get(key) is True)]), None)

    @field_validator("data")
    @classmethod
    def _names_its_data(cls, data: dict[str, str]) -> dict[str, str]:
        if not {"name", "hash"} <= data.keys():
            raise ValueError("name and hash are needed")
        return data

    def earlier_legs(self) -> list[Leg]:
        """The legs of a run that is about to be resumed: those before, and the one that this record is of."""
        done = {name: sum(leg.timings.get(name, 0.0) for leg in self.legs) for name in self.timings}
        last = {
            **self.model_dump(include=Leg.model_fields.keys() - {"started_at", "timings"}),
            "started_at": self.resumed_at or self.started_at,
            "timings": {name: round(total - done[name], 3) for name, total in self.timings.items()},
        }
        return [*self.legs, Leg.model_validate(last)]

    def write(self, run: RunDirectory) -> None:
        """Write run.json whole or not at all."""
        write_atomically(run.record, (self.model_dump_json(indent=2) + "\n").encode())

    @classmethod
    def read(cls, run: RunDirectory) -> RunRecord:
        """The record of a run. Raises RatchetError where there is none or it is no run.json of ours.

        Where DVC and git have brought the results of another run here, or run.json stayed on another machine, the
        record is what they say: without times, commands and the machine.
        """
        record = read_json_as(run.record, cls, remedy=_REMEDY) if run.record.exists() else None
        result = Result.read(run)
        if result is not None and (record is None or not result.is_of(record)):
            return result.record()
        if record is None:
            why = "is a file and" if run.path.is_file() else "is"
            raise RatchetError(
                f"{run.path} {why} no run directory: it has no {run.record.name}; type: find runs -name run.json"
            )
        return record


def note_the_end(directory: Path, how: str, *, said: str = "its process was ended") -> None:
    """Let a run.json that says `running` say how the run ended, whose process was ended before it could.

    how: `pruned`, `interrupted`, or the class of a failure, whose message is `said`.
    """
    run = RunDirectory(directory)
    if not run.record.is_file():
        return
    try:
        record = RunRecord.read(run)
    except FileError:
        return  # of a trial that is over: nothing is worse for it
    if record.status == "running":
        statuses: dict[str, Status] = {"pruned": "pruned", "interrupted": "interrupted"}
        record.status = statuses.get(how, "failed")
        if record.status == "failed":
            record.error = {"class": how, "message": said}
        record.write(run)


class Result(BaseModel):
    """What metrics.json of the pipeline's run holds: all of its record that is the same whenever it is trained."""

    model_config = ConfigDict(ser_json_inf_nan="strings")

    data: dict[str, str]
    config_hash: str
    threads: int
    seed: int
    parameters: int
    best: Best | None
    metrics: dict[str, float]

    @classmethod
    def of(cls, record: RunRecord) -> Result:
        """The part of a run's record."""
        return cls.model_validate(record.model_dump(include=set(cls.model_fields)))

    def is_of(self, record: RunRecord) -> bool:
        """Return whether a result belongs to that run."""
        ours, theirs = ((each.config_hash, each.best and (each.best.step, each.best.value)) for each in (self, record))
        return ours == theirs

    def record(self) -> RunRecord:
        """A record that says no more than this. Its id is the beginning of the config's hash."""
        unknown: dict[str, Any] = {"command": [], "git": {}, "versions": {}, "host": {}, "started_at": ""}
        return RunRecord(id=self.config_hash[:8], status="completed", **unknown, **self.model_dump())

    def write(self, run: RunDirectory) -> None:
        """Write metrics.json: DVC shows the numbers at its top, and passes over the list below them."""
        found = self.best.metrics if self.best else self.metrics
        numbers: dict[str, float] = {name: value for name, value in found.items() if math.isfinite(value)}
        if self.best:
            split = self.best.metric.partition("/")[0]  # what that validation measured, not what training did meanwhile
            numbers = {name: value for name, value in numbers.items() if name.partition("/")[0] == split}
            numbers |= {"best/epoch": self.best.epoch, "best/step": self.best.step}
        content = {**numbers, "run": [self.model_dump(mode="json")]}
        write_atomically(run.result, (json.dumps(content, indent=2) + "\n").encode())

    @classmethod
    def read(cls, run: RunDirectory) -> Result | None:
        """Return the result of a run; None where it has none. Raises FileError where it is damaged."""
        return read_json_as(run.result, _Results, remedy=_REMEDY).run[0] if run.result.exists() else None


class _Results(BaseModel):
    run: list[Result] = Field(min_length=1)


def whole_config(run: RunDirectory) -> Any:
    """The content of a run's config.yaml. Raises OSError and FileError.

    That of the pipeline's run leaves out what changes no number: run.json has it, or where that stayed on another
    machine the project's config.lock.yaml has it as it is now.
    """
    plain = read_yaml(run.config)
    if not isinstance(plain, dict) or "logger" in plain:
        return plain
    lock = run.path.resolve().parents[1] / "config.lock.yaml"
    try:
        return with_non_numeric_of(plain, RunRecord.read(run).inert or read_yaml(lock))
    except (KeyError, TypeError, FileNotFoundError, RatchetError):
        return plain


def read_config(run: RunDirectory) -> Config:
    """The config that a run was trained with. Raises CheckpointError where the directory holds no run."""
    from ratchet.config.validation import validate  # it imports Hydra, and looking at runs does not

    if not run.config.is_file():
        why = "is a file and" if run.path.is_file() else "is"
        raise CheckpointError(
            f"{run.path} {why} no run directory: it has no config.yaml; type: find runs -name run.json"
        )
    try:
        return validate(whole_config(run))
    except (ConfigError, FileError, OSError) as error:
        what = error.said if isinstance(error, OverrideError) else first_line(error)
        said = f"{run.config} is damaged or of another version ({what})"
        raise CheckpointError(f"{said}; type: python src/train.py, to train anew") from error
