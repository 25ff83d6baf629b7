"""Yes or no: one of two classes, by one output and a threshold."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from ratchet.errors import ConfigError
from ratchet.tasks.base import OF_CLASSES, OWN, Arrays, Floats, Predictions, Resampled, Rows, Target, Task, logit
from ratchet.tasks.multiclass import one_for_each, short

if TYPE_CHECKING:
    from torch import Tensor

    from ratchet.tasks.two_way import TwoWay

Threshold = float | Literal["f1"] | Mapping[Literal["cost", "precision"], float]


@dataclass(frozen=True)
class BinaryPredictions(Predictions):
    """Which examples are positive (n,), the model's logits (n,), float64, and the logit from which on it says yes."""

    headline = OF_CLASSES
    shown = ("auroc", "log_loss")

    positive: NDArray[np.bool_]
    logits: Floats
    classes: tuple[str, str]  # the negative one, the positive one
    threshold: float = 0.0
    calibration_bins: int = 15

    def __len__(self) -> int:
        return len(self.positive)

    @cached_property
    def two_way(self) -> TwoWay:
        """Return the predictions of a binary task as two-way scores, on which metrics are measured."""
        from ratchet.tasks.two_way import TwoWay

        predicted = self.logits >= self.threshold
        return TwoWay(self.positive, self.logits, predicted, calibration_bins=self.calibration_bins)

    def resampled(self, names: Collection[str]) -> Resampled:
        return lambda weights: self.two_way.metrics(weights, names)

    def effective_examples(self, name: str) -> float:
        return self.two_way.effective_examples(name)

    def scores(self, name: str) -> Floats:
        return self.two_way.scores(name)

    def arrays(self) -> Arrays:
        threshold = 1 / (1 + math.exp(min(-self.threshold, 700.0)))
        return Arrays(self.two_way.probability, self.positive.astype(np.int64), threshold)

    def mistakes(self, count: int) -> NDArray[np.intp]:
        """Wrong decisions, the farthest from the threshold first; equals in the order of the split."""
        wrong = np.flatnonzero(self.positive != self.two_way.predicted)
        order = np.argsort(-np.abs(self.logits[wrong] - self.threshold), kind="stable")
        return wrong[order[:count]]

    def caption(self, index: int) -> str:
        label, said = (short(self.classes[int(k)]) for k in (self.positive[index], self.two_way.predicted[index]))
        of = short(self.classes[1])
        return f"#{index} is {label}\ntaken for {said}, {self.two_way.probability[index]:.1%} {of}"

    def table(self) -> Rows:
        """The label, the decision, and the probability of the positive class with six digits after the point."""
        columns = zip(self.positive, self.two_way.predicted, self.two_way.probability, strict=True)
        rows = ([self.classes[int(k)], self.classes[int(p)], f"{q:.6f}"] for k, p, q in columns)
        return ("label", "predicted", f"probability_{self.classes[1]}"), rows

    def plots(self) -> dict[str, Rows]:
        from ratchet.tasks.calibration import confusion_table, reliability_table

        labels, said = self.positive.astype(np.int64), self.two_way.predicted.astype(np.int64)
        return {
            "confusion": confusion_table(labels, said, classes=self.classes),
            "reliability": reliability_table(self.two_way.probability, self.positive, bins=self.calibration_bins),
        }


class Binary(Task):
    """One of two classes: binary cross entropy on one logit, that of the positive class.

    positive: the name of the positive class; the second of the data where it is null. threshold: the probability from
    which on an example is called positive, or how it is chosen on the validation split: `f1`, the highest F1;
    `{cost: c}`, the lowest cost where a missed positive costs c false alarms; `{precision: p}`, the highest recall of
    those with at least the precision p.
    """

    kinds = ("class",)
    objectives = (
        "auroc", "average_precision", "accuracy", "balanced_accuracy", "f1", "precision", "recall", "matthews", "brier",
    )  # fmt: skip
    on_request = ("log_loss", "calibration_error")
    training_metric = "accuracy"
    defining = dict.fromkeys(("f1", "precision", "recall", "average_precision", "calibration_error", OWN), "positive")
    usual_loss = "torch.nn.BCEWithLogitsLoss"

    def __init__(
        self,
        target: Target,
        *,
        calibration_bins: int = 15,
        positive: str | None = None,
        threshold: Threshold = 0.5,
    ) -> None:
        super().__init__(target, calibration_bins=calibration_bins)
        names = list(target.names)
        if len(names) != 2:
            raise ConfigError(
                f"task=binary is for two classes, and the data have {len(names)}: {', '.join(names[:5])}; "
                "type: task=multiclass"
            )
        if positive is not None and str(positive) not in names:
            raise ConfigError(
                f"task.positive={positive} is no class; allowed: {', '.join(names)}; type: task.positive={names[1]}"
            )
        self.positive = names.index(str(positive)) if positive is not None else 1
        _check(threshold)
        self.threshold = threshold
        self.cut = _logit(threshold) if isinstance(threshold, int | float) else 0.0  # of the logit

    @property
    def n_outputs(self) -> int:
        return 1

    def learnable(self, y: Tensor) -> Tensor:
        return (y == self.positive).float()[:, None]

    def class_weights(self, y: Tensor, asked: Literal["balanced"] | Sequence[float]) -> dict[str, Tensor]:
        import torch

        if asked == "balanced":
            yes = (y == self.positive).sum().clamp(min=1)
            return {"pos_weight": ((len(y) - yes).clamp(min=1) / yes).float()[None]}
        weights = one_for_each(asked, self.target.names, what="classes")
        return {"pos_weight": torch.tensor([weights[self.positive] / weights[1 - self.positive]])}

    def training_score(self, outputs: Tensor, y: Tensor) -> Tensor:
        return ((outputs[:, 0] >= self.cut) == (y == self.positive)).sum() / len(y)

    def plain_loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        from torch.nn import functional

        return functional.binary_cross_entropy_with_logits(outputs.float(), self.learnable(y))

    def outputs_saying(self, said: Floats) -> Floats:
        return logit(said[:, self.positive, None])

    def fitted(self, outputs: Floats, y: np.ndarray) -> Self:
        if isinstance(self.threshold, int | float):
            return self
        from ratchet.tasks.two_way import choose_threshold

        fitted = copy(self)
        fitted.cut = choose_threshold(y == self.positive, outputs[:, 0], _worth(self.threshold))
        return fitted

    def predictions(self, outputs: Floats, y: np.ndarray) -> BinaryPredictions:
        names = self.target.names
        classes = (names[1 - self.positive], names[self.positive])
        return BinaryPredictions(
            np.asarray(y == self.positive), outputs[:, 0], classes, self.cut, self.calibration_bins
        )


def _logit(probability: float) -> float:
    return math.log(probability) - math.log1p(-probability)


def _check(threshold: Any) -> None:
    """Raises ConfigError for a threshold that is none."""
    if isinstance(threshold, int | float):
        good = 0 < threshold < 1
    elif isinstance(threshold, Mapping) and len(threshold) == 1:
        ((name, value),) = threshold.items()
        good = isinstance(value, int | float) and (
            (name == "cost" and value > 0) or (name == "precision" and 0 < value < 1)
        )
    else:
        good = threshold == "f1"
    if not good:
        raise ConfigError(
            f"task.threshold={threshold}; allowed: a probability, f1, {{cost: <of a miss, in false alarms>}}, "
            "{precision: <at least>}; type: task.threshold=0.5"
        )


def _worth(threshold: Any) -> Any:
    if threshold == "f1":
        return lambda tp, fp, fn: 2 * tp / np.maximum(2 * tp + fp + fn, 1)
    ((name, value),) = threshold.items()
    if name == "cost":
        return lambda _tp, fp, fn: -(fp + value * fn)
    # Below the wanted precision the most precise one is better; from there on the one that finds most.
    return lambda tp, fp, _fn: np.where(tp / np.maximum(tp + fp, 1) >= value, 1 + tp, tp / np.maximum(tp + fp, 1))
