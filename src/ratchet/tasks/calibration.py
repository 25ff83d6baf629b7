"""Tables behind plots of classes: are nine in ten right at a confidence of 0.9, what is taken for what?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ratchet.tasks.base import Rows


@dataclass(frozen=True)
class CalibrationBin:
    """The examples whose confidence lies between `low` and `high`."""

    low: float
    high: float
    count: int
    confidence: float  # mean
    accuracy: float


def bin_of(confidence: NDArray[np.float64], *, bins: int) -> NDArray[np.intp]:
    """The bin (n,), 0 to bins - 1, of each confidence (n,): equal widths over 0 to 1, 1 in the last."""
    edges = np.linspace(0, 1, bins + 1)[1:-1]
    return np.digitize(confidence, edges)


def miscalibration(confidence: NDArray[np.float64], correct: NDArray[np.bool_], *, bins: int) -> NDArray[np.float64]:
    """What each example (n,) adds to the calibration error, which is the mean of it.

    The absolute value of noise has no zero mean, so each bin keeps the direction of its error in resamples too.
    """
    where, gap = bin_of(confidence, bins=bins), confidence - correct
    found: NDArray[np.float64] = gap * np.sign(np.bincount(where, gap, bins))[where]
    return found


def reliability(confidence: NDArray[np.float64], correct: NDArray[np.bool_], *, bins: int) -> list[CalibrationBin]:
    """The bins that hold an example, by rising confidence; the table behind a reliability diagram."""
    where = bin_of(confidence, bins=bins)
    return [
        CalibrationBin(
            low=float(b / bins),
            high=float((b + 1) / bins),
            count=int((where == b).sum()),
            confidence=float(confidence[where == b].mean()),
            accuracy=float(correct[where == b].mean()),
        )
        for b in np.unique(where)
    ]


def confusion_table(labels: NDArray[np.int64], predicted: NDArray[np.int64], *, classes: Sequence[str]) -> Rows:
    """Actual, predicted, count and share (of the actual class) for every pair of classes."""
    n = len(classes)
    counts = np.bincount(labels * n + predicted, minlength=n * n).reshape(n, n)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    rows = (
        [classes[actual], classes[said], counts[actual, said], f"{share[actual, said]:.4f}"]
        for actual in range(n)
        for said in range(n)
    )
    return ("actual", "predicted", "count", "share"), rows


def reliability_table(confidence: NDArray[np.float64], correct: NDArray[np.bool_], *, bins: int) -> Rows:
    """Confidence, accuracy, count, low and high of every bin of confidence that holds an example."""
    table = reliability(confidence, correct, bins=bins)
    rows = ([f"{b.confidence:.6f}", f"{b.accuracy:.6f}", b.count, f"{b.low:.6f}", f"{b.high:.6f}"] for b in table)
    return ("confidence", "accuracy", "count", "low", "high"), rows
