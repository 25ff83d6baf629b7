"""The usual pruner: asynchronous successive halving, in shares of a whole training."""

from __future__ import annotations

import math
from collections.abc import Sequence

import optuna
from optuna.pruners import BasePruner
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from ratchet.search.ledger import is_feasible

LENGTH = "ratchet:length"  # trial attribute: how many reports it makes, if nothing ends it early


class HalvingPruner(BasePruner):
    """At some shares of a training's reports the best in `keep` go on (after ASHA, Li et al. 2020, arXiv:1810.05934).

    Where Optuna's own has its rungs at fixed steps, these lie at the same shares of trainings of any length: a trial
    is compared with what each other one reported at the same share of its own. Those that ended early count; those
    that failed, or broke a constraint, do not. A trial that does not say how long it is counts as long as the longest
    that is complete, and is not pruned before one is. The second rung lies late, when a schedule has lowered the
    learning rate and values tell more.
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
        complete = [len(each.intermediate_values) for each in trials if each.state == TrialState.COMPLETE]
        usual = max(complete, default=0)
        place, length = len(trial.intermediate_values), _length(trial, usual)
        if place >= length:  # nothing is known of the length, or all is paid
            return False
        for share in self._shares:
            if round(share * length) == place:
                counted = (each for each in trials if each.state != TrialState.FAIL and is_feasible(each))
                others = (_at(share, each, usual) for each in counted)
                known = [each for each in others if each is not None and not math.isnan(each)]
                return not self._goes_on(value, known, study.direction)
        return False

    def _goes_on(self, value: float, known: Sequence[float], direction: StudyDirection) -> bool:
        ordered = sorted(known, reverse=direction == StudyDirection.MAXIMIZE)
        last = ordered[max(1, len(ordered) // self._keep) - 1]
        return value >= last if direction == StudyDirection.MAXIMIZE else value <= last


def _length(trial: FrozenTrial, usual: int) -> int:
    return int(trial.user_attrs.get(LENGTH, usual))


def _at(share: float, trial: FrozenTrial, usual: int) -> float | None:
    """What a trial reported at a share of its length; None where it did not come so far."""
    place, reports = round(share * _length(trial, usual)), trial.intermediate_values
    return reports[sorted(reports)[place - 1]] if 0 < place <= len(reports) else None
