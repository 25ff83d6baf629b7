"""What evaluate found, typed: metrics.json is this, and so is the table in the terminal."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ratchet.evaluation.bootstrap import Interval
from ratchet.evaluation.verdict import BaselineScore, SplitScore, Verdict


@dataclass(frozen=True)
class Evaluation:
    """The test metrics of one run, and where their files lie."""

    metrics: dict[str, float | None]
    intervals: dict[str, Interval | None]
    confidence: float
    classes: list[dict[str, Any]]  # of each class or label
    splits: list[SplitScore]
    verdict: Verdict
    notes: list[str]
    baselines: list[BaselineScore] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)

    def as_json(self) -> str:
        """The text of metrics.json: no path, date or duration, so that it is the same for the same model.

        DVC shows numbers and words in nested mappings and passes over lists. So the headline is a flat top,
        and all else lies in lists.
        """
        gap = {
            "reason": self.verdict.reason,
            "train_minus_test": self.verdict.gap,
            "interval": self.verdict.gap_interval,
        }
        content: dict[str, Any] = {
            **self.metrics,
            "verdict": self.verdict.fit,
            "intervals": self.intervals,
            "gap": [gap],
            "splits": [score.as_json() for score in self.splits],
            "classes": self.classes,
            "baselines": [baseline.as_json() for baseline in self.baselines],
            "notes": self.notes,
        }
        return json.dumps(content, indent=2, allow_nan=False) + "\n"


def render(evaluation: Evaluation) -> RenderableType:
    """Headline metrics with intervals, splits, verdict, notes and files: readable at 80 columns."""
    verdict = evaluation.verdict
    lines = [
        *([Text.assemble(("baseline ", "dim"), verdict.beside)] if verdict.beside else []),
        Text.assemble(("verdict  ", "dim"), (verdict.fit, "bold"), f": {verdict.reason}"),
        *(Text.assemble(("note     ", "dim"), note) for note in evaluation.notes),
        *(Text.assemble(("wrote    ", "dim"), _shown(path), overflow="fold") for path in evaluation.files),
    ]
    beside = [_baselines(evaluation)] if evaluation.baselines else []
    return Group(_headline(evaluation), _splits(evaluation), *beside, *lines)


def _headline(evaluation: Evaluation) -> Table:
    table = Table("test", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("", justify="right")
    table.add_column(f"{evaluation.confidence:.0%} interval", justify="right")
    for name, value in evaluation.metrics.items():
        interval = evaluation.intervals.get(name)
        table.add_row(name.replace("_", " "), _number(value), _interval(interval))
    return table


def _splits(evaluation: Evaluation) -> Table:
    table = Table("split", box=box.SIMPLE_HEAD, pad_edge=False)
    names = list(evaluation.splits[0].metrics)
    for heading in ("examples", *names):
        table.add_column(heading.replace("_", " "), justify="right")
    for score in evaluation.splits:
        told = [f"{_number(score.metrics[name])} {_interval(score.intervals[name], brackets=True)}" for name in names]
        table.add_row(score.split, f"{score.examples:,}", *told)
    return table


def _baselines(evaluation: Evaluation) -> Table:
    """Fitted on train, measured on test, and what the model gains over each on the same examples."""
    metric = evaluation.baselines[0].metric.replace("_", " ")
    table = Table("baseline on test", box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in (metric, "the model's gain"):
        table.add_column(heading, justify="right")
    for each in evaluation.baselines:
        name = f"{each.name}, {each.note}" if each.note else each.name
        gain = f"{each.gain:+.4f} {_interval(each.interval, brackets=True)}"
        table.add_row(name, _number(each.value), gain)
    return table


def _number(value: float | None) -> str:
    return "undefined" if value is None or math.isnan(value) else f"{value:.4f}"


def _interval(interval: Interval | None, *, brackets: bool = False) -> str:
    if interval is None:
        return ""
    low, high = interval
    return f"[{low:.4f}, {high:.4f}]" if brackets else f"{low:.4f} to {high:.4f}"


def _shown(path: Path) -> str:
    """Relative to the working directory where it lies below it."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
