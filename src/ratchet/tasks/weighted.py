"""The headline metrics of examples that count several times: what a bootstrap asks for, quickly."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ratchet.tasks.calibration import bin_of
from ratchet.tasks.multiclass import MulticlassPredictions

Floats = NDArray[np.float64]


class WeightedMetrics:
    """The headline metrics of examples that count several times, for many weightings at once.

    All but AUROC and average precision come from sums over groups of examples: one sparse matrix times the weights.
    """

    def __init__(
        self,
        predictions: MulticlassPredictions,
        *,
        n_classes: int,
        calibration_bins: int,
        names: Collection[str] | None = None,
    ) -> None:
        self._n = len(predictions.labels)
        self._classes, self._bins = n_classes, calibration_bins
        hit = np.where(predictions.correct, predictions.labels, -1)
        where = bin_of(predictions.confidence, bins=calibration_bins)
        overconfidence = predictions.confidence - predictions.correct
        # The absolute value of noise has no zero mean: resampled, the calibration error would rise, and its
        # interval with it. So each bin keeps the direction of its error.
        self._direction = np.sign(np.bincount(where, overconfidence, calibration_bins))[:, None]
        self._sums = sparse.vstack(
            [
                _groups(predictions.labels, n_classes),
                _groups(predictions.predicted, n_classes),
                _groups(hit, n_classes),
                _groups(where, calibration_bins, values=overconfidence),
                sparse.csr_array(np.stack([predictions.losses, predictions.squares])),
            ],
            format="csr",
        )
        self._ranked = [
            (predictions.ranking[:, k], predictions.labels == k)
            for k in np.unique(predictions.labels)
            if names is None or "average_precision" in names
        ]
        self._auroc = [
            WeightedAuroc(predictions.ranking[:, k], predictions.labels == k)
            for k in range(n_classes)
            if 0 < (predictions.labels == k).sum() < self._n and (names is None or "auroc" in names)
        ]

    def __call__(self, weights: Floats) -> dict[str, Floats]:
        """Each metric (m,) under weights (n, m): whole numbers whose columns sum to n."""
        k = self._classes
        sums = np.split(self._sums @ weights, np.cumsum([k, k, k, self._bins]))
        support, predicted, hits, overconfidence, each = sums
        with np.errstate(invalid="ignore", divide="ignore"):
            recall = hits / support  # NaN where a class was not drawn: the macro means leave it out
            precision = np.where(support > 0, hits / np.maximum(predicted, 1), np.nan)
            f1 = np.where(support > 0, 2 * hits / (support + predicted), np.nan)
        macro_recall = np.nanmean(recall, axis=0)
        whole = weights.astype(np.float32)  # exact up to 2^24, and twice as fast
        return {
            "accuracy": hits.sum(axis=0) / self._n,
            "balanced_accuracy": macro_recall,
            "precision": np.nanmean(precision, axis=0),
            "recall": macro_recall,
            "f1": np.nanmean(f1, axis=0),
            "auroc": _macro([auroc(whole) for auroc in self._auroc], weights),
            "average_precision": _macro([average_precision(*of, weights) for of in self._ranked], weights),
            "matthews": _matthews(support, predicted, hits.sum(axis=0)),
            "log_loss": each[0] / self._n,
            "brier": each[1] / self._n,
            "calibration_error": np.maximum((self._direction * overconfidence).sum(axis=0), 0) / self._n,
        }


def _macro(values: Sequence[Floats], weights: Floats) -> Floats:
    """The mean over classes, without those that a weighting leaves undefined."""
    total, known = np.zeros(weights.shape[1]), np.zeros(weights.shape[1])
    for each in values:
        total += np.nan_to_num(each)
        known += ~np.isnan(each)
    mean: Floats = np.divide(total, known, out=np.full_like(total, np.nan), where=known > 0)
    return mean


def _matthews(support: Floats, predicted: Floats, hits: Floats) -> Floats:
    """The correlation of classes and predictions (Gorodkin 2004); 0 where one of them is always the same."""
    n = support.sum(axis=0)
    together = hits * n - (support * predicted).sum(axis=0)
    apart = (n**2 - (support**2).sum(axis=0)) * (n**2 - (predicted**2).sum(axis=0))
    return share(together, np.sqrt(apart))


def average_precision(scores: Floats, positive: NDArray[np.bool_], weights: Floats) -> Floats:
    """The mean over positives of the precision at their score, (m,); NaN where a weighting has no positive."""
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    last = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)  # of each group of equal scores
    told = np.cumsum(weights[order], axis=0)[last]
    found = np.cumsum(weights[order] * positive[order, None], axis=0)[last]
    gained = np.diff(found, axis=0, prepend=0)
    value = share((gained * share(found, told)).sum(axis=0), found[-1])
    return np.where(found[-1] > 0, value, np.nan)


def share(part: Floats, whole: Floats) -> Floats:
    """part / whole; 0 where the whole is 0."""
    part, whole = np.asarray(part, float), np.asarray(whole, float)
    found: Floats = np.divide(part, whole, out=np.zeros(np.broadcast_shapes(part.shape, whole.shape)), where=whole > 0)
    return found


class WeightedAuroc:
    """One class against the rest: the share of (positive, negative) pairs in the right order, ties half.

    The Mann-Whitney form (Hanley & McNeil 1982). The m distinct scores of the positives cut the line into 2 m + 1
    places: below the first, on it, between it and the second, and so on. Which place each negative takes is found
    once; each weighting then costs one sum for every place.
    """

    def __init__(self, scores: Floats, positive: NDArray[np.bool_]) -> None:
        cuts, rank = np.unique(scores[positive], return_inverse=True)
        place = np.searchsorted(cuts, scores, side="left") + np.searchsorted(cuts, scores, side="right")
        self._negatives = _groups(np.where(positive, -1, place), 2 * len(cuts) + 1).astype(np.float32)
        at = np.full(len(scores), -1)
        at[positive] = rank
        self._positives = _groups(at, len(cuts)).astype(np.float32)

    def __call__(self, weights: NDArray[np.float32]) -> Floats:
        negatives = (self._negatives @ weights).astype(np.float64)
        positives = (self._positives @ weights).astype(np.float64)
        beaten = np.cumsum(negatives, axis=0)[:-1:2] + negatives[1::2] / 2
        ordered = (positives * beaten).sum(axis=0)
        pairs = positives.sum(axis=0) * negatives.sum(axis=0)
        share: Floats = np.divide(ordered, pairs, out=np.full_like(ordered, np.nan), where=pairs > 0)
        return share


def _groups(group: NDArray[np.int64], count: int, values: Floats | None = None) -> sparse.csr_array:
    """A matrix (count, n) that sums weights, times values, by group; group -1 is no group."""
    member = np.flatnonzero(group >= 0)
    data = np.ones(len(group)) if values is None else values
    shape = (count, len(group))
    matrix: sparse.csr_array = sparse.csr_array((data[member], (group[member], member)), shape=shape)
    return matrix
