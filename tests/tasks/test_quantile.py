"""Quantiles: their loss and metrics beside scikit-learn's, that none cross, and an interval that holds what it says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn import metrics as sk

from ratchet.errors import ConfigError
from ratchet.tasks import Quantile, Regression, Target
from ratchet.tasks.losses import QuantileLoss, build_loss
from ratchet.tasks.quantile import QuantilePredictions

TARGET = Target("number", ("price",), mean=100.0, std=20.0)
QUANTILES = (0.05, 0.25, 0.5, 0.95)
NO_WEIGHTS: dict[str, Any] = {"class_weights": "none", "label_smoothing": 0.0, "arguments": {}}


def draw(n: int = 200) -> QuantilePredictions:
    rng = np.random.default_rng(0)
    task = Quantile(TARGET, quantiles=QUANTILES)
    outputs = torch.tensor(rng.normal(size=(n, 1)) / 2 + [-1.0, -0.4, 0.0, 1.0])
    return task.predictions(task.activate(outputs).numpy(), 100 + 20 * rng.normal(size=n))


def test_metrics_under_weights_are_those_of_scikit_learn() -> None:
    predictions = draw()
    weights = np.random.default_rng(1).multinomial(200, np.full(200, 1 / 200), size=5).T.astype(float)
    found = predictions.resampled(predictions.headline)(weights)
    actual, values = predictions.actual, predictions.values
    for column, each in enumerate(weights.T):
        losses = [
            sk.mean_pinball_loss(actual, values[:, k], alpha=q, sample_weight=each) for k, q in enumerate(QUANTILES)
        ]
        assert found["pinball"][column] == pytest.approx(np.mean(losses))
        inside = (values[:, 0] <= actual) & (actual <= values[:, -1])
        assert found["coverage"][column] == pytest.approx(np.average(inside, weights=each))
        assert found["width"][column] == pytest.approx(np.average(values[:, -1] - values[:, 0], weights=each))
        assert found["mae"][column] == pytest.approx(
            sk.mean_absolute_error(actual, predictions.predicted, sample_weight=each)
        )


def test_crossing_quantiles_are_sorted_and_the_median_decides() -> None:
    task = Quantile(TARGET)
    outputs = torch.tensor([[1.0, -1.0, 0.5]])
    said = task.predictions(task.activate(outputs).numpy(), np.array([100.0]))
    assert said.values.tolist() == [[80.0, 110.0, 120.0]]
    assert said.predicted.tolist() == [110.0]
    header, rows = said.table()
    assert dict(zip(header, next(iter(rows)), strict=True)) == {
        "label": "100", "predicted": "110", "quantile_0.05": "80", "quantile_0.5": "110", "quantile_0.95": "120",
    }  # fmt: skip
    y = torch.tensor([100.0])
    assert float(task.training_score(outputs, y)) == pytest.approx(10.0)
    assert float(task.plain_loss(outputs, y)) == pytest.approx(said.metrics()["pinball"] / TARGET.std)


def test_the_loss_s_best_constants_are_the_quantiles() -> None:
    y = torch.tensor(np.random.default_rng(0).exponential(size=(2000, 1)), dtype=torch.float32)
    outputs = torch.zeros(3, requires_grad=True)
    loss = QuantileLoss([0.1, 0.5, 0.9])
    optimizer = torch.optim.Adam([outputs], lr=0.03)
    for _ in range(400):
        optimizer.zero_grad()
        loss(outputs.expand(len(y), 3), y).backward()
        optimizer.step()
    assert outputs.detach().numpy() == pytest.approx(np.quantile(y.numpy(), [0.1, 0.5, 0.9]), abs=0.05)


@pytest.mark.parametrize(
    ("quantiles", "hint"),
    [
        ([0.0, 0.5, 1.0], "[0.05,0.5,0.95]"),
        ([0.95, 0.5, 0.05], "[0.05,0.5,0.95]"),
        ([0.1, 0.9], "[0.1,0.5,0.9]"),
        ([0.1, 0.1, 0.5], "[0.1,0.5]"),
        ([0.5], "[0.05,0.5,0.95]"),
        ([5, 50, 95], "[0.05,0.5,0.95]"),
        (0.5, "[0.05,0.5,0.95]"),
        ("median", "[0.05,0.5,0.95]"),
        (["a", 0.2], "[0.2,0.5]"),
        (None, "[0.05,0.5,0.95]"),
    ],
)
def test_what_are_no_quantiles_is_an_error_that_says_what_to_type(quantiles: Any, hint: str) -> None:
    with pytest.raises(ConfigError) as raised:
        Quantile(TARGET, quantiles=quantiles)
    said = str(raised.value)
    assert said.startswith(f"task.quantiles={quantiles}; allowed: ")
    assert said.endswith(f"type: 'task.quantiles={hint}'")
    Quantile(TARGET, quantiles=[float(each) for each in hint.strip("[]").split(",")])


def test_the_usual_loss_has_the_task_s_quantiles_and_another_kind_is_refused() -> None:
    task, y = Quantile(TARGET, quantiles=QUANTILES), torch.tensor([90.0, 110.0])
    loss = build_loss(None, task, y, **NO_WEIGHTS)
    assert isinstance(loss, QuantileLoss)
    assert loss.quantiles.tolist() == pytest.approx(QUANTILES)
    with pytest.raises(ConfigError, match=r"is for numbers, the task quantile learns quantiles; type: loss=usual$"):
        build_loss("torch.nn.HuberLoss", task, y, **NO_WEIGHTS)
    with pytest.raises(ConfigError, match=r"the task regression learns numbers; type: loss=huber, or loss=usual$"):
        build_loss("ratchet.tasks.losses.QuantileLoss", Regression(TARGET), y, **NO_WEIGHTS)


def test_a_model_that_says_numbers_has_the_quantiles_of_its_errors_on_validation() -> None:
    task, rng = Quantile(TARGET), np.random.default_rng(0)
    said = rng.normal(size=(2000, 1))
    y = said[:, 0] + rng.normal(size=2000)
    outputs = task.outputs_saying(said)
    found = task.fitted(outputs[:1000], y[:1000]).predictions(outputs[1000:], y[1000:]).metrics()
    assert found["coverage"] == pytest.approx(0.9, abs=0.03)
    assert found["width"] == pytest.approx(2 * 1.645, abs=0.3)
    assert task.fitted(np.zeros((5, 3)), np.arange(5.0)) is task  # a network's own quantiles stay
