"""Does a confidence of 0.9 mean that nine in ten are right?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


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
