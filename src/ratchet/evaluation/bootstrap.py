"""How far a metric could move, had other examples been drawn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ratchet.evaluation.calibration import bin_of
from ratchet.evaluation.metrics import HEADLINE
from ratchet.evaluation.predictions import Predictions

Floats = NDArray[np.float64]
Interval = tuple[float, float]

CELLS = (
    500_000  # examples times resamples held at once: 4 MB of weights, small enough for a processor's cache
)


@dataclass(frozen=True)
class Bootstrap:
    """How intervals are made: percentiles over `resamples` draws of the examples with replacement.

    Efron & Tibshirani 1993, chapter 13.
    """

    resamples: int
    confidence: float
    seed: int

    def weights(self, n: int) -> Iterator[Floats]:
        """How often each of n examples was drawn, in chunks (n, resamples of the chunk)."""
        rng = np.random.default_rng(self.seed)
        chunk = max(1, CELLS // n)
        for start in range(0, self.resamples, chunk):
            size = min(chunk, self.resamples - start)
            cells = rng.integers(0, n, (size, n)) * size + np.arange(size)[:, None]
            yield np.bincount(cells.ravel(), minlength=n * size).reshape(n, size).astype(np.float64)

    def interval(self, values: Floats) -> Interval | None:
        """The central interval of resampled values (resamples,); NaN, an undefined value, is left out."""
        known = values[~np.isnan(values)]
        if not len(known):
            return None
        tail = (1 - self.confidence) / 2
        low, high = np.quantile(known, [tail, 1 - tail])
        return float(low), float(high)


def bootstrap_means(values: Floats, *, bootstrap: Bootstrap) -> list[Interval | None]:
    """The intervals of the means of m per-example values (m, n), such as hits and losses."""
    rows = sparse.csr_array(
        values
    )  # not numpy's matrix product: its last digits depend on the threads of the BLAS
    chunks = [rows @ weights / values.shape[1] for weights in bootstrap.weights(values.shape[1])]
    return [
        bootstrap.interval(np.concatenate([c[row] for c in chunks])) if chunks else None
        for row in range(len(values))
    ]


def bootstrap_metrics(
    predictions: Predictions, *, n_classes: int, calibration_bins: int, bootstrap: Bootstrap
) -> dict[str, Interval | None]:
    """The interval of every headline metric, all from the same resamples."""
    metrics = WeightedMetrics(predictions, n_classes=n_classes, calibration_bins=calibration_bins)
    chunks = [metrics(weights) for weights in bootstrap.weights(len(predictions.labels))]
    return {
        name: bootstrap.interval(np.concatenate([chunk[name] for chunk in chunks])) if chunks else None
        for name in HEADLINE
    }


class WeightedMetrics:
    """The headline metrics of examples that count several times, for many weightings at once.

    Called with weights (n, m), whole numbers whose columns sum to n, it gives each metric as (m,). All but AUROC
    come from sums over groups of examples: one sparse matrix times the weights.
    """

    def __init__(self, predictions: Predictions, *, n_classes: int, calibration_bins: int) -> None:
        self._n = len(predictions.labels)
        self._classes, self._bins = n_classes, calibration_bins
        hit = np.where(predictions.correct, predictions.labels, -1)
        where = bin_of(predictions.confidence, bins=calibration_bins)
        overconfidence = predictions.confidence - predictions.correct
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
            "calibration_error": np.abs(overconfidence).sum(axis=0) / self._n,
        }

    def _macro_auroc(self, weights: Floats) -> Floats:
        whole = weights.astype(
            np.float32
        )  # counts up to 2^24 stay exact, and half the memory is twice the speed
        total, known = np.zeros(weights.shape[1]), np.zeros(weights.shape[1])
        for auroc in self._auroc:
            values = auroc(whole)
            total += np.nan_to_num(values)
            known += ~np.isnan(values)
        return np.divide(total, known, out=np.full_like(total, np.nan), where=known > 0)


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
        return np.divide(ordered, pairs, out=np.full_like(ordered, np.nan), where=pairs > 0)


def _groups(group: NDArray[np.int64], count: int, values: Floats | None = None) -> sparse.csr_array:
    """A matrix (count, n) that sums weights, times values, by group; group -1 is no group."""
    member = np.flatnonzero(group >= 0)
    data = np.ones(len(group)) if values is None else values
    return sparse.csr_array((data[member], (group[member], member)), shape=(count, len(group)))
