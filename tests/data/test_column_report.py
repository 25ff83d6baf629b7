"""What a column tells of the target, which give it away, and which differ between splits."""

from __future__ import annotations

import numpy as np
import pytest

from ratchet.data.column_report import ColumnReport, report_columns, warnings_of
from ratchet.tables import Column

RNG = np.random.default_rng(0)
CLASSES = RNG.integers(0, 2, 1000)
NUMBERS = RNG.normal(size=1000)
SPLITS = {"train": np.arange(700), "validation": np.arange(700, 800), "confirm": np.arange(800, 900),
          "test": np.arange(900, 1000)}  # fmt: skip


def report(values: np.ndarray, y: np.ndarray, kind: str, *, category: bool = False) -> ColumnReport:
    levels = tuple("abcdefgh") if category else ()
    column = Column("c", "category" if category else "number", levels)
    (found,) = report_columns([column], np.float32(values)[:, None], y, SPLITS, kind)
    return found


@pytest.mark.parametrize(
    "found",
    [
        report(CLASSES, CLASSES, "class"),
        report(CLASSES * 5.0 - RNG.random(1000), CLASSES, "class"),
        report(np.where(CLASSES == 1, RNG.random(1000), np.nan), CLASSES, "class"),  # its gaps tell
        report(CLASSES * 3 + RNG.integers(0, 3, 1000), CLASSES, "class", category=True),
        report(np.exp(NUMBERS), NUMBERS, "number"),
        report(-NUMBERS, NUMBERS, "number"),
        report(CLASSES, np.stack([CLASSES, CLASSES], axis=1).astype(np.float32), "labels"),
    ],
)
def test_a_column_that_is_the_target_in_other_words_is_told(found):
    assert found.leaks
    (line,) = warnings_of([found], {"target": ["churned"], "path": "orders.csv", "ignore": ["id"]})
    assert line.startswith(f"column c alone tells {100 * found.alone:.0f} % of churned")
    assert "type: 'data.ignore=[id,c]', where" in line


@pytest.mark.parametrize(
    "found",
    [
        report(RNG.normal(size=1000), CLASSES, "class"),
        report(RNG.integers(0, 8, 1000), CLASSES, "class", category=True),
        report(RNG.normal(size=1000), NUMBERS, "number"),
        report(np.full(1000, np.nan), CLASSES, "class"),
    ],
)
def test_what_is_drawn_apart_from_the_target_tells_nothing(found):
    assert found.alone < 0.02
    assert warnings_of([found], {"target": ["churned"]}) == []


def test_what_helps_is_between():
    found = report(CLASSES + RNG.normal(size=1000), CLASSES, "class")
    assert 0.05 < found.alone < 0.5


def test_rows_of_another_kind_in_a_split_are_told():
    later = NUMBERS + np.where(np.arange(1000) >= 900, 2.0, 0.0)
    found = report(later, CLASSES, "class")
    assert list(found.drift) == ["test"]
    assert "the rows of test are not as those of train" in warnings_of([found], {"target": ["y"]})[0]


def test_a_report_counts_values_and_gaps():
    values = np.where(np.arange(1000) % 4 == 0, np.nan, np.arange(1000) % 7)
    found = report(values, CLASSES, "class", category=True)
    assert (found.missing, found.distinct) == (0.25, 7)
    assert found.histogram == sorted(found.histogram, reverse=True)
    assert sum(found.histogram) == pytest.approx(1, abs=1e-3)
