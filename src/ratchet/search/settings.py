"""What a file in sweeps/ may say."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveFloat, PositiveInt, field_validator

Space = dict[str, str]  # key of the config: values in the override grammar


class Section(BaseModel):
    """Unknown keys and wrong types are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Objective(Section):
    """A number that a trial gives, and which way is better."""

    metric: str
    direction: Literal["maximize", "minimize"]


class Recheck(Section):
    """The best trials once more, on fresh seeds."""

    top: NonNegativeInt = 0  # how many; 0: none
    seeds: PositiveInt = 2


class SweepSettings(Section):
    """One sweep: what is asked, of whom, how often."""

    n_trials: PositiveInt = 20  # finished trials of a study; a grid has as many as it has cells
    objectives: list[Objective] = []  # none: the config's objective
    constraints: list[str] = []  # such as "parameters <= 20000"; only what holds to them can be best
    space: Space = {}
    options: dict[str, dict[str, Space]] = {}  # group: option: what may vary where that option is chosen
    sampler: dict[str, Any] = Field(default={"_target_": "optuna.samplers.TPESampler"})
    pruner: dict[str, Any] | None = None
    champion_first: bool = True  # the values that are now in conf/ are the first trial
    repeats: PositiveInt = 1  # seeds of one configuration; the objective is their mean
    recheck: Recheck = Recheck()
    retries: NonNegativeInt = 2  # of a trial whose process was killed
    timeout: PositiveFloat | None = None  # seconds; then no trial is started any more
    trial_timeout: PositiveFloat | None = None  # seconds of one training
    n_jobs: PositiveInt | None = None  # trials at once in one worker; null: as many as threads or GPUs allow
    n_workers: PositiveInt = 1  # placed by hydra/launcher
    study: Annotated[str, Field(pattern=r"^[^/]+$")] | None = None  # its name; null: made from the command
    storage: str | None = None  # an Optuna URL; null: a journal file in the study's directory
    seed: NonNegativeInt = 0  # of the sampler
    dry_run: bool = False  # say what would be run, and run nothing

    @field_validator("constraints")
    @classmethod
    def _bounds(cls, constraints: list[str]) -> list[str]:
        for text in constraints:
            Bound.parse(text)
        return constraints

    @property
    def bounds(self) -> list[Bound]:
        """The constraints, parsed."""
        return [Bound.parse(text) for text in self.constraints]


class Bound(Section):
    """`metric <= limit` or `metric >= limit`."""

    metric: str
    sign: Literal[-1, 1]
    limit: float

    @classmethod
    def parse(cls, text: str) -> Bound:
        """Raises ValueError for anything else."""
        found = re.fullmatch(r"\s*(\S+)\s*(<=|>=)\s*(\S+)\s*", text)
        try:
            assert found is not None
            return cls(metric=found[1], sign=1 if found[2] == "<=" else -1, limit=float(found[3]))
        except (AssertionError, ValueError):
            raise ValueError(f"{text!r} is no bound; allowed: <metric> <= <number>, or >=") from None

    def excess(self, metrics: dict[str, float]) -> float:
        """How far beyond the limit; at most 0 where the bound holds. NaN counts as beyond."""
        excess = self.sign * (metrics[self.metric] - self.limit)
        return excess if excess == excess else float("inf")  # noqa: PLR0124 - NaN alone differs from itself
