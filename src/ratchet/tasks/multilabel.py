"""Any number of labels for an example, by an output for each and a threshold."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ratchet.errors import EvidenceError
from ratchet.tasks.base import Arrays, Floats, Predictions, Resampled, Rows, Task, logit
from ratchet.tasks.multiclass import one_for_each

if TYPE_CHECKING:
    from torch import Tensor

    from ratchet.tasks.two_way import TwoWay

_MACRO = ("precision", "recall", "f1", "auroc", "average_precision")  # means over labels that have a positive example
_PLAIN = ("accuracy", "log_loss", "brier")  # means over all labels


@dataclass(frozen=True)
class MultilabelPredictions(Predictions):
    """Which labels each example has (n, labels), and the model's logits (n, labels), float64."""

    headline = (
        "accuracy", "exact_match", "precision", "recall", "f1", "auroc", "average_precision", "log_loss", "brier",
    )  # fmt: skip
    shown = ("f1", "log_loss")

    positive: NDArray[np.bool_]
    logits: Floats
    labels: tuple[str, ...]
    calibration_bins: int = 15

    def __len__(self) -> int:
        return len(self.positive)

    @cached_property
    def predicted(self) -> NDArray[np.bool_]:
        """The labels that an example is given (n, labels): those more probable than not."""
        return self.logits >= 0

    @cached_property
    def by_label(self) -> list[TwoWay]:
        """What is measured on each label."""
        from ratchet.tasks.two_way import TwoWay

        columns = zip(self.positive.T, self.logits.T, self.predicted.T, strict=True)
        return [TwoWay(*column, calibration_bins=self.calibration_bins) for column in columns]

    def resampled(self, names: Collection[str]) -> Resampled:
        def measure(weights: Floats) -> dict[str, Floats]:
            asked = [name for name in (*_MACRO, *_PLAIN) if name in names]
            each = [label.metrics(weights, asked) for label in self.by_label] if asked else []
            found = {name: _mean([values[name] for values in each]) for name in asked}
            right = (self.positive == self.predicted).all(axis=1)
            found["exact_match"] = (weights * right[:, None]).sum(axis=0) / weights.sum(axis=0)
            return {name: found[name] for name in self.headline if name in names}

        return measure

    def effective_examples(self, name: str) -> float:
        if name not in _MACRO:
            return float(len(self))
        inverse = [1 / label.effective_examples(name) for label in self.by_label]
        return len(inverse) ** 2 / sum(inverse)

    def scores(self, name: str) -> Floats:
        if name == "exact_match":
            right: Floats = (self.positive == self.predicted).all(axis=1).astype(np.float64)
            return right
        found = []
        for label, title in zip(self.by_label, self.labels, strict=True):
            if name in _MACRO and not label.positive.any():
                continue
            try:
                found.append(label.scores(name))
            except EvidenceError as error:
                raise EvidenceError(f"label {title}: {error}") from error
        mean: Floats = np.mean(found, axis=0)
        return mean

    def arrays(self) -> Arrays:
        said = np.stack([label.probability for label in self.by_label], axis=1)
        return Arrays(said, self.positive.astype(np.int64))

    def mistakes(self, count: int) -> NDArray[np.intp]:
        """Examples with a wrong label, those of the largest loss first."""
        losses = np.sum([label.losses for label in self.by_label], axis=0)
        wrong = np.flatnonzero((self.positive != self.predicted).any(axis=1))
        return wrong[np.argsort(-losses[wrong], kind="stable")[:count]]

    def caption(self, index: int) -> str:
        is_, said = (self._named(flags[index]) for flags in (self.positive, self.predicted))
        return f"#{index} is {is_[:30]}\ntaken for {said[:30]}"

    def table(self) -> Rows:
        """The labels, the decisions (each a list with | between), and each label's probability with six digits."""
        header = ("label", "predicted", *(f"probability_{name}" for name in self.labels))
        probabilities = np.stack([label.probability for label in self.by_label], axis=1)
        rows = (
            [self._named(p), self._named(s), *(f"{q:.6f}" for q in row)]
            for p, s, row in zip(self.positive, self.predicted, probabilities, strict=True)
        )
        return header, rows

    def parts(self) -> list[dict[str, Any]]:
        parts = []
        for name, label in zip(self.labels, self.by_label, strict=True):
            found = label.metrics(np.ones((len(self), 1)), _MACRO)
            numbers = {key: None if np.isnan(value[0]) else float(value[0]) for key, value in found.items()}
            parts.append({"name": name, "support": int(label.positive.sum()), **numbers})
        return parts

    def _named(self, flags: NDArray[np.bool_]) -> str:
        return "|".join(name for name, has in zip(self.labels, flags, strict=True) if has)


class Multilabel(Task):
    """Any number of labels for an example: binary cross entropy on a logit for each, the mean over labels."""

    kinds = ("labels",)
    objectives = ("f1", "accuracy", "exact_match", "precision", "recall", "auroc", "average_precision", "brier")
    on_request = ("log_loss",)
    training_metric = "accuracy"
    usual_loss = "torch.nn.BCEWithLogitsLoss"

    def class_weights(self, y: Tensor, asked: Literal["balanced"] | Sequence[float]) -> dict[str, Tensor]:
        import torch

        if asked == "balanced":
            yes = y.sum(dim=0).clamp(min=1)
            return {"pos_weight": (len(y) - yes).clamp(min=1) / yes}  # 0 would switch a label off that all have
        return {"pos_weight": torch.tensor(one_for_each(asked, self.target.names, what="labels"))}

    def training_score(self, outputs: Tensor, y: Tensor) -> Tensor:
        return ((outputs >= 0) == (y > 0.5)).float().mean()

    def plain_loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        from torch.nn import functional

        return functional.binary_cross_entropy_with_logits(outputs.float(), y)

    def outputs_saying(self, said: Floats) -> Floats:
        return logit(said)

    def predictions(self, outputs: Floats, y: np.ndarray) -> MultilabelPredictions:
        return MultilabelPredictions(np.asarray(y > 0.5), outputs, self.target.names, self.calibration_bins)


def _mean(values: list[Floats]) -> Floats:
    """Over labels, without those of which a weighting has no positive example."""
    table = np.stack(values)
    known = ~np.isnan(table)
    total: Floats = np.divide(
        np.where(known, table, 0).sum(axis=0), known.sum(axis=0), out=np.full(table.shape[1], np.nan),
        where=known.any(axis=0),
    )  # fmt: skip
    return total
