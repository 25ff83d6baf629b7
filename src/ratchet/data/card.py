"""The data card: what a data set is after prepare, in numbers."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import floor, log10
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveInt

from ratchet import __version__
from ratchet.config.data_sections import DataConfig
from ratchet.data.cleaning import Finding
from ratchet.data.examples import SplitName
from ratchet.data.normalisation import Normalisation
from ratchet.names import short
from ratchet.tasks.base import Target, TargetKind


class _Count(BaseModel):
    model_config = ConfigDict(extra="allow")
    total: NonNegativeInt


class _Counts(BaseModel):
    model_config = ConfigDict(extra="allow")
    train: _Count
    validation: _Count
    confirm: _Count
    test: _Count


class TargetFile(BaseModel):
    """A target as a card and a checkpoint hold it."""

    model_config = ConfigDict(extra="forbid")
    kind: TargetKind
    names: list[str]
    mean: float
    std: float


class Card(BaseModel):
    """What is read again of a card.json; the rest is kept as it is."""

    model_config = ConfigDict(extra="allow")
    name: str
    layout: Literal["sequence", "image", "table", "text"]
    shape: list[PositiveInt]
    classes: list[str]
    target: TargetFile | None = None  # cards of older versions are of classes
    data_hash: str
    config: dict[str, Any]
    counts: _Counts
    hashes: dict[str, str] = {}


_NEARLY_ALL = 0.9  # the share of a class from which on accuracy says little


@dataclass
class ValueSummary:
    """Extremes and moments of values, gathered piece by piece."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0  # sum of squared distances to the mean
    lowest: float = float("inf")
    highest: float = float("-inf")

    def add(self, values: np.ndarray) -> None:
        """Take in more values, at least one (Chan, Golub & LeVeque 1979: moments of joined samples)."""
        wide = values.astype(np.float64)
        mean, count = float(wide.mean()), self.count + wide.size
        shift = mean - self.mean
        self.squares += float(((wide - mean) ** 2).sum()) + shift**2 * self.count * wide.size / count
        self.mean += shift * wide.size / count
        self.count = count
        self.lowest = min(self.lowest, float(wide.min()))
        self.highest = max(self.highest, float(wide.max()))

    @classmethod
    def of(cls, values: np.ndarray) -> ValueSummary:
        """That of all the values at once."""
        summary = cls()
        summary.add(values)
        return summary

    def as_dict(self) -> dict[str, float]:
        """min, max, mean and standard deviation to six digits of the largest: more hangs on the processor."""
        std = (self.squares / self.count) ** 0.5
        values = {"min": self.lowest, "max": self.highest, "mean": self.mean, "std": std}
        largest = max(abs(value) for value in values.values())
        decimals = 5 - floor(log10(largest)) if largest > 0 else 0
        return {name: round(value, decimals) + 0.0 for name, value in values.items()}


def make_card(
    config: DataConfig,
    *,
    n_raw: int,
    findings: Sequence[Finding],
    target: Target,
    targets: Mapping[SplitName, np.ndarray],
    before: ValueSummary,
    after: Mapping[SplitName, ValueSummary],
    shape: Sequence[int],
    normalisation: Normalisation,
    data_hash: str,
    hashes: Mapping[str, str],
) -> dict[str, Any]:
    """The card as plain scalars, lists and dicts. It hangs on data and config alone: no dates, no paths.

    targets: those of each split. hashes: sha256 of each split's arrays.
    before, after: the values of the training split before
    normalisation, and of each split after it.
    """
    return {
        "name": config.name,
        "layout": config.layout,
        "shape": list(shape),
        "classes": list(config.classes),
        "target": target.as_json(),
        "counts": {name: _counts(y, target) for name, y in targets.items()},
        "raw_examples": n_raw,
        "findings": [asdict(finding) for finding in findings],
        "values": {
            "train_before_normalisation": before.as_dict(),
            "after_normalisation": {name: summary.as_dict() for name, summary in after.items()},
        },
        "normalisation": {
            "kind": normalisation.kind,
            "fitted_on": "train",
            "mean": normalisation.mean.tolist(),
            "std": normalisation.std.tolist(),
        },
        "data_hash": data_hash,
        "hashes": dict(hashes),
        "config": plain(config),
        "ratchet": __version__,
    }


def in_words(card: Mapping[str, Any]) -> str:
    """The card in one line for a person: the size of each split, and what was removed."""
    sizes = ", ".join(f"{name} {counts['total']:,}" for name, counts in card["counts"].items())
    removed = [
        f"{item['removed']:,} {item['reason'].replace('_', ' ')}" for item in card["findings"] if item["removed"]
    ]
    return f"{card['name']}: {sizes}; removed: {', '.join(removed) or 'nothing'}"


def warn(card: Mapping[str, Any]) -> None:
    """Say on stderr what a person should look at."""
    words = {"missing_target": "row", "unreadable": "picture", "blank_text": "row"}
    left_out = [
        f"{item['removed']:,} {words[item['reason']]}{' is' if item['removed'] == 1 else 's are'} left out: "
        f"{item['why']}"
        for item in card["findings"]
        if item["removed"] and item["reason"] in words
    ]
    for warning in (*left_out, *card.get("warnings", ())):
        print(f"note: {warning}", file=sys.stderr)


def imbalance(card: Mapping[str, Any], metric: str) -> list[str]:
    """What is said where a class has nearly all training examples, and runs go by the accuracy; else nothing."""
    counts = card["counts"]["train"].get("per_class", {}) if card["target"]["kind"] == "class" else {}
    name, most = max(counts.items(), key=lambda each: each[1], default=("", 0))
    if most < _NEARLY_ALL * sum(counts.values()) or metric.rpartition("/")[2] != "accuracy" or not most:
        return []
    return [
        f"{most / sum(counts.values()):.0%} of the training examples are {short(name)}, and who always says so is as "
        "often right: accuracy is a poor guide here; look at average_precision or balanced_accuracy (type: "
        "objective.metric=validation/balanced_accuracy), and try loss.class_weights=balanced or "
        "trainer.sampling=oversample"
    ]


def plain(config: DataConfig) -> dict[str, Any]:
    """What of the config the prepared data hangs on, as JSON has it: not where files lie, as checksums fix them."""
    return config.model_dump(
        mode="json", by_alias=True, exclude={"sources": True, "table": {"path"}, "folder": {"path"}}
    )


def _counts(y: np.ndarray, target: Target) -> dict[str, Any]:
    if target.kind == "number":
        return {"total": len(y), "target": ValueSummary.of(y).as_dict()}
    counts = np.bincount(y, minlength=len(target.names)) if target.kind == "class" else y.sum(axis=0).astype(int)
    return {"total": len(y), "per_class": dict(zip(target.names, counts.tolist(), strict=True))}
