"""The table of metrics: of each its name, which way is better, its range, its unit, its scores of single examples."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Direction = Literal["maximize", "minimize"]
Range = tuple[float, float]

SPLITS = ("train", "validation", "confirm", "test")


@dataclass(frozen=True)
class Metric:
    """A number that says how good a model is, or what it costs."""

    name: str
    direction: Direction
    range: Range
    unit: str  # points: the value is a share, and people speak of hundredths of it
    is_objective: bool = False  # training measures it at each validation

    @property
    def shown_as(self) -> str:
        """What a gain in this metric is called: `points of accuracy`, `nats less of loss`."""
        less = "less " if self.direction == "minimize" else ""
        return f"{self.unit} {less}of {self.name}"

    def text(self, value: float, *, sign: bool = False) -> str:
        """A difference of two values in the metric's unit, without the unit."""
        plus = "+" if sign else ""
        return f"{100 * value:{plus}.2f}" if self.unit == "points" else f"{value:{plus}.4f}"


_SHARE: Range = (0.0, 1.0)
_POSITIVE: Range = (0.0, math.inf)

_METRICS = (
    Metric("accuracy", "maximize", _SHARE, "points", is_objective=True),
    Metric("balanced_accuracy", "maximize", _SHARE, "points", is_objective=True),
    Metric("f1", "maximize", _SHARE, "points", is_objective=True),
    Metric("loss", "minimize", _POSITIVE, "nats", is_objective=True),
    Metric("precision", "maximize", _SHARE, "points", is_objective=True),
    Metric("recall", "maximize", _SHARE, "points", is_objective=True),
    Metric("auroc", "maximize", _SHARE, "points", is_objective=True),
    Metric("average_precision", "maximize", _SHARE, "points", is_objective=True),
    Metric("matthews", "maximize", (-1.0, 1.0), "points", is_objective=True),
    Metric("exact_match", "maximize", _SHARE, "points", is_objective=True),
    Metric("brier", "minimize", _SHARE, "points", is_objective=True),
    Metric("r2", "maximize", (-math.inf, 1.0), "points", is_objective=True),
    Metric("rmse", "minimize", _POSITIVE, "units", is_objective=True),
    Metric("mae", "minimize", _POSITIVE, "units", is_objective=True),
    Metric("pinball", "minimize", _POSITIVE, "units", is_objective=True),
    Metric("coverage", "maximize", _SHARE, "points", is_objective=True),
    Metric("width", "minimize", _POSITIVE, "units", is_objective=True),
    Metric("log_loss", "minimize", _POSITIVE, "nats", is_objective=True),
    Metric("calibration_error", "minimize", _SHARE, "points", is_objective=True),
    Metric("parameters", "minimize", _POSITIVE, "parameters"),
    Metric("latency", "minimize", _POSITIVE, "milliseconds"),
    Metric("seconds", "minimize", _POSITIVE, "seconds"),
)
METRICS = {metric.name: metric for metric in _METRICS}

OBJECTIVES = tuple(f"validation/{metric.name}" for metric in _METRICS if metric.is_objective)
COSTS = ("parameters", "latency", "seconds")  # of a model and of its training; no split is measured


_OWN: dict[str, Metric] = {}  # those that the configs of this process declare


def declare(metrics: Iterable[Metric]) -> None:
    """Add a person's metrics to the table of this process; of two of one name the later one counts.

    A name of the table stays what it is: whoever checks the config refuses it.
    """
    _OWN.update({metric.name: metric for metric in metrics if metric.name not in METRICS})


def find_metric(name: str) -> Metric | None:
    """The metric of a name such as `accuracy` or `validation/accuracy`; None where the table has none."""
    split, _, bare = name.rpartition("/")
    return METRICS.get(bare, _OWN.get(bare)) if not split or split in SPLITS else None


def metric_of(name: str) -> Metric:
    """Return the metric of a name that a checked config has."""
    found = find_metric(name)
    assert found is not None, name
    return found


def is_objective(name: str) -> bool:
    """Whether a name such as `validation/accuracy` is of a metric that training measures at each validation."""
    found = find_metric(name)
    return name.startswith("validation/") and found is not None and found.is_objective


def range_of(name: str) -> Range:
    """The range of a metric's values; without ends for a metric that is not in the table."""
    metric = find_metric(name)
    return metric.range if metric is not None else (-math.inf, math.inf)
