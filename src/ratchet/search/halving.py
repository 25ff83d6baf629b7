"""The usual pruner: asynchronous successive halving, in shares of a whole training."""

from __future__ import annotations

import math
from collections.abc import Sequence

import optuna
from optuna.pruners import BasePruner
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState


class HalvingPruner(BasePruner):
    """At some shares of a training's reports the best in `keep` go on (after ASHA, Li et al. 2020, arXiv:1810.05934).

    Where Optuna's own has its rungs at fixed steps, these lie at the same shares of trainings of any length, which is
    that of the longest that is complete: nothing is pruned before one is. The second lies late, when a schedule has
    lowered the learning rate and values tell more. And a trial is compared with every trial's value at its own step,
    those from before the length was known included.
    """

    def __init__(self, *, rungs: Sequence[float] = (0.2, 0.6), keep: int = 4) -> None:
        """rungs: shares of a training, above 0 and below 1. keep: at a rung one in so many goes on, 2 or more.

        Raises ValueError for others.
        """
        if not rungs or not all(0 < share < 1 for share in rungs):
            raise ValueError(f"rungs={list(rungs)}; allowed: shares above 0 and below 1")
        if keep < 2:
            raise ValueError(f"keep={keep}; allowed: 2 and more")
        self._shares, self._keep = tuple(rungs), keep

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Whether the trial's last report leaves it outside of the best, at a rung."""
        step = trial.last_step
        if step is None:
            return False
        value = trial.intermediate_values[step]
        if math.isnan(value):
            return True
        trials = study.get_trials(deepcopy=False)
        if step not in self._rungs(trials):
            return False
        known = [each.intermediate_values[step] for each in trials if step in each.intermediate_values]
        known = [each for each in known if not math.isnan(each)]
        return not self._goes_on(value, known, study.direction)

    def _rungs(self, trials: Sequence[FrozenTrial]) -> list[int]:
        """The steps at which is judged: none before a training is complete, never at the end, when all is paid."""
        complete = (each for each in trials if each.state == TrialState.COMPLETE and each.last_step is not None)
        longest = max(complete, key=lambda each: each.last_step or 0, default=None)
        if longest is None:
            return []
        reports = sorted(longest.intermediate_values)
        places = {round(share * len(reports)) for share in self._shares}
        return [reports[place - 1] for place in places if 0 < place < len(reports)]

    def _goes_on(self, value: float, known: Sequence[float], direction: StudyDirection) -> bool:
        ordered = sorted(known, reverse=direction == StudyDirection.MAXIMIZE)
        last = ordered[max(1, len(ordered) // self._keep) - 1]
        return value >= last if direction == StudyDirection.MAXIMIZE else value <= last
