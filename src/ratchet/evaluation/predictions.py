"""What a model says of every example of a split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ratchet.csv_files import csv_text
from ratchet.data.prepared import Split
from ratchet.errors import CheckpointError

BATCH_VALUES = 2**18  # input values of one batch: bounds the memory; fixed, so that the numbers are too


@dataclass(frozen=True)
class Predictions:
    """Labels (n,), int64, and the model's log probabilities (n, n_classes), float64."""

    labels: NDArray[np.int64]
    log_probabilities: NDArray[np.float64]

    @cached_property
    def probabilities(self) -> NDArray[np.float64]:
        """(n, n_classes); each row sums to 1."""
        probabilities: NDArray[np.float64] = np.exp(self.log_probabilities)
        return probabilities

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


def predict(model: nn.Module, split: Split) -> Predictions:
    """Run a model, in evaluation mode, over the un-augmented examples of a split.

    The softmax is taken in double precision. Raises CheckpointError when an output is not finite.
    """
    x = split.x
    size = max(1, BATCH_VALUES // x[0].size)
    with torch.inference_mode():
        batches = [_log_softmax(model, x[start : start + size]) for start in range(0, len(x), size)]
    log_probabilities = np.concatenate(batches)
    broken = int((~np.isfinite(log_probabilities)).any(axis=1).sum())
    if broken:
        raise CheckpointError(
            f"the model's output is not finite for {broken} of {len(x)} examples; "
            "train it again with a lower optimizer.lr or with trainer.gradient_clip=1.0"
        )
    return Predictions(labels=np.array(split.y), log_probabilities=log_probabilities)


def _log_softmax(model: nn.Module, x: NDArray[np.float32]) -> NDArray[np.float64]:
    dtype = next(model.parameters()).dtype  # double after trainer.precision=64-true
    logits = model(torch.from_numpy(np.array(x)).to(dtype))  # a copy: the arrays are read-only memory maps
    result: NDArray[np.float64] = torch.log_softmax(logits.double(), dim=1).numpy()
    return result


def write_predictions(predictions: Predictions, path: Path, *, classes: Sequence[str]) -> None:
    """Write a CSV file: index in the split, label, predicted, then the probability of each class.

    Classes are written by name. Probabilities have six digits after the point.
    """
    header = ["index", "label", "predicted", *(f"probability_{name}" for name in classes)]
    rows = (
        [index, classes[label], classes[predicted], *(f"{p:.6f}" for p in probabilities)]
        for index, (label, predicted, probabilities) in enumerate(
            zip(predictions.labels, predictions.predicted, predictions.probabilities, strict=True)
        )
    )
    path.write_text(csv_text(header, rows), encoding="utf-8", newline="")
