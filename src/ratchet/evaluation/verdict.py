"""Does the model learn too little, or too much by heart?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ratchet.evaluation.bootstrap import Interval
from ratchet.metrics import find_metric

Fit = Literal["overfit", "underfit", "fits"]

GAP = 0.02
TRAINING_ERROR = 0.10


@dataclass(frozen=True)
class SplitScore:
    """The metrics by which every split is measured, un-augmented, each with its interval. The first one decides."""

    split: str
    examples: int
    metrics: dict[str, float]
    intervals: dict[str, Interval | None]

    @property
    def first(self) -> tuple[str, float, Interval]:
        """The first metric: its name, its value, and its interval, which is the value alone where there is none."""
        name, value = next(iter(self.metrics.items()))
        return name, value, self.intervals[name] or (value, value)

    def as_json(self) -> dict[str, Any]:
        """Flat: the split, how many examples, then each metric and its interval."""
        told: dict[str, Any] = {"split": self.split, "examples": self.examples}
        for name, value in self.metrics.items():
            told |= {name: value, f"{name}_interval": self.intervals[name]}
        return told


@dataclass(frozen=True)
class Verdict:
    """The word, the reason, and what of the first metric is lost between train and test, with its interval."""

    fit: Fit
    reason: str
    gap: float
    gap_interval: Interval


def judge(*, train: SplitScore, test: SplitScore) -> Verdict:
    """Which part of the test error is too large: the training error, or what unseen data adds to it?

    The metric is one whose best value is 1. overfit: on train it is surely more than 2 points above test. underfit: on
    the very examples that it was trained on it is surely more than 10 points below 1. "Surely" means the lower end of
    the interval. Where both hold, the larger part names the verdict; where neither does, the model fits.

    The two parts are those of Goodfellow, Bengio & Courville 2016, Deep Learning, section 5.2. The limits of
    2 and 10 points are rules of thumb; a hard task may allow no model that escapes "underfit".
    """
    gap, interval = _difference(train, test)
    (name, on_train, interval_on_train), (_, on_test, _) = train.first, test.first
    metric = find_metric(name)
    word, error, error_low = name.replace("_", " "), 1 - on_train, 1 - interval_on_train[1]

    def text(value: float) -> str:
        return f"{value:.1%}" if metric is not None and metric.unit == "points" else f"{value:.4g}"

    overfit, underfit = interval[0] > GAP, error_low > TRAINING_ERROR
    if overfit and (gap >= error or not underfit):
        reason = f"{word} falls from {text(on_train)} on train to {text(on_test)} on test"
        return Verdict("overfit", reason, gap, interval)
    if underfit:
        reason = f"{word} is only {text(on_train)} on the examples it was trained on"
        return Verdict("underfit", reason, gap, interval)
    reason = f"{word} is {text(on_train)} on train and {text(on_test)} on test"
    return Verdict("fits", reason, gap, interval)


def optimistic(*, validation: SplitScore, test: SplitScore) -> bool:
    """Whether the first metric is better on validation than on test by more than chance: something was fitted to it."""
    return _difference(validation, test)[1][0] > 0


def _difference(first: SplitScore, second: SplitScore) -> tuple[float, Interval]:
    """Difference of the first metric; the interval is that of two independent estimates (Newcombe 1998, method 10)."""
    (_, one, (low1, high1)), (_, other, (low2, high2)) = first.first, second.first
    gap = one - other
    down = ((one - low1) ** 2 + (high2 - other) ** 2) ** 0.5
    up = ((high1 - one) ** 2 + (other - low2) ** 2) ** 0.5
    return gap, (gap - down, gap + up)
