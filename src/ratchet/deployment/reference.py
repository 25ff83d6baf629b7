"""What an export compares requests with: each column as it was in training, what the model says of the test split."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from ratchet.data.transform import Transform
from ratchet.evidence.drift import Sample
from ratchet.tasks.base import Target

ROWS = 2000  # of a split at most
OTHER = "(any other)"  # the levels of a category that have no feature of their own
_DIGITS = 5  # of what was predicted, counted from its size: a batch of another size rounds otherwise


@dataclass(frozen=True)
class Reference:
    """Samples of columns from the training split; of predictions, and how right they were, from the test split.

    right: of classes, how many of `told` predictions were right. errors: of numbers, their sizes, sorted.
    repeated: rows that prepare took out, as the same came before. Each sample is sorted by itself, so no row can be put
    together again.
    """

    columns: tuple[Sample, ...]
    predictions: tuple[Sample, ...]
    told: int
    right: int | None
    errors: tuple[float, ...] | None
    repeated: int = 0

    def as_json(self) -> dict[str, Any]:
        """Plain lists and scalars."""
        return {
            "columns": {"from": "train", "samples": [each.as_json() for each in self.columns]},
            "predictions": {"from": "test", "samples": [each.as_json() for each in self.predictions]},
            "repeated": self.repeated,
            "quality": {"from": "test", "told": self.told, "right": self.right, "errors": self.errors},
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """What `as_json` wrote."""
        columns, predictions = (
            tuple(map(Sample.from_json, content[part]["samples"])) for part in ("columns", "predictions")
        )
        quality = content["quality"]
        errors = None if quality["errors"] is None else tuple(quality["errors"])
        return cls(columns, predictions, quality["told"], quality["right"], errors, content["repeated"])

    @classmethod
    def of(
        cls, x: np.ndarray, answers: Sequence[Mapping[str, Any]], truth: Sequence[Any], *,
        transform: Transform, target: Target,
    ) -> Self:  # fmt: skip
        """x: transformed rows of train. answers: to rows of test, whose `truth` is names of classes, or numbers."""
        columns = tuple(samples(x, transform))
        predictions = tuple(said(answers, target))
        if target.kind == "number":
            errors = np.abs([each["predicted"] - true for each, true in zip(answers, truth, strict=True)])
            return cls(columns, predictions, len(answers), None, tuple(np.sort(errors).tolist()))
        if target.kind == "labels":
            return cls(columns, predictions, len(answers), None, None)
        right = sum(each["predicted"] == true for each, true in zip(answers, truth, strict=True))
        return cls(columns, predictions, len(answers), right, None)


def some(rows: Any) -> np.ndarray:
    """ROWS of them at most, in their order: drawn by a fixed seed, as a stride can meet a period of the rows."""
    drawn = np.random.default_rng(0).choice(len(rows), min(ROWS, len(rows)), replace=False)
    return np.asarray(rows[np.sort(drawn)])


def samples(
    x: np.ndarray, transform: Transform, codes: np.ndarray | None = None, there: np.ndarray | None = None
) -> Iterator[Sample]:
    """A sample of each column of a table, of arrays the mean and the spread of each example.

    x: as the network takes it; every number is read from it, so that equal ones stay equal. codes: of raw rows, which
    know of gaps that x has filled. there: bool (rows, columns), the cells that count; None: all.
    """
    if transform.table is None:
        flat = x.reshape(len(x), -1).astype(np.float64)
        for name, values in (("mean of the input", flat.mean(axis=1)), ("spread of the input", flat.std(axis=1))):
            yield Sample.of_numbers(name, _rounded(values, 1.0))
        return
    scale = transform.normalisation
    columns = transform.table.codes_of(x * scale.std.astype(np.float64) + scale.mean)
    if codes is not None:
        columns[np.isnan(codes)] = np.nan
    for k, rule in enumerate(transform.table.rules):
        name, column = rule.column.name, columns[:, k] if there is None else columns[there[:, k], k]
        if rule.column.kind == "category":
            places = np.full(len(rule.column.levels) + 1, len(rule.kept))  # the last one: UNKNOWN is -1
            places[list(rule.kept)] = np.arange(len(rule.kept))
            gaps = np.isnan(column)
            found = np.where(gaps, np.nan, places[np.where(gaps, -1, column).astype(np.int64)])
            yield Sample.of_codes(name, found, [*(rule.column.levels[code] for code in rule.kept), OTHER])
        elif rule.column.kind == "number":
            yield Sample.of_numbers(name, column)
        else:  # a date moves on: that it is another one says nothing
            yield Sample.of_codes(name, np.where(np.isnan(column), np.nan, 0), ["a date"])


def said(answers: Sequence[Mapping[str, Any]], target: Target) -> Iterator[Sample]:
    """Samples of what a model answered."""
    predicted = [each["predicted"] for each in answers]
    if target.kind == "number":
        yield Sample.of_numbers("prediction", _rounded(np.array(predicted, np.float64), target.std))
        return
    if target.kind == "class":
        places = {name: place for place, name in enumerate(target.names)}
        yield Sample.of_codes("prediction", np.array([places[name] for name in predicted], np.float64), target.names)
    else:
        counts = [str(number) for number in range(len(target.names) + 1)]
        yield Sample.of_codes("number of labels", np.array([float(len(each)) for each in predicted]), counts)
    largest = [max(each["probabilities"].values()) for each in answers]
    yield Sample.of_numbers("largest probability", _rounded(np.array(largest, np.float64), 1.0))


def _rounded(values: np.ndarray, size: float) -> np.ndarray:
    found: np.ndarray = np.round(values.astype(np.float64), _DIGITS - math.ceil(math.log10(size or 1.0)))
    return found + 0.0  # -0 is shown as 0
