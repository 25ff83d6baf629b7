"""Studies that are worked on, and trials in progress."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

from ratchet.compat.optuna import storage_of, trial_id_of
from ratchet.search.processes.pool import Active
from ratchet.search.space.plan import StudyPlan
from ratchet.search.storage.ledger import Claim, Ledger


@dataclass
class OpenStudy:
    """A study that this worker works on."""

    plan: StudyPlan
    study: optuna.Study
    ledger: Ledger
    began: float = field(default_factory=time.monotonic)
    failures: list[str] = field(default_factory=list)
    succeeded: bool = False
    given_up: str | None = None
    exported: tuple[int, int] | None = None  # trials, and finished ones, that trials.csv has
    _measured: dict[str, int] = field(default_factory=dict)  # parameters: number of the trial that came to a value
    _indexed: int = 0  # every trial before it is finished, and in `_measured` if it came to a value

    @cached_property
    def columns(self) -> dict[str, list[str]]:
        """Each key of a grid that varies, with its values."""
        columns: dict[str, dict[str, None]] = {}
        for cell in self.plan.cells:
            for text in cell:
                key, _, value = text.partition("=")
                columns.setdefault(key, {})[value] = None
        return {key: list(values) for key, values in columns.items() if len(values) > 1}

    @property
    def takes_trials(self) -> bool:
        """Whether it may start another one."""
        limit = self.plan.settings.timeout
        return self.given_up is None and (limit is None or time.monotonic() - self.began < limit)

    def measured(self, trial: optuna.Trial) -> FrozenTrial | None:
        """An earlier trial of the study with the same parameters that came to a value."""
        trials = self.study.get_trials(deepcopy=False)
        for other in trials[self._indexed :]:
            if other.state == TrialState.COMPLETE:
                self._measured.setdefault(_key(other), other.number)
            self._indexed += other.state.is_finished() and other.number == self._indexed
        found = self._measured.get(_key(trial))
        return trials[found] if found is not None and found != trial.number else None

    def record_cell(self, trial: optuna.Trial, cell: Sequence[str]) -> None:
        """A grid's values as the trial's parameters: a column each, in every dashboard."""
        for text in cell:
            key, _, value = text.partition("=")
            if key in self.columns and key not in trial.params:
                values = self.columns[key]
                kind = CategoricalDistribution(tuple(values))
                storage_of(self.study).set_trial_param(trial_id_of(trial), key, values.index(value), kind)


@dataclass(kw_only=True, eq=False)
class ActiveTrial(Active):
    """A trial in progress: its repeats one after another, in one slot."""

    of: OpenStudy
    claim: Claim
    overrides: tuple[str, ...]
    directory: Path
    claimed: float  # time.monotonic() at which its first training began
    repeat: int = 0
    metrics: list[Mapping[str, float]] = field(default_factory=list)
    step: int = 0
    value: float | None = None
    length: int | None = None  # how many reports there will be, once it is on record

    @property
    def seconds(self) -> float:
        """Seconds that all trainings of the trial took so far."""
        return round(time.monotonic() - self.claimed, 3)

    @property
    def run_directory(self) -> Path:
        """Run directory of the training that runs now."""
        repeated = self.of.plan.settings.repeats > 1
        return self.directory / f"repeat{self.repeat}" if repeated else self.directory


def _key(trial: optuna.Trial | FrozenTrial) -> str:
    return repr(sorted(trial.params.items()))
