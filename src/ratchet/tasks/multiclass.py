"""One class of several, by a softmax over as many outputs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ratchet.errors import ConfigError
from ratchet.tasks.base import LEAST, OF_CLASSES, Arrays, Floats, Predictions, Resampled, Rows, Task

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class MulticlassPredictions(Predictions):
    """Labels (n,), int64, and the model's log probabilities (n, n_classes), float64."""

    headline = OF_CLASSES
    shown = ("accuracy", "log_loss")

    labels: NDArray[np.int64]
    log_probabilities: NDArray[np.float64]
    classes: tuple[str, ...] = ()
    calibration_bins: int = 15

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def probabilities(self) -> NDArray[np.float64]:
        """(n, n_classes); each row sums to 1."""
        probabilities: NDArray[np.float64] = np.exp(self.log_probabilities)
        return probabilities

    @cached_property
    def ranking(self) -> NDArray[np.float64]:
        """What rises as the probability of each class does (n, n_classes): nearly 0 and nearly 1 are told apart too."""
        ranking = np.where(self.probabilities < 1e-300, self.log_probabilities, self.probabilities)
        sure = np.flatnonzero(self.confidence > 1 - 1e-9), self.predicted[self.confidence > 1 - 1e-9]
        others = self.log_probabilities[sure[0]]
        others[np.arange(len(others)), sure[1]] = -np.inf
        ranking[sure] = -np.logaddexp.reduce(others, axis=1)
        return ranking

    @cached_property
    def predicted(self) -> NDArray[np.int64]:
        """The most probable class (n,); the first of equals."""
        predicted: NDArray[np.int64] = self.log_probabilities.argmax(axis=1)
        return predicted

    @cached_property
    def correct(self) -> NDArray[np.bool_]:
        """Whether the most probable class is the label (n,)."""
        correct: NDArray[np.bool_] = self.predicted == self.labels
        return correct

    @cached_property
    def confidence(self) -> NDArray[np.float64]:
        """The probability of the most probable class (n,)."""
        confidence: NDArray[np.float64] = np.exp(self.log_probabilities.max(axis=1))
        return confidence

    @cached_property
    def losses(self) -> NDArray[np.float64]:
        """Negative log probability of the label (n,), in nats."""
        losses: NDArray[np.float64] = -self.log_probabilities[np.arange(len(self.labels)), self.labels]
        return losses

    @cached_property
    def squares(self) -> NDArray[np.float64]:
        """Half the squared distance (n,) of the probabilities to the label's: of two classes Brier's score of a yes."""
        right = np.eye(self.log_probabilities.shape[1])[self.labels]
        squares: NDArray[np.float64] = ((self.probabilities - right) ** 2).sum(axis=1) / 2
        return squares

    def metrics(self, names: Collection[str] | None = None) -> dict[str, float | None]:
        from ratchet.tasks.class_metrics import headline

        return headline(self, self.headline if names is None else names)

    def resampled(self, names: Collection[str]) -> Resampled:
        from ratchet.tasks.weighted import WeightedMetrics

        n_classes = self.log_probabilities.shape[1]
        return WeightedMetrics(self, n_classes=n_classes, calibration_bins=self.calibration_bins, names=names)

    def effective_examples(self, name: str) -> float:
        """How many examples a metric is as certain as: a macro mean over K classes of n_k as K^2 / sum(1 / n_k).

        That is the number of which a plain share has the same variance. A class's AUROC rests on the smaller side.
        """
        counts = np.bincount(self.labels)
        counts = counts[counts > 0]
        if name in {"accuracy", "calibration_error", "brier"}:
            return float(len(self))
        if name == "auroc":
            counts = np.maximum(np.minimum(counts, len(self) - counts), 1)
        return float(len(counts) ** 2 / (1 / counts).sum())

    def scores(self, name: str) -> Floats:
        from ratchet.evidence.jackknife import macro_f1, of_weights
        from ratchet.tasks.calibration import miscalibration

        scores: dict[str, Callable[[], Floats]] = {
            "accuracy": lambda: self.correct.astype(np.float64),
            "balanced_accuracy": self._balanced,
            "f1": lambda: macro_f1(self.labels, self.predicted),
            "log_loss": lambda: -self.losses,
            "brier": lambda: -self.squares,
            "calibration_error": lambda: -miscalibration(self.confidence, self.correct, bins=self.calibration_bins),
        }
        known = scores.get("log_loss" if name == "loss" else name)
        if known is None and name not in self.headline:
            raise KeyError(name)
        return known() if known else of_weights(lambda weights: self.resampled([name])(weights)[name], len(self))

    def _balanced(self) -> Floats:
        """A hit weighs as much as its class is rare."""
        counts = np.bincount(self.labels)
        balanced: Floats = self.correct * (len(self) / ((counts > 0).sum() * counts[self.labels]))
        return balanced

    def arrays(self) -> Arrays:
        return Arrays(self.probabilities, self.labels)

    def mistakes(self, count: int) -> NDArray[np.intp]:
        """Wrong predictions, the surest first; equals in the order of the split."""
        wrong = np.flatnonzero(~self.correct)
        order = np.argsort(-self.confidence[wrong], kind="stable")
        return wrong[order[:count]]

    def caption(self, index: int) -> str:
        label, predicted = (short(self.classes[k]) for k in (self.labels[index], self.predicted[index]))
        return f"#{index} is {label}\ntaken for {predicted}, {self.confidence[index]:.1%}"

    def table(self) -> Rows:
        """The label, the prediction, and the probability of each class with six digits after the point."""
        header = ("label", "predicted", *(f"probability_{name}" for name in self.classes))
        named = zip(self.labels, self.predicted, self.probabilities, strict=True)
        return header, ([self.classes[k], self.classes[p], *(f"{q:.6f}" for q in row)] for k, p, row in named)

    def parts(self) -> list[dict[str, Any]]:
        from ratchet.tasks.class_metrics import per_class

        return [asdict(one) for one in per_class(self)]

    def plots(self) -> dict[str, Rows]:
        from ratchet.tasks.calibration import confusion_table, reliability_table

        return {
            "confusion": confusion_table(self.labels, self.predicted, classes=self.classes),
            "reliability": reliability_table(self.confidence, self.correct, bins=self.calibration_bins),
        }


class Multiclass(Task):
    """One class of several: cross entropy over a softmax; the most probable class is decided for."""

    kinds = ("class",)
    objectives = ("accuracy", "balanced_accuracy", "f1")
    on_request = (
        "precision", "recall", "auroc", "average_precision", "matthews", "log_loss", "brier", "calibration_error",
    )  # fmt: skip
    training_metric = "accuracy"
    usual_loss = "torch.nn.CrossEntropyLoss"

    def class_weights(self, y: Tensor, asked: Literal["balanced"] | Sequence[float]) -> dict[str, Tensor]:
        import torch

        if asked == "balanced":
            counts = torch.bincount(y, minlength=self.n_outputs).clamp(min=1).float()
            return {"weight": counts.sum() / (self.n_outputs * counts)}
        return {"weight": torch.tensor(one_for_each(asked, self.target.names, what="classes"))}

    def training_score(self, outputs: Tensor, y: Tensor) -> Tensor:
        return (outputs.argmax(1) == y).sum() / len(y)

    def plain_loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        from torch.nn import functional

        return functional.cross_entropy(outputs.float(), y)

    def measure(self, outputs: Tensor, y: Tensor) -> dict[str, Tensor]:
        """Measure the metrics; the usual objectives are computed by torchmetrics on the device."""
        from torchmetrics.functional.classification import multiclass_accuracy, multiclass_f1_score

        usual: dict[str, tuple[Any, str]] = {
            "accuracy": (multiclass_accuracy, "micro"),
            "balanced_accuracy": (multiclass_accuracy, "macro"),
            "f1": (multiclass_f1_score, "macro"),
        }
        if not usual.keys() >= set(self.objectives):
            return super().measure(outputs, y)
        options: dict[str, Any] = {"num_classes": self.n_outputs, "validate_args": False}
        predicted, found = outputs.argmax(1), {"loss": self.plain_loss(outputs, y)}
        asked = {name: of for name, of in usual.items() if name in self.objectives}
        return found | {name: of(predicted, y, average=average, **options) for name, (of, average) in asked.items()}

    def activate(self, outputs: Tensor) -> Tensor:
        return outputs.double().log_softmax(dim=1)

    def outputs_saying(self, said: Floats) -> Floats:
        return np.asarray(np.log(np.maximum(said, LEAST)))

    def predictions(self, outputs: Floats, y: NDArray[np.int64]) -> MulticlassPredictions:
        return MulticlassPredictions(np.array(y), outputs, self.target.names, self.calibration_bins)


def one_for_each(weights: Sequence[float] | str, names: Sequence[str], *, what: str) -> list[float]:
    """The weights as floats. Raises ConfigError where there is not one for each name."""
    if isinstance(weights, str) or len(weights) != len(names):
        raise ConfigError(
            f"loss.class_weights has {len(weights)} weights for the {len(names)} {what} {', '.join(names[:5])}; "
            "type: loss.class_weights=balanced, or one weight for each in this order"
        )
    return [float(weight) for weight in weights]


def short(name: str) -> str:
    """A class name that fits over a panel."""
    return name if len(name) <= 18 else f"{name[:17]}…"
