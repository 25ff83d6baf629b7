"""What each column of a table says of the target by itself, and where something is not as it should be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ratchet.config.tables import as_typed
from ratchet.data.examples import SplitName
from ratchet.names import short
from ratchet.tables import Column, Setting
from ratchet.tasks.base import TargetKind

LEAKS = 0.9  # of the target known from one column alone: it is the target in other words, or was written after it
_ROWS = 50_000  # looked at of each split
_BINS, _BANDS = 20, 10  # of a column, of a number to predict
_SURE = 1e-4  # chance that one column of one split looks so different though all rows are drawn alike


@dataclass(frozen=True)
class ColumnReport:
    """What the data card says of one column of a table.

    missing: share of the training rows. distinct: values in them. alone: share of the target's entropy that is gone
    once the column is known, 0 to 1, on the training rows (Theil's U, less Miller and Madow's bias).
    drift: of each split whose rows are not as the training rows, the largest distance of their distribution functions.
    histogram: shares of the training rows in ten bins of equal width, or of the most frequent categories.
    """

    name: str
    kind: str
    missing: float
    distinct: int
    alone: float
    drift: Mapping[str, float]
    histogram: Sequence[float]

    @property
    def leaks(self) -> bool:
        """Whether the target is known from it."""
        return self.alone >= LEAKS


def report_columns(
    columns: Sequence[Column],
    codes: np.ndarray,
    y: np.ndarray,
    splits: Mapping[SplitName, np.ndarray],
    kind: TargetKind,
) -> list[ColumnReport]:
    """A report of each column, codes (n, columns) and targets y (n, ...) being those of all splits."""
    train = some(splits["train"])
    targets = _targets(y[train], kind)
    found = []
    for k, column in enumerate(columns):
        values = codes[train, k]
        known = values[~np.isnan(values)]
        found.append(
            ColumnReport(
                column.name, column.kind, round(1 - len(known) / len(values), 6), len(np.unique(known)),
                round(float(np.mean([_known_by(_binned(values, column), each) for each in targets])), 4),
                {name: gap for name, rows in splits.items() if name != "train" and len(known)
                 and (gap := _distance(known, codes[some(rows), k])) is not None},
                [round(float(share), 4) for share in _histogram(known, column)],
            )
        )  # fmt: skip
    return found


def some(rows: np.ndarray) -> np.ndarray:
    """Return at most _ROWS of the rows, evenly spaced."""
    return rows[:: -(-len(rows) // _ROWS)]


def warnings_of(found: Sequence[ColumnReport], table: Mapping[str, Any]) -> list[str]:
    """What a person should look at before anything is trained, a line each. table: the section data.table."""
    target = ", ".join(table["target"])
    lines = [
        f"column {short(each.name)} alone tells {100 * each.alone:.0f} % of {target}: is it known before {target} is? "
        + as_typed(["type: ", Setting("ignore", [each.name], each.name), ", where it is not"], table)
        for each in found
        if each.leaks
    ]
    drifts = [each for each in found if each.drift]
    if drifts:
        worst = max(drifts, key=lambda each: max(each.drift.values()))
        split = max(worst.drift, key=worst.drift.__getitem__)
        more = f" and {len(drifts) - 1} more" if len(drifts) > 1 else ""
        lines.append(
            f"column {short(worst.name)}{more}: the rows of {split} are not as those of train (card.json, drift)"
        )
    return lines


def _targets(y: np.ndarray, kind: TargetKind) -> list[np.ndarray]:
    """Return an array of whole numbers for each thing to predict; of a number its tenth."""
    if kind == "class":
        return [y]
    if kind == "labels":
        return [column.astype(np.int64) for column in y.T]
    return [_ranked(y, _BANDS)]


def _ranked(values: np.ndarray, bands: int) -> np.ndarray:
    """Bands of about as many values each; equal values are in one."""
    edges = np.quantile(values, np.arange(1, bands) / bands)
    return np.searchsorted(np.unique(edges), values, side="right")


def _binned(values: np.ndarray, column: Column) -> np.ndarray:
    """Whole numbers: a category's most frequent levels, bands of numbers; a gap is a bin of its own."""
    gaps, bins = np.isnan(values), np.full(len(values), _BINS)
    known = values[~gaps]
    if column.kind == "category":
        counts = np.bincount(known.astype(np.int64), minlength=1)
        frequent = np.argsort(-counts, kind="stable")[: _BINS - 1]
        place = np.full(len(counts), _BINS - 1)
        place[frequent] = np.arange(len(frequent))
        bins[~gaps] = place[known.astype(np.int64)]
    elif len(known):
        bins[~gaps] = _ranked(known, _BINS)
    return bins


def _known_by(bins: np.ndarray, target: np.ndarray) -> float:
    """Theil's U: mutual information over the target's entropy."""
    _, x = np.unique(bins, return_inverse=True)
    _, y = np.unique(target, return_inverse=True)
    together = np.bincount(x * (y.max() + 1) + y, minlength=(x.max() + 1) * (y.max() + 1)).reshape(x.max() + 1, -1)
    p = together / len(y)
    independent = p.sum(axis=1, keepdims=True) * p.sum(axis=0)
    cells = p > 0
    information = float((p[cells] * np.log(p[cells] / independent[cells])).sum())
    share = p.sum(axis=0)
    entropy = -float((share[share > 0] * np.log(share[share > 0])).sum())
    bias = (together.shape[0] - 1) * (together.shape[1] - 1) / (2 * len(y))
    return min(1.0, max(0.0, (information - bias) / entropy)) if entropy > 0 else 0.0


def _distance(train: np.ndarray, other: np.ndarray) -> float | None:
    """Kolmogorov and Smirnov's distance, None where chance alone gives as much. Smirnov's bound on large samples."""
    other = np.sort(other[~np.isnan(other)])
    if not len(other):
        return None
    train = np.sort(train)
    values = np.concatenate([train, other])
    gap = np.abs(
        np.searchsorted(train, values, side="right") / len(train)
        - np.searchsorted(other, values, side="right") / len(other)
    ).max()
    bound = np.sqrt(-np.log(_SURE / 2) / 2 * (len(train) + len(other)) / (len(train) * len(other)))
    return round(float(gap), 4) if gap > bound else None


def _histogram(known: np.ndarray, column: Column) -> np.ndarray:
    if not len(known):
        return np.zeros(0)
    if column.kind == "category":
        return np.sort(np.bincount(known.astype(np.int64)))[::-1][:10] / len(known)
    return np.histogram(known, 10)[0] / len(known)
