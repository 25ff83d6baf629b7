"""Transforms of a table's columns into a network's inputs, fitted on the training split and kept as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ratchet.errors import DataError
from ratchet.names import nearest, short
from ratchet.tables.columns import UNKNOWN, Column, code_column

if TYPE_CHECKING:
    import pandas as pd

_MOST_LEVELS = 100  # of one category that have a feature of their own, the most frequent ones
_RARE = 0.002  # a level of a smaller share of the training rows is one of `other`


@dataclass(frozen=True)
class _Rule:
    """How one column becomes features.

    gap: the value that stands for a gap of a number or a date, the training rows' median. indicates: whether a
    feature says where gaps are. kept: the codes of a category that have a feature each; one more is of all others.
    times: whether a date carries a time of day.
    """

    column: Column
    gap: float = 0.0
    indicates: bool = False
    kept: tuple[int, ...] = ()
    times: bool = False

    @property
    def names(self) -> list[str]:
        name = self.column.name
        if self.column.kind == "category":
            own = [f"{name}={self.column.levels[code]}" for code in self.kept]
            return [*own, f"{name} other", *([f"{name} missing"] if self.indicates else [])]
        own = [name]
        if self.column.kind == "date":
            own += [f"{name} {part}" for part in ("year sin", "year cos", "week sin", "week cos")]
            own += [f"{name} {part}" for part in ("day sin", "day cos")] if self.times else []
        return [*own, *([f"{name} missing"] if self.indicates else [])]

    def features(self, codes: np.ndarray) -> np.ndarray:
        gaps = np.isnan(codes)
        if self.column.kind == "category":
            own = codes[:, None] == np.array(self.kept, np.float32)
            other = ~own.any(axis=1) & ~(gaps if self.indicates else np.zeros(len(gaps), bool))
            parts = [own, other[:, None], *([gaps[:, None]] if self.indicates else [])]
            return np.concatenate(parts, axis=1).astype(np.float32)
        filled = np.where(gaps, np.float32(self.gap), codes)
        parts = [filled[:, None]]
        if self.column.kind == "date":
            phases = [
                filled / 365.2425,
                (filled + 3) / 7,
                *([filled] if self.times else []),
            ]  # 1970 began on a Thursday
            parts += [turn(2 * np.pi * phase)[:, None] for phase in phases for turn in (np.sin, np.cos)]
        return np.concatenate([*parts, *([gaps[:, None]] if self.indicates else [])], axis=1).astype(np.float32)


@dataclass(frozen=True)
class TableTransform:
    """Rules for every column; the same object prepares a table and, later, a new row."""

    rules: tuple[_Rule, ...]

    @classmethod
    def fit(cls, columns: Sequence[Column], codes: np.ndarray) -> Self:
        """codes: float32 (rows, columns) of the training split alone."""
        return cls(tuple(_fit(column, codes[:, k]) for k, column in enumerate(columns)))

    @property
    def features(self) -> list[str]:
        """The name of each number that a network is given."""
        return [name for rule in self.rules for name in rule.names]

    @property
    def numbers(self) -> list[int]:
        """The positions among the features of those that are numbers or dates."""
        names = [(name, rule) for rule in self.rules for name in rule.names]
        return [
            k for k, (name, rule) in enumerate(names) if rule.column.kind != "category" and name == rule.column.name
        ]

    def apply(self, codes: np.ndarray) -> np.ndarray:
        """float32 (rows, features) of codes (rows, columns)."""
        return np.concatenate([rule.features(codes[:, k]) for k, rule in enumerate(self.rules)], axis=1)

    def codes(self, frame: pd.DataFrame, *, where: str) -> np.ndarray:
        """float32 (rows, columns) of raw rows. Raises DataError for a column that is missing, and for a wrong cell."""
        names = [rule.column.name for rule in self.rules]
        if missing := [name for name in names if name not in frame.columns]:
            near = nearest(missing[0], [str(name) for name in frame.columns if name not in names])
            such = f" ({len(missing)} such)" if len(missing) > 1 else ""
            hint = (
                f"nearest: {short(near[0])}; rename it, or add the column" if near else "add it; empty cells are gaps"
            )
            raise DataError(f"{where} has no column {short(missing[0])}, which the model was trained on{such}; {hint}")
        coded = [code_column(frame[rule.column.name], rule.column, f"{where}: column {short(rule.column.name)}")
                 for rule in self.rules]  # fmt: skip
        return np.stack(coded, axis=1)

    def codes_of(self, features: np.ndarray) -> np.ndarray:
        """The codes (rows, columns) of which `apply` made these features; UNKNOWN of a level that has no feature.

        A gap is told only where the training rows had some; elsewhere it is what filled it.
        """
        found, start = [], 0
        for rule in self.rules:
            own, start = features[:, start : start + len(rule.names)], start + len(rule.names)
            values = own[:, 0].astype(np.float64)
            if rule.column.kind == "category":
                of_levels = own[:, : len(rule.kept) + 1]
                values = np.array([*rule.kept, UNKNOWN], np.float64)[of_levels.argmax(axis=1)]
            found.append(np.where(own[:, -1] > 0.5, np.nan, values) if rule.indicates else values)
        return np.stack(found, axis=1)

    def surprises(self, codes: np.ndarray) -> dict[str, int]:
        """How many cells are of a kind that the training rows did not have, by what is said of them."""
        found = {}
        for rule, column in zip(self.rules, codes.T, strict=True):
            name = short(rule.column.name)
            category = rule.column.kind == "category"
            if category:
                found[f"column {name}: a category that the data did not have, taken as other"] = column == UNKNOWN
            if not rule.indicates:
                filled = "other" if category else f"{rule.gap:g}, the median"
                found[f"column {name}: empty, as no training row was; taken as {filled}"] = np.isnan(column)
        return {said: int(cells.sum()) for said, cells in found.items() if cells.any()}

    def as_json(self) -> dict[str, Any]:
        """Return the transform as plain lists and scalars."""
        return {
            "columns": [
                {
                    "name": rule.column.name, "kind": rule.column.kind, "levels": list(rule.column.levels),
                    "gap": rule.gap, "indicates": rule.indicates, "kept": list(rule.kept), "times": rule.times,
                    **({"day_first": rule.column.day_first} if rule.column.kind == "date" else {}),
                }
                for rule in self.rules
            ],
            "features": self.features,
        }  # fmt: skip

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """The transform that `as_json` wrote."""
        return cls(
            tuple(
                _Rule(
                    Column(each["name"], each["kind"], tuple(each["levels"]), each.get("day_first", False)),
                    each["gap"], each["indicates"], tuple(each["kept"]), each["times"],
                )
                for each in content["columns"]
            )
        )  # fmt: skip


def _fit(column: Column, codes: np.ndarray) -> _Rule:
    gaps = np.isnan(codes)
    indicates = bool(gaps.any())
    known = codes[~gaps]
    if column.kind == "category":
        counts = np.bincount(known.astype(np.int64), minlength=len(column.levels))
        order = np.argsort(-counts, kind="stable")[:_MOST_LEVELS]
        kept = sorted(int(code) for code in order if counts[code] > _RARE * len(codes))
        return _Rule(column, indicates=indicates, kept=tuple(kept))
    gap = float(f"{np.median(known):.6g}") if len(known) else 0.0
    times = column.kind == "date" and bool((known % 1 != 0).any())
    return _Rule(column, gap=gap, indicates=indicates, times=times)
