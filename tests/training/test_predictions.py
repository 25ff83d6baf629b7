from __future__ import annotations

import csv

import numpy as np
import pytest
import torch
from torch import nn

from ratchet.data.prepared import Split
from ratchet.errors import CheckpointError
from ratchet.tasks import Multiclass, Target
from ratchet.tasks.multiclass import MulticlassPredictions
from ratchet.training import predictions as module
from ratchet.training.predictions import predict_splits, write_predictions


class Doubling(nn.Module):
    """Logits (x, -x) of one input value; remembers the sizes of its batches."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.sizes: list[int] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.sizes.append(len(x))
        value = x.flatten() * self.weight
        return torch.stack([value, -value], dim=1)


def split_of(values: list[float]) -> Split:
    x = np.array(values, dtype=np.float32).reshape(-1, 1, 1)
    x.flags.writeable = False  # as a memory map is
    return Split(x, np.zeros(len(values), dtype=np.int64))


def predict(model: nn.Module, split: Split) -> MulticlassPredictions:
    found = predict_splits(model, Multiclass(Target("class", ("a", "b"))), {"validation": split})["validation"]
    assert isinstance(found, MulticlassPredictions)
    return found


def test_predictions_are_the_softmax_of_the_model():
    got = predict(Doubling(), split_of([0.5, -1]))
    want = [[1 / (1 + np.exp(-1)), 1 / (1 + np.exp(1))], [1 / (1 + np.exp(2)), 1 / (1 + np.exp(-2))]]
    assert got.probabilities == pytest.approx(np.array(want), rel=1e-14)  # the softmax is in double precision
    assert list(got.predicted) == [0, 1]
    assert list(got.correct) == [True, False]
    assert got.confidence == pytest.approx([want[0][0], want[1][1]])
    assert got.losses == pytest.approx([-np.log(want[0][0]), -np.log(want[1][0])])


def test_a_sure_mistake_has_a_finite_loss():
    assert predict(Doubling(), split_of([-5000])).losses == pytest.approx([10000])


def test_batches_are_bounded_and_keep_the_order(monkeypatch):
    monkeypatch.setattr(module, "BATCH_VALUES", 4)
    model, values = Doubling(), list(np.linspace(-1, 1, 10))
    got = predict(model, split_of(values))
    assert model.sizes == [4, 4, 2]
    assert (np.diff(got.probabilities[:, 0]) > 0).all()


def test_a_model_in_double_precision_is_run_in_it():
    got = predict(Doubling().double(), split_of([1 / 3]))
    assert got.log_probabilities[0, 1] - got.log_probabilities[0, 0] == pytest.approx(-2 * np.float32(1 / 3), rel=1e-12)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_model_whose_output_is_not_finite_is_refused(bad):
    with pytest.raises(
        CheckpointError, match=r"not finite for 2 of 3 examples; train it again with a lower optimizer.lr"
    ):
        predict(Doubling(), split_of([1, bad, bad]))


def test_the_file_reads_back(tmp_path, of_probabilities):
    predictions = of_probabilities([0, 1], [[0.25, 0.75], [0.125, 0.875]], ["cat, small", "Hund"])
    path = tmp_path / "predictions.csv"
    write_predictions(predictions, np.array(["o17", "o18"]), path)
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert rows == [
        {
            "index": "0",
            "id": "o17",
            "label": "cat, small",
            "predicted": "Hund",
            "probability_cat, small": "0.250000",
            "probability_Hund": "0.750000",
        },
        {
            "index": "1",
            "id": "o18",
            "label": "Hund",
            "predicted": "Hund",
            "probability_cat, small": "0.125000",
            "probability_Hund": "0.875000",
        },
    ]
