"""The metrics of a yes or no, for many weightings of the examples at once: of a binary task, and of each label."""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ratchet.evidence.jackknife import auroc, average_precision, of_counts
from ratchet.tasks.base import OF_CLASSES, Floats
from ratchet.tasks.calibration import miscalibration
from ratchet.tasks.weighted import WeightedAuroc, share
from ratchet.tasks.weighted import average_precision as weighted_precision

Flags = NDArray[np.bool_]
# Of true and false positives, false and true negatives, each a count or an array of them.
_OF_COUNTS: dict[str, Callable[[Floats, Floats, Floats, Floats], Floats]] = {
    "accuracy": lambda tp, fp, fn, tn: share(tp + tn, tp + fp + fn + tn),
    "balanced_accuracy": lambda tp, fp, fn, tn: (share(tp, tp + fn) + share(tn, tn + fp)) / 2,
    "precision": lambda tp, fp, _fn, _tn: share(tp, tp + fp),
    "recall": lambda tp, _fp, fn, _tn: share(tp, tp + fn),
    "f1": lambda tp, fp, fn, _tn: share(2 * tp, 2 * tp + fp + fn),
    "matthews": lambda tp, fp, fn, tn: share(tp * tn - fp * fn, np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))),
}


class TwoWay:
    """Labels, logits of the positive class and decisions, (n,) each, and what is measured on them.

    Examples are ranked by their logits: of those above 37 every probability is 1.
    """

    def __init__(self, positive: Flags, logits: Floats, predicted: Flags, *, calibration_bins: int) -> None:
        self.positive, self.logits, self.predicted = positive, logits, predicted
        self.probability: Floats = 1 / (1 + np.exp(-np.clip(logits, -700, 700)))
        self.losses: Floats = np.logaddexp(0, np.where(positive, -logits, logits))  # nats
        self._bins = calibration_bins

    def metrics(self, weights: Floats, names: Collection[str] = OF_CLASSES) -> dict[str, Floats]:
        """Each metric named, (m,), under weights (n, m): whole numbers whose columns have one sum. NaN: undefined."""
        n = weights.sum(axis=0)
        told = [self.positive & self.predicted, ~self.positive & self.predicted, self.positive & ~self.predicted]
        kept = [*(each.astype(np.float64) for each in told), self.losses, (self.probability - self.positive) ** 2]
        # Sparse, because numpy's own product gives other last digits with another number of BLAS threads.
        tp, fp, fn, losses, squares = sparse.csr_array(np.stack(kept)) @ weights
        tn = n - tp - fp - fn
        found = {name: of(tp, fp, fn, tn) for name, of in _OF_COUNTS.items() if name in names}
        none = (tp + fn == 0) | (tn + fp == 0)
        for name in {"balanced_accuracy", "precision", "recall", "f1", "matthews"} & found.keys():
            both = name in {"balanced_accuracy", "matthews"}  # it needs examples of either kind
            found[name] = np.where(none if both else tp + fn == 0, np.nan, found[name])
        found |= {"log_loss": losses / n, "brier": squares / n}
        if "calibration_error" in names:
            found["calibration_error"] = self._calibration_error(weights) / n
        if "auroc" in names:
            curve = WeightedAuroc(self.logits, self.positive)
            found["auroc"] = np.where(none, np.nan, curve(weights.astype(np.float32)))
        if "average_precision" in names:
            found["average_precision"] = weighted_precision(self.logits, self.positive, weights)
        return {name: found[name] for name in OF_CLASSES if name in names}

    def scores(self, name: str) -> Floats:
        """Scores of single examples (n,), higher is better, or pseudo-values: their mean is the metric."""
        scores: dict[str, Callable[[], Floats]] = {
            "log_loss": lambda: -self.losses,
            "brier": lambda: -((self.probability - self.positive) ** 2),
            "calibration_error": lambda: -miscalibration(self.probability, self.positive, bins=self._bins),
            "accuracy": lambda: (self.positive == self.predicted).astype(np.float64),
            "auroc": lambda: auroc(self.logits, self.positive),
            "average_precision": lambda: average_precision(self.logits, self.positive),
        }
        known = scores.get("log_loss" if name == "loss" else name)
        return known() if known is not None else of_counts(_OF_COUNTS[name], self.positive, self.predicted)

    def effective_examples(self, name: str) -> float:
        """How many examples a metric is as certain as: the smaller side where it rests on that."""
        positives, n = int(self.positive.sum()), len(self.positive)
        smaller = max(1, min(positives, n - positives))
        if name == "balanced_accuracy":
            return 4 / (1 / max(1, positives) + 1 / max(1, n - positives))
        if name == "precision":
            return max(1.0, float(self.predicted.sum()))
        if name in {"recall", "f1", "average_precision"}:
            return max(1.0, float(positives))
        return float(smaller if name in {"auroc", "matthews"} else n)

    def _calibration_error(self, weights: Floats) -> Floats:
        each = miscalibration(self.probability, self.positive, bins=self._bins)
        error: Floats = np.maximum(np.asarray(sparse.csr_array(each[None]) @ weights)[0], 0)
        return error


def choose_threshold(positive: Flags, logits: Floats, value: Callable[[Floats, Floats, Floats], Floats]) -> float:
    """The threshold on the logit whose decisions have the highest `value` of true and false positives and misses.

    Candidates lie half-way between neighbouring scores; the one nearest to the middle of equals is taken.
    """
    order = np.argsort(-logits, kind="stable")
    ranked, hit = logits[order], positive[order]
    last = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)
    tp, said = np.cumsum(hit)[last].astype(np.float64), (last + 1).astype(np.float64)
    worth = value(tp, said - tp, hit.sum() - tp)
    best = np.flatnonzero(worth == worth.max())
    k = int(best[len(best) // 2])
    lower = ranked[last[k] + 1] if last[k] + 1 < len(ranked) else ranked[-1] - 1
    return float((ranked[last[k]] + lower) / 2)
