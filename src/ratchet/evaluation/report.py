"""What evaluate found, typed: metrics.json is this, and so is the table in the terminal."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ratchet.evaluation.bootstrap import Interval
from ratchet.evaluation.metrics import ClassMetrics
from ratchet.evaluation.verdict import SplitScore, Verdict


@dataclass(frozen=True)
class Evaluation:
    """The test metrics of one run, and where their files lie."""

    metrics: dict[str, float | None]
    intervals: dict[str, Interval | None]
    confidence: float
    classes: list[ClassMetrics]
    splits: list[SplitScore]
    verdict: Verdict
    notes: list[str]
    files: list[Path] = field(default_factory=list)

    def as_json(self) -> str:
        """The text of metrics.json: no path, no date, no duration, so that it is the same for the same model.

        DVC shows numbers and words that lie in nested mappings and passes over lists. So the headline is a flat top
        and all else is in lists.
        """
        content: dict[str, Any] = {
            **self.metrics,
            "verdict": self.verdict.fit,
            "intervals": self.intervals,
            "gap": [{"reason": self.verdict.reason, "train_minus_test": self.verdict.gap,
                     "interval": self.verdict.gap_interval}],
            "splits": [asdict(score) for score in self.splits],
            "classes": [asdict(one) for one in self.classes],
            "notes": self.notes,
        }  # fmt: skip
        return json.dumps(content, indent=2, allow_nan=False) + "\n"


def render(evaluation: Evaluation) -> RenderableType:
    """The headline metrics with intervals, the splits, the verdict and the files, for a terminal of 80 columns."""
    verdict = evaluation.verdict
    return Group(
        _headline(evaluation),
        _splits(evaluation),
        Text(f"verdict: {verdict.fit} ({verdict.reason})", style="bold"),
        *(Text(f"note: {note}") for note in evaluation.notes),
        *(Text(str(path), no_wrap=True, overflow="ignore") for path in evaluation.files),
    )


def _headline(evaluation: Evaluation) -> Table:
    table = Table("test metric", box=box.SIMPLE_HEAD)
    table.add_column("value", justify="right")
    table.add_column(f"{evaluation.confidence:.0%} interval", justify="right")
    for name, value in evaluation.metrics.items():
        table.add_row(name.replace("_", " "), _number(value), _interval(evaluation.intervals.get(name)))
    return table


def _splits(evaluation: Evaluation) -> Table:
    table = Table("split", box=box.SIMPLE_HEAD)
    for heading in ("examples", "accuracy", "interval", "log loss", "interval"):
        table.add_column(heading, justify="right")
    for score in evaluation.splits:
        table.add_row(
            score.split,
            f"{score.examples:,}",
            _number(score.accuracy),
            _interval(score.accuracy_interval),
            _number(score.log_loss),
            _interval(score.log_loss_interval),
        )
    return table


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"


def _interval(interval: Interval | None) -> str:
    return "" if interval is None else f"{interval[0]:.4f} to {interval[1]:.4f}"
