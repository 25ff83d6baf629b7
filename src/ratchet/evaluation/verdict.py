"""Does the model learn too little, or too much by heart?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ratchet.evaluation.bootstrap import Interval

Fit = Literal["overfit", "underfit", "fits"]

GAP = 0.02
TRAINING_ERROR = 0.10


@dataclass(frozen=True)
class SplitScore:
    """Accuracy and log loss (nats) on one split, un-augmented, each with its interval."""

    split: str
    examples: int
    accuracy: float
    accuracy_interval: Interval | None
    log_loss: float
    log_loss_interval: Interval | None


@dataclass(frozen=True)
class Verdict:
    """The word, the reason, and accuracy lost between train and test with its interval."""

    fit: Fit
    reason: str
    gap: float
    gap_interval: Interval


def judge(*, train: SplitScore, test: SplitScore) -> Verdict:
    """Which part of the test error is too large: the training error, or what unseen data adds to it?

    overfit: train accuracy is surely more than 2 points above test accuracy. underfit: the error on the very
    examples that it was trained on is surely more than 10 points. "Surely" means the lower end of the
    interval. Where both hold, the larger part names the verdict; where neither does, the model fits.

    The two parts are those of Goodfellow, Bengio & Courville 2016, Deep Learning, section 5.2. The limits of
    2 and 10 points are rules of thumb; a hard task may allow no model that escapes "underfit".
    """
    gap, interval = _difference(train, test)
    error = 1 - train.accuracy
    error_low = 1 - (train.accuracy_interval or (train.accuracy, train.accuracy))[1]
    overfit, underfit = interval[0] > GAP, error_low > TRAINING_ERROR
    if overfit and (gap >= error or not underfit):
        reason = f"accuracy falls from {train.accuracy:.1%} on train to {test.accuracy:.1%} on test"
        return Verdict("overfit", reason, gap, interval)
    if underfit:
        reason = f"accuracy is only {train.accuracy:.1%} on the examples it was trained on"
        return Verdict("underfit", reason, gap, interval)
    reason = f"accuracy is {train.accuracy:.1%} on train and {test.accuracy:.1%} on test"
    return Verdict("fits", reason, gap, interval)


def optimistic(*, validation: SplitScore, test: SplitScore) -> bool:
    """Whether validation accuracy lies above test accuracy by more than chance: something was fitted to it."""
    return _difference(validation, test)[1][0] > 0


def _difference(first: SplitScore, second: SplitScore) -> tuple[float, Interval]:
    """Difference in accuracy; the interval is that of two independent shares (Newcombe 1998, method 10)."""
    gap = first.accuracy - second.accuracy
    low1, high1 = first.accuracy_interval or (first.accuracy, first.accuracy)
    low2, high2 = second.accuracy_interval or (second.accuracy, second.accuracy)
    down = ((first.accuracy - low1) ** 2 + (high2 - second.accuracy) ** 2) ** 0.5
    up = ((high1 - first.accuracy) ** 2 + (second.accuracy - low2) ** 2) ** 0.5
    return gap, (gap - down, gap + up)
