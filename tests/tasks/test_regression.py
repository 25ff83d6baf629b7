from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn import metrics as sk

from ratchet.errors import EvidenceError
from ratchet.tasks import Regression, Target
from ratchet.tasks.regression import RegressionPredictions

TARGET = Target("number", ("price",), mean=100.0, std=20.0)


def draw(n: int = 200, seed: int = 0) -> RegressionPredictions:
    rng = np.random.default_rng(seed)
    actual = 100 + 20 * rng.normal(size=n)
    return RegressionPredictions(actual, actual + 8 * rng.normal(size=n), TARGET)


def test_metrics_under_weights_are_those_of_scikit_learn():
    predictions = draw()
    weights = np.random.default_rng(1).multinomial(200, np.full(200, 1 / 200), size=5).T.astype(float)
    found = predictions.resampled(RegressionPredictions.headline)(weights)
    for column, each in enumerate(weights.T):
        wanted = {
            "r2": sk.r2_score(predictions.actual, predictions.predicted, sample_weight=each),
            "mae": sk.mean_absolute_error(predictions.actual, predictions.predicted, sample_weight=each),
            "rmse": sk.root_mean_squared_error(predictions.actual, predictions.predicted, sample_weight=each),
        }
        assert {name: values[column] for name, values in found.items()} == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("name", [*Regression.objectives, "loss"])
def test_scores_have_the_metric_as_their_mean_and_higher_is_better(name):
    predictions = draw()
    wanted = {**predictions.metrics(), "loss": np.mean(predictions.error**2) / 400}
    sign = 1 if name == "r2" else -1
    assert sign * predictions.scores(name).mean() == pytest.approx(wanted[name], rel=1e-9)


@pytest.mark.parametrize("name", ["rmse", "r2"])
def test_pseudo_values_are_those_of_leaving_each_example_out(name):
    predictions = draw(50)
    whole, sign = predictions.metrics()[name], 1 if name == "r2" else -1
    left = [np.delete(np.arange(50), i) for i in range(50)]
    without = np.array(
        [RegressionPredictions(predictions.actual[k], predictions.predicted[k], TARGET).metrics()[name] for k in left]
    )
    values, found = sign * (50 * whole - 49 * without), predictions.scores(name)
    assert found - found.mean() == pytest.approx(values - values.mean(), rel=1e-9)


def test_what_is_learnt_is_in_standard_deviations_and_what_is_said_in_the_targets_unit():
    task = Regression(TARGET)
    y = torch.tensor([100.0, 140.0])
    assert task.learnable(y).tolist() == [[0.0], [2.0]]
    said = task.predictions(task.activate(torch.tensor([[0.0], [1.0]])).numpy(), y.numpy())
    assert said.predicted.tolist() == [100.0, 120.0]
    measured = task.measure(torch.tensor([[0.0], [1.0]]), y)
    assert float(measured["loss"]) == pytest.approx(0.5)
    assert float(measured["mae"]) == pytest.approx(10)
    assert float(task.training_score(torch.tensor([[0.0], [1.0]]), y)) == pytest.approx(10)


def test_a_constant_target_has_no_r2():
    predictions = RegressionPredictions(np.full(5, 3.0), np.arange(5.0), TARGET)
    assert predictions.metrics()["r2"] is None
    with pytest.raises(EvidenceError, match="one value"):
        predictions.scores("r2")


def test_the_largest_errors_are_the_mistakes():
    predictions = RegressionPredictions(np.zeros(4), np.array([1.0, -5.0, 0.0, 3.0]), TARGET)
    assert predictions.mistakes(2).tolist() == [1, 3]
    assert predictions.caption(1) == "#1 is 0\ntaken for -5"
