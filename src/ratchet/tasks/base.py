"""What a task is: how a network's outputs become a loss, decisions, metrics and the numbers of a report."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from ratchet.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

    from ratchet.tasks.own_metrics import OwnMetric

Floats = NDArray[np.float64]
Resampled = Callable[[Floats], dict[str, Floats]]
TargetKind = Literal["class", "labels", "number"]
OF_CLASSES = (  # the metrics of a report on classes, in its order
    "accuracy", "balanced_accuracy", "precision", "recall", "f1", "auroc", "average_precision", "matthews",
    "log_loss", "brier", "calibration_error",
)  # fmt: skip
OWN = "own"  # in Task.defining: every metric of task.metrics
LEAST = 1e-15  # of a probability, where its logarithm is taken
Rows = tuple[Sequence[str], Iterable[Sequence[object]]]  # a table: its header, its rows


@dataclass(frozen=True)
class Target:
    """What is to be predicted, as prepare found it.

    kind: class (y is int64 (n,), a class index), labels (y is float32 (n, labels), 0 or 1) or number (y is float32
    (n,), in the unit of the raw data). names: of the classes, of the labels, or of the number.
    mean, std: of a number over the training split; networks learn it in these units.
    """

    kind: TargetKind
    names: tuple[str, ...]
    mean: float = 0.0
    std: float = 1.0

    def as_json(self) -> dict[str, Any]:
        """Return the target's description as the data card and checkpoints hold it."""
        return {**asdict(self), "names": list(self.names)}

    @classmethod
    def of(cls, described: Mapping[str, Any]) -> Self:
        """The `target` of a data card or a checkpoint, as `as_json` wrote it; older ones have `classes` alone."""
        content = described.get("target") or {"kind": "class", "names": described["classes"]}
        return cls(**{**content, "names": tuple(content["names"])})


@dataclass(frozen=True)
class Arrays:
    """What is said of each example and what is true, as torchmetrics takes them.

    said: probabilities (n, classes), of the positive class (n,) or of labels (n, labels); or numbers (n,). target: of
    int64 for classes and labels. threshold: the probability from which on a yes or no is a yes.
    """

    said: Floats
    target: np.ndarray
    threshold: float | None = None

    def at(self, places: NDArray[np.intp]) -> Arrays:
        """Return the predictions of some of the examples."""
        return Arrays(self.said[places], self.target[places], self.threshold)


class Predictions(ABC):
    """What a model says of every example of a split, and how right it is.

    `headline`: the metrics of a report, in its order. `shown`: the two or three of them that every split is measured
    by; the first of them decides the verdict, and its best value is 1.
    """

    headline: tuple[str, ...]
    shown: tuple[str, ...]

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of examples."""

    def metrics(self, names: Collection[str] | None = None) -> dict[str, float | None]:
        """The metrics named, or all of `headline`; None for one that is not defined on these examples."""
        found = self.resampled(self.headline if names is None else names)(np.ones((len(self), 1)))
        return {name: None if np.isnan(value[0]) else float(value[0]) for name, value in found.items()}

    @abstractmethod
    def resampled(self, names: Collection[str]) -> Resampled:
        """A function of weights (n, m), whole numbers whose columns sum to n: each metric named, (m,)."""

    def effective_examples(self, name: str) -> float:
        """How many examples a metric is as certain as. All, where it is a plain mean."""
        return float(len(self))

    @abstractmethod
    def scores(self, name: str) -> Floats:
        """Scores of single examples (n,), higher is better: their mean is the metric, one to be minimised negated.

        A metric of the whole set has jackknife pseudo-values. Raises EvidenceError where there are too few examples.
        """

    def arrays(self) -> Arrays:
        """What a metric of torchmetrics or of a person's own is measured on. Raises ConfigError where there is none."""
        raise ConfigError(f"{type(self).__name__} has no arrays(), which metrics of task.metrics need; write it")

    @abstractmethod
    def mistakes(self, count: int) -> NDArray[np.intp]:
        """The indices of at most `count` examples that the model is most wrong about, the worst first."""

    @abstractmethod
    def caption(self, index: int) -> str:
        """What an example is and what it was taken for, in two short lines."""

    @abstractmethod
    def table(self) -> Rows:
        """predictions.csv: a row for each example, without its index."""

    def parts(self) -> list[dict[str, Any]]:
        """The metrics of each class or label; none where there is no such part."""
        return []

    def plots(self) -> dict[str, Rows]:
        """The tables behind the plots: name of the file without .csv, table."""
        return {}


class Task(ABC):
    """What is learnt from a data set's target. A subclass is named by `task._target_`.

    kinds: the targets that it can learn. objectives: what a validation measures besides the loss, the usual
    objective first. on_request: what it measures too where that is the objective. training_metric: the one of
    `objectives` that training batches are measured by. defining: of metrics that another task of the same targets
    measures otherwise, the setting that says what this one means by them.
    """

    kinds: ClassVar[tuple[TargetKind, ...]]
    objectives: ClassVar[tuple[str, ...]]
    on_request: ClassVar[tuple[str, ...]] = ()
    training_metric: ClassVar[str]
    defining: ClassVar[Mapping[str, str]] = {}
    own: tuple[OwnMetric, ...] = ()  # a person's metrics, of task.metrics
    left_out: tuple[str, ...] = ()  # of task.metrics those that do not suit the task, and why
    requested: tuple[str, ...] = ()  # of on_request
    usual_loss: ClassVar[str]  # dotted path of the loss that is minimised unless conf/loss names another

    def __init__(self, target: Target, *, calibration_bins: int = 15) -> None:
        if target.kind not in self.kinds:
            name = type(self).__name__.lower()
            raise ConfigError(
                f"task={name} learns a target of the kind {' or '.join(self.kinds)}, that of the "
                f"data is of the kind {target.kind}; type: task=auto"
            )
        self.target = target
        self.calibration_bins = calibration_bins

    @property
    def n_outputs(self) -> int:
        """How many numbers a network gives for an example: usually one for each class or label."""
        return len(self.target.names)

    def learnable(self, y: Tensor) -> Tensor:
        """The target as a loss takes it beside outputs (batch, n_outputs)."""
        return y

    @property
    def loss_arguments(self) -> dict[str, Any]:
        """Keyword arguments that follow from the task, for a loss that takes them."""
        return {}

    def class_weights(self, y: Tensor, asked: Literal["balanced"] | Sequence[float]) -> dict[str, Tensor]:
        """The loss's argument that weighs classes or labels: `weight` or `pos_weight`, as torch's losses call it.

        asked: balanced, which is inverse to their frequencies in y, or a weight for each class or label. Raises
        ConfigError where the target has none.
        """
        raise ConfigError(
            f"loss.class_weights needs classes, and the target {', '.join(self.target.names)} is a number; "
            "type: loss.class_weights=none"
        )

    @abstractmethod
    def training_score(self, outputs: Tensor, y: Tensor) -> Tensor:
        """`training_metric` of a batch, a tensor without axes."""

    @abstractmethod
    def plain_loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        """The mean loss by which runs are compared, whichever one they minimise: unweighted and unsmoothed."""

    def measure(self, outputs: Tensor, y: Tensor) -> dict[str, Tensor]:
        """`loss` and each of `objectives` on outputs (n, n_outputs) and targets y, as they lie in the prepared data."""
        return {"loss": self.plain_loss(outputs, y), **self._measured(outputs, y, self.objectives)}

    def validate(self, outputs: Tensor, y: Tensor) -> dict[str, Tensor]:
        """What a validation logs: `measure`, a person's own metrics, and what is requested."""
        asked = [*self.requested, *(metric.name for metric in self.own)]
        return {**self.measure(outputs, y), **(self._measured(outputs, y, asked) if asked else {})}

    def _measured(self, outputs: Tensor, y: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
        import torch

        activated, targets = self.activate(outputs).cpu().numpy(), y.cpu().numpy()
        found = self.with_own(self.fitted(activated, targets).predictions(activated, targets)).metrics(names)
        return {name: torch.tensor(math.nan if value is None else value) for name, value in found.items()}

    def with_own(self, found: Predictions) -> Predictions:
        """Predictions that are measured by a person's own metrics too."""
        from ratchet.tasks.own_metrics import WithOwnMetrics

        return WithOwnMetrics(found, self.own) if self.own else found

    def fitted(self, outputs: Floats, y: np.ndarray) -> Self:
        """The task with what it decides by, such as a threshold, chosen on these outputs: those of validation."""
        return self

    def activate(self, outputs: Tensor) -> Tensor:
        """What `predictions` takes, in double precision, from a network's outputs: those, if they are logits."""
        return outputs.double()

    def outputs_saying(self, said: Floats) -> Floats | None:
        """What `predictions` takes, of probabilities (n, names) or numbers (n, 1) that some other model says.

        None where the task cannot tell: then there are no baselines beside its models.
        """
        return None

    @abstractmethod
    def predictions(self, outputs: Floats, y: np.ndarray) -> Predictions:
        """The report's view of activated outputs (n, n_outputs) and targets y, as they lie in the prepared data."""


def logit(probability: Floats) -> Floats:
    """The logit of each probability, finite at 0 and 1 too."""
    kept = np.clip(probability, LEAST, 1 - LEAST)
    return np.asarray(np.log(kept) - np.log1p(-kept))
