"""Learning curves out of metrics.csv, thinned for a page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ratchet.comparison.gather import Run
from ratchet.csv_files import read_csv
from ratchet.errors import FileError


@dataclass(frozen=True)
class Curve:
    """Values of one metric of one run; None where it was not finite."""

    steps: tuple[int, ...]
    values: tuple[float | None, ...]


def curves_of(run: Run, metrics: Sequence[str], *, points: int) -> dict[str, Curve]:
    """Return at most `points` values of each metric of the run, evenly spaced, the last one among them."""
    try:
        head, rows = read_csv(run.directory.metrics)
    except (OSError, FileError):
        return {}
    if "step" not in head:
        return {}
    place = head.index("step")
    found = {}
    for metric in metrics:
        if metric in head:
            column = head.index(metric)
            pairs = [(row[place], row[column]) for row in rows if row[column]]
            if pairs:
                kept = [pairs[k] for k in thinned(len(pairs), points)]
                steps, values = zip(*kept, strict=True)
                found[metric] = Curve(tuple(map(_step, steps)), tuple(map(_number, values)))
    return found


def thinned(n: int, points: int) -> list[int]:
    """Return at most `points` of the indices 0 to n - 1, evenly spaced, first and last included."""
    if n <= points:
        return list(range(n))
    return sorted({round(k * (n - 1) / (points - 1)) for k in range(points)})


def _step(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        return 0


def _number(text: str) -> float | None:
    """Five digits: what a screen can show."""
    try:
        value = float(text)
    except ValueError:
        return None
    return float(f"{value:.5g}") if math.isfinite(value) else None
