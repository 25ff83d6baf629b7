"""A sampler that chooses among Optuna's own by what the study's trials look like."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

_FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
_Space = dict[str, BaseDistribution]


class AutoSampler(BaseSampler):
    """TPE for choices, conditional spaces and several objectives; for numbers a Gaussian process, then CMA-ES.

    The rule is that of OptunaHub's AutoSampler (Ozaki et al. 2025): a Gaussian process learns most from each of a few
    trials, and its cost grows with the cube of their number, so CMA-ES takes over at `many`. TPE does so where CMA-ES
    cannot: with constraints, with one parameter, or without the package cmaes.
    """

    def __init__(self, *, seed: int | None = None, many: int = 250) -> None:
        """Make a sampler. many: finished trials from which on a Gaussian process is too slow.

        Raises ValueError for fewer than one.
        """
        if many < 1:
            raise ValueError(f"many={many}; allowed: 1 and more")
        self._random, self._many = random.Random(seed), many
        self._made: dict[str, BaseSampler] = {}
        self._using: BaseSampler = self._get("tpe")

    @property
    def using(self) -> BaseSampler:
        """The sampler that the last trial was left to."""
        return self._using

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> _Space:
        self._using = self._get(self.choose(study))
        return self._using.infer_relative_search_space(study, trial)

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: _Space) -> dict[str, Any]:
        return self._using.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._using.sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self._using.before_trial(study, trial)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        self._using.after_trial(study, trial, state, values)

    def reseed_rng(self) -> None:
        self._random.seed()
        for sampler in self._made.values():
            sampler.reseed_rng()

    def choose(self, study: Study) -> str:
        """The name of the sampler for the next trial of a study: `tpe`, `gp` or `cmaes`."""
        finished = [trial for trial in study.get_trials(deepcopy=False) if trial.state in _FINISHED]
        spaces = {tuple(sorted(trial.distributions)) for trial in finished if trial.distributions}
        kinds = [kind for trial in finished for kind in trial.distributions.values()]
        choices = any(isinstance(kind, CategoricalDistribution) for kind in kinds)
        if len(study.directions) > 1 or choices or len(spaces) != 1:
            return "tpe"
        if len(finished) < self._many:
            return "gp"
        constrained = any(trial.constraints for trial in finished[-1:])
        alone = len(next(iter(spaces))) == 1
        return "tpe" if constrained or alone or find_spec("cmaes") is None else "cmaes"

    def _get(self, name: str) -> BaseSampler:
        if name not in self._made:
            make: dict[str, Callable[..., BaseSampler]] = {
                "tpe": lambda seed: optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True),
                "gp": lambda seed: optuna.samplers.GPSampler(seed=seed),
                "cmaes": lambda seed: optuna.samplers.CmaEsSampler(seed=seed),
            }
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that an argument is experimental
                self._made[name] = make[name](seed=self._random.randrange(2**31))
        return self._made[name]
