"""run.json: one run's identity, circumstances and results, typed."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from ratchet.errors import RatchetError
from ratchet.files import write_atomically
from ratchet.runs.directory import RunDirectory

Status = Literal["running", "completed", "interrupted", "failed", "pruned"]


class Best(BaseModel):
    """The best validation: when it was and the value of the objective."""

    checkpoint: str  # relative to the run directory
    epoch: int
    step: int
    metric: str
    value: float
    metrics: dict[str, float] = {}  # everything that this validation measured


class Leg(BaseModel):
    """A part of a run that was resumed: from its start, or from a resume, until the next one."""

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
        """The record of a run. Raises RatchetError where there is none or it is no run.json of ours."""
        if not run.record.is_file():
            raise RatchetError(f"{run.path} is no run directory: it has no {run.record.name}; type: ls runs/*/")
        try:
            return cls.model_validate_json(run.record.read_text(encoding="utf-8"))
        except ValueError as error:
            raise RatchetError(f"{run.record} cannot be read: {str(error).splitlines()[0]}") from error
