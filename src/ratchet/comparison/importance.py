"""Which settings matter: Optuna's PED-ANOVA (Watanabe et al. 2023, arXiv:2304.10255) over runs, of studies or not."""

from __future__ import annotations

import statistics
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ratchet.comparison.gather import Run
from ratchet.comparison.settings import differing, what_matters
from ratchet.comparison.tables import Table

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

FEWEST = 10  # finished runs: of fewer it says nothing
_WIDE = 30.0  # times the smallest value: the scale may be logarithmic


def importances(table: Table) -> dict[str, float]:
    """Shares that sum to 1, the largest first; empty where there are too few finished runs, or nothing varies."""
    measured = [run for run in table.runs if run.finished and table.values[run] is not None]
    keys = varied(measured)
    if len(measured) < FEWEST or not keys:
        return {}
    import optuna
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction=table.direction)
    scales = {key: _scale([run.config[key] for run in measured if key in run.config]) for key in keys}
    study.add_trials([_trial(run, table.values[run], scales) for run in measured])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shares = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
    except (ValueError, RuntimeError):
        return {}  # all values are the same
    known = [key for key in keys if key in shares]  # equal shares stand as in the config, not as in a set
    return {key: float(shares[key]) for key in sorted(known, key=lambda key: -round(shares[key], 9))}


def varied(runs: Sequence[Run]) -> list[str]:
    """The keys that differ between runs and can be chosen; a class goes without its section's name for it."""
    keys = differing([what_matters(run.config) for run in runs if run.record is not None])
    return [
        key for key in keys
        if not key.startswith("data.") and not (key.endswith("._target_") and key.replace("._target_", ".name") in keys)
    ]  # fmt: skip


def _scale(values: Sequence[Any]) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) == len(values) and min(numbers) < max(numbers):
        return FloatDistribution(float(min(numbers)), float(max(numbers)), log=logarithmic(numbers))
    return CategoricalDistribution(sorted({str(value) for value in values}))


def logarithmic(numbers: Sequence[float]) -> bool:
    """Whether a logarithmic scale shows them better: they span orders, and most are far below the middle."""
    low, high = min(numbers), max(numbers)
    return low > 0 and high / low >= _WIDE and statistics.median(numbers) < 0.2 * (low + high)


def _trial(run: Run, value: float | None, scales: Mapping[str, BaseDistribution]) -> Any:
    from optuna.distributions import CategoricalDistribution
    from optuna.trial import TrialState, create_trial

    has = {key: scale for key, scale in scales.items() if key in run.config}
    params = {
        key: str(run.config[key]) if isinstance(scale, CategoricalDistribution) else float(run.config[key])
        for key, scale in has.items()
    }
    return create_trial(state=TrialState.COMPLETE, value=value, params=params, distributions=has)
