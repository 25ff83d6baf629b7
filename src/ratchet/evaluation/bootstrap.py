"""How far a metric could move, had other examples been drawn."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ratchet.evidence.intervals import interval_at_an_end
from ratchet.metrics import Range, find_metric, range_of
from ratchet.tasks import Predictions

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
        """The central interval of resampled values (resamples,); undefined and infinite ones are left out."""
        known = values[np.isfinite(values)]
        if not len(known):
            return None
        tail = (1 - self.confidence) / 2
        low, high = np.quantile(known, [tail, 1 - tail])
        return float(low), float(high)

    def widened(self, interval: Interval | None, *, n: float, within: Range) -> Interval | None:
        """The interval; one without width at an end of the metric's range becomes that of n examples all right.

        Resampled examples without a mistake show none, but the next example may: by how much, a range without an end
        does not tell, and there is no interval.
        """
        if interval is None or interval[0] != interval[1] or interval[0] not in within:
            return interval
        if not np.isfinite(within).all():
            return None
        end: Literal["low", "high"] = "low" if interval[0] == within[0] else "high"
        return interval_at_an_end(end, n=n, within=within, alpha=1 - self.confidence)


def bootstrap_metrics(
    predictions: Predictions, names: Collection[str], *, bootstrap: Bootstrap
) -> dict[str, Interval | None]:
    """The interval of every metric named, all from the same resamples; None for those that cannot be had."""
    measure = predictions.resampled(names)
    chunks = [measure(weights) for weights in bootstrap.weights(len(predictions))]
    if not chunks:
        return dict.fromkeys(names)
    drawn = {name: bootstrap.interval(np.concatenate([chunk[name] for chunk in chunks])) for name in names}
    return {
        name: bootstrap.widened(interval, n=predictions.effective_examples(name), within=range_of(name))
        for name, interval in drawn.items()
    }


def bootstrap_gain(
    model: Predictions, other: Predictions, name: str, *, bootstrap: Bootstrap
) -> tuple[float, Interval | None]:
    """Return the difference between two models on the same examples, with its bootstrap interval.

    Both are measured on each resample, so that what makes examples hard for both is no part of it. NaN: undefined.
    """
    sign = -1.0 if (metric := find_metric(name)) is not None and metric.direction == "minimize" else 1.0

    def gain(weights: Floats) -> Floats:
        one, two = (each.resampled([name])(weights)[name] for each in (model, other))
        return np.asarray(sign * (one - two))

    drawn = [gain(weights) for weights in bootstrap.weights(len(model))]
    value = float(gain(np.ones((len(model), 1)))[0])
    return value, bootstrap.interval(np.concatenate(drawn)) if drawn else None
