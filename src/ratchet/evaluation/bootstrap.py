"""How far a metric could move, had other examples been drawn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ratchet.evaluation.metrics import HEADLINE
from ratchet.evaluation.predictions import Predictions
from ratchet.evaluation.weighted import WeightedMetrics
from ratchet.evidence.intervals import interval_at_an_end
from ratchet.metrics import METRICS, Range

Floats = NDArray[np.float64]
Interval = tuple[float, float]

CELLS = 500_000  # examples times resamples held at once: 4 MB of weights


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

    def widened(self, interval: Interval | None, *, n: float, within: Range) -> Interval | None:
        """The interval; one without width at an end of the metric's range becomes that of n examples all right.

        Resampled examples without a mistake show none, but the next example may.
        """
        if interval is None or interval[0] != interval[1] or interval[0] not in within:
            return interval
        end: Literal["low", "high"] = "low" if interval[0] == within[0] else "high"
        return interval_at_an_end(end, n=n, within=within, alpha=1 - self.confidence)


def bootstrap_means(values: Floats, *, bootstrap: Bootstrap) -> list[Interval | None]:
    """The intervals of the means of m per-example values (m, n), such as hits and losses."""
    # Sparse, because numpy's own product gives other last digits with another number of BLAS threads.
    rows = sparse.csr_array(values)
    chunks = [rows @ weights / values.shape[1] for weights in bootstrap.weights(values.shape[1])]
    return [
        bootstrap.interval(np.concatenate([c[row] for c in chunks])) if chunks else None for row in range(len(values))
    ]


def bootstrap_metrics(
    predictions: Predictions, *, n_classes: int, calibration_bins: int, bootstrap: Bootstrap
) -> dict[str, Interval | None]:
    """The interval of every headline metric, all from the same resamples."""
    metrics = WeightedMetrics(predictions, n_classes=n_classes, calibration_bins=calibration_bins)
    chunks = [metrics(weights) for weights in bootstrap.weights(len(predictions.labels))]
    if not chunks:
        return dict.fromkeys(HEADLINE)
    drawn = {name: bootstrap.interval(np.concatenate([chunk[name] for chunk in chunks])) for name in HEADLINE}
    return {
        name: bootstrap.widened(interval, n=_effective_examples(name, predictions.labels), within=METRICS[name].range)
        for name, interval in drawn.items()
    }


def _effective_examples(name: str, labels: NDArray[np.int64]) -> float:
    """How many examples a metric is as certain as: a macro mean over K classes of n_k examples as K^2 / sum(1 / n_k).

    That is the number of which a plain share has the same variance. A class's AUROC rests on the smaller side.
    """
    counts = np.bincount(labels)
    counts = counts[counts > 0]
    if name in {"accuracy", "calibration_error"}:
        return float(len(labels))
    if name == "auroc":
        counts = np.maximum(np.minimum(counts, len(labels) - counts), 1)
    return float(len(counts) ** 2 / (1 / counts).sum())
