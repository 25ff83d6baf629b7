"""What a model says of every example of a split."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ratchet.errors import CheckpointError

BATCH = 1000  # examples at a time: bounds the memory, and never changes, so that the numbers never do


@dataclass(frozen=True)
class Predictions:
    """Labels (n,), int64, and the model's log probabilities (n, n_classes), float64."""

    labels: NDArray[np.int64]
    log_probabilities: NDArray[np.float64]

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """(n, n_classes); each row sums to 1."""
        return np.exp(self.log_probabilities)

    @property
    def predicted(self) -> NDArray[np.int64]:
        """The most probable class (n,); the first of equals."""
        return self.log_probabilities.argmax(axis=1)

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Whether the most probable class is the label (n,)."""
        return self.predicted == self.labels

    @property
    def confidence(self) -> NDArray[np.float64]:
        """The probability of the most probable class (n,)."""
        return np.exp(self.log_probabilities.max(axis=1))

    @property
    def losses(self) -> NDArray[np.float64]:
        """Negative log probability of the label (n,), in nats."""
        return -self.log_probabilities[np.arange(len(self.labels)), self.labels]


def predict(model: nn.Module, *, x: NDArray[np.float32], y: NDArray[np.int64]) -> Predictions:
    """Run a model in evaluation mode over un-augmented examples x (n, *shape) with labels y (n,).

    The softmax is taken in double precision. Raises CheckpointError when an output is not finite.
    """
    with torch.inference_mode():
        batches = [_log_softmax(model, x[start : start + BATCH]) for start in range(0, len(x), BATCH)]
    log_probabilities = np.concatenate(batches)
    broken = int((~np.isfinite(log_probabilities)).any(axis=1).sum())
    if broken:
        raise CheckpointError(
            f"the model's output is not finite for {broken} of {len(x)} examples; "
            "train it again with a lower optimizer.lr or with trainer.gradient_clip=1.0"
        )
    return Predictions(labels=np.array(y), log_probabilities=log_probabilities)


def _log_softmax(model: nn.Module, x: NDArray[np.float32]) -> NDArray[np.float64]:
    dtype = next(model.parameters()).dtype  # double after trainer.precision=64-true
    logits = model(torch.from_numpy(np.array(x)).to(dtype))  # a copy: the arrays are read-only memory maps
    result: NDArray[np.float64] = torch.log_softmax(logits.double(), dim=1).numpy()
    return result


def write_predictions(predictions: Predictions, path: Path, *, classes: list[str]) -> None:
    """Write a CSV file: index in the split, label, predicted, then the probability of each class.

    Classes are written by name. Probabilities have six digits after the point.
    """
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["index", "label", "predicted", *(f"probability_{name}" for name in classes)])
        probabilities = predictions.probabilities
        for index, (label, predicted) in enumerate(
            zip(predictions.labels, predictions.predicted, strict=True)
        ):
            rows.writerow(
                [index, classes[label], classes[predicted], *(f"{p:.6f}" for p in probabilities[index])]
            )
