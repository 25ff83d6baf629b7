"""Does the model learn too little, or too much by heart, and is it better than what needs no network?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ratchet.evaluation.bootstrap import Interval
from ratchet.metrics import find_metric

Fit = Literal["overfit", "underfit", "fits", "undefined"]


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
            told |= {name: None if math.isnan(value) else value, f"{name}_interval": self.intervals[name]}
        return told


@dataclass(frozen=True)
class BaselineScore:
    """A baseline on test, and what the model gains over it on the same examples, higher is better."""

    name: str
    note: str
    score: SplitScore
    metric: str  # in which the gain is
    value: float | None
    gain: float
    interval: Interval | None

    @property
    def surely(self) -> Interval:
        """The gain's interval; the gain alone where there is none."""
        return self.interval or (self.gain, self.gain)

    def as_json(self) -> dict[str, Any]:
        """Flat: the name, the metrics of the split and the one of the gain, the gain and its interval."""
        told: dict[str, Any] = {"name": self.name, "note": self.note, "metric": self.metric, self.metric: self.value}
        shown = {name: value for name, value in self.score.as_json().items() if name in self.score.metrics}
        gain = None if math.isnan(self.gain) else self.gain
        return {**told, **shown, "gain_of_the_model": gain, "gain_interval": self.interval}


@dataclass(frozen=True)
class Verdict:
    """The word, the reason, and what of the first metric is lost between train and test, with its interval."""

    fit: Fit
    reason: str
    gap: float | None
    gap_interval: Interval | None
    beside: str = ""  # a sentence about the baselines


def judge(*, train: SplitScore, test: SplitScore, baselines: Sequence[BaselineScore] = ()) -> Verdict:
    """Which part of the test error is too large: the training error, or what unseen data adds to it?

    The metric is one whose best value is 1. Nothing is large by itself; intervals decide. overfit: train is surely
    above test. underfit: a baseline shows that more can be learnt, being on test surely above what the model is on the
    very examples that it was trained on; or the model is not surely above the simplest one. Where both hold, the
    larger part names the verdict; where neither does, the model fits: train and test are no more apart than by chance.

    The two parts are those of Goodfellow, Bengio & Courville 2016, Deep Learning, section 5.2.
    """
    beside = _beside([each for each in baselines if not math.isnan(each.gain)])
    for score in (train, test):
        if math.isnan(score.first[1]):
            reason = f"{score.first[0].replace('_', ' ')} is not defined on {score.split}"
            return Verdict("undefined", reason, None, None, beside)
    gap, interval = _difference(train, test)
    (name, on_train, _), (_, on_test, _) = train.first, test.first
    word, told = name.replace("_", " "), _Told(name)
    better = [each for each in baselines if _difference(train, each.score)[1][1] < 0]
    underfit = bool(better) or (bool(baselines) and baselines[0].surely[0] <= 0)
    if interval[0] > 0 and (gap >= 1 - on_train or not underfit):
        by = f"by {told.bare(interval[0])} to {told.difference(interval[1])}"
        reason = f"{word} falls from {told(on_train)} on train to {told(on_test)} on test, {by}"
        return Verdict("overfit", reason, gap, interval, beside)
    if underfit:
        reason = f"{word} is {told(on_train)} on the examples it was trained on, and "
        if better:
            reason += f"{better[0].name} has {told(better[0].score.first[1])} on test"
        else:
            reason += f"on test it is not shown to be better than {baselines[0].name}"
        return Verdict("underfit", reason, gap, interval, beside)
    reason = f"{word} is {told(on_train)} on train and {told(on_test)} on test, no more apart than by chance"
    return Verdict("fits", reason, gap, interval, beside)


def _beside(baselines: Sequence[BaselineScore]) -> str:
    """Whether the model is surely better than each baseline; it names the one that is the least surely beaten."""
    if not baselines:
        return ""
    nearest = min(baselines, key=lambda each: each.surely[0])
    told, (low, high) = _Told(nearest.metric), nearest.surely
    gain = told.gain(nearest.gain)
    range_ = f" ({told.bare(low, sign=True)} to {told.bare(high, sign=True)})" if nearest.interval else ""
    others = "every baseline" if len(baselines) > 1 else "the baseline"
    if low > 0:
        return f"the model is better than {others}; than {nearest.name}, the nearest, by {gain}{range_}"
    surely = "worse than" if high < 0 else "not shown to be better than"
    return f"the model is {surely} the baseline {nearest.name}: {gain}{range_}"


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


class _Told:
    """Values of a metric and differences of them, as text."""

    def __init__(self, name: str) -> None:
        metric = find_metric(name)
        self._shown_as = (metric.shown_as if metric is not None else name).replace("_", " ")
        self._points = metric is not None and metric.unit == "points"
        self._unit = metric.unit if metric is not None else ""

    def __call__(self, value: float) -> str:
        return f"{value:.1%}" if self._points else f"{value:.4g}"

    def bare(self, value: float, *, sign: bool = False) -> str:
        """A difference without its unit."""
        plus = "+" if sign else ""
        return f"{100 * value:{plus}.1f}" if self._points else f"{value:{plus}.4g}"

    def difference(self, value: float) -> str:
        """A difference with its unit."""
        return f"{self.bare(value)} {self._unit}".strip()

    def gain(self, value: float) -> str:
        """What is gained, with its sign: `+2.0 points of accuracy`."""
        return f"{self.bare(value, sign=True)} {self._shown_as}"
