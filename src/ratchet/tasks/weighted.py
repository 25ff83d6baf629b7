"""The headline metrics of examples that count several times: what a bootstrap asks for, quickly."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ratchet.tasks.calibration import bin_of
from ratchet.tasks.multiclass import MulticlassPredictions

Floats = NDArray[np.float64]


class WeightedMetrics:
    """The headline metrics of examples that count several times, for many weightings at once.

    All but AUROC come from sums over groups of examples: one sparse matrix times the weights.
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
                sparse.csr_array(predictions.losses[None]),
            ],
            format="csr",
        )
        self._auroc = [
            WeightedAuroc(predictions.probabilities[:, k], predictions.labels == k)
            for k in range(n_classes)
            if 0 < (predictions.labels == k).sum() < self._n and (names is None or "auroc" in names)
        ]

    def __call__(self, weights: Floats) -> dict[str, Floats]:
        """Each metric (m,) under weights (n, m): whole numbers whose columns sum to n."""
        k = self._classes
        sums = np.split(self._sums @ weights, np.cumsum([k, k, k, self._bins]))
        support, predicted, hits, overconfidence, losses = sums
        with np.errstate(invalid="ignore", divide="ignore"):
            recall = hits / support  # NaN where a class was not drawn: the macro means leave it out
            precision = np.where(support > 0, hits / np.maximum(predicted, 1), np.nan)
            f1 = np.where(support > 0, 2 * hits / (support + predicted), np.nan)
        macro_recall = np.nanmean(recall, axis=0)
        return {
            "accuracy": hits.sum(axis=0) / self._n,
            "balanced_accuracy": macro_recall,
            "precision": np.nanmean(precision, axis=0),
            "recall": macro_recall,
            "f1": np.nanmean(f1, axis=0),
            "auroc": self._macro_auroc(weights),
            "log_loss": losses[0] / self._n,
            "calibration_error": np.maximum((self._direction * overconfidence).sum(axis=0), 0) / self._n,
        }

    def _macro_auroc(self, weights: Floats) -> Floats:
        whole = weights.astype(np.float32)  # exact up to 2^24, and twice as fast
        total, known = np.zeros(weights.shape[1]), np.zeros(weights.shape[1])
        for auroc in self._auroc:
            values = auroc(whole)
            total += np.nan_to_num(values)
            known += ~np.isnan(values)
        mean: Floats = np.divide(total, known, out=np.full_like(total, np.nan), where=known > 0)
        return mean


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
