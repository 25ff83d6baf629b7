"""The headline metrics of examples that count several times: what a bootstrap asks for, quickly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ratchet.evaluation.calibration import bin_of
from ratchet.evaluation.predictions import Predictions

Floats = NDArray[np.float64]


class WeightedMetrics:
    """The headline metrics of examples that count several times, for many weightings at once.

    All but AUROC come from sums over groups of examples: one sparse matrix times the weights.
    """

    def __init__(self, predictions: Predictions, *, n_classes: int, calibration_bins: int) -> None:
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
            _WeightedAuroc(predictions.probabilities[:, k], predictions.labels == k)
            for k in range(n_classes)
            if 0 < (predictions.labels == k).sum() < self._n
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


class _WeightedAuroc:
    """One class against the rest: the share of (positive, negative) pairs in the right order, ties half.

    The Mann-Whitney form (Hanley & McNeil 1982). The order is found once; each weighting costs a running sum.
    """

    def __init__(self, scores: Floats, positive: NDArray[np.bool_]) -> None:
        self._positives, negatives = np.flatnonzero(positive), np.flatnonzero(~positive)
        self._negatives = negatives[np.argsort(scores[negatives], kind="stable")]
        ordered = scores[self._negatives]
        self._below = np.searchsorted(ordered, scores[self._positives], side="left")
        self._not_above = np.searchsorted(ordered, scores[self._positives], side="right")

    def __call__(self, weights: NDArray[np.float32]) -> Floats:
        running = np.zeros((len(self._negatives) + 1, weights.shape[1]), np.float32)
        np.cumsum(weights[self._negatives], axis=0, out=running[1:])
        positives = weights[self._positives].astype(np.float64)
        won = running[self._below] / 2 + running[self._not_above] / 2
        pairs = positives.sum(axis=0) * running[-1]
        ordered = np.einsum("ij,ij->j", positives, won)
        share: Floats = np.divide(ordered, pairs, out=np.full_like(ordered, np.nan), where=pairs > 0)
        return share


def _groups(group: NDArray[np.int64], count: int, values: Floats | None = None) -> sparse.csr_array:
    """A matrix (count, n) that sums weights, times values, by group; group -1 is no group."""
    member = np.flatnonzero(group >= 0)
    data = np.ones(len(group)) if values is None else values
    shape = (count, len(group))
    matrix: sparse.csr_array = sparse.csr_array((data[member], (group[member], member)), shape=shape)
    return matrix
