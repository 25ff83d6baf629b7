from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from ratchet.tasks.multiclass import MulticlassPredictions
from ratchet.tasks.weighted import WeightedMetrics


def weights_of(n: int, resamples: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.multinomial(n, np.full(n, 1 / n), size=resamples).T.astype(float)


@pytest.mark.parametrize("digits", [None, 0])
def test_weights_of_one_give_the_headline(draw, digits):
    predictions = draw(500, digits=digits)
    got = WeightedMetrics(predictions, n_classes=4, calibration_bins=15)(np.ones((500, 1)))
    want = predictions.metrics()
    assert {name: float(values[0]) for name, values in got.items()} == pytest.approx(want, abs=1e-6)


@pytest.mark.parametrize("digits", [None, 1])
def test_weights_mean_what_they_mean_in_scikit_learn(draw, digits):
    predictions = draw(200, classes=3, digits=digits)
    weights = weights_of(200, 20)
    got = WeightedMetrics(predictions, n_classes=3, calibration_bins=10)(weights)
    y, p = predictions.labels, predictions.probabilities
    for column, w in enumerate(weights.T):
        precision, recall, f1, _ = sk.precision_recall_fscore_support(
            y, predictions.predicted, average="macro", sample_weight=w
        )
        want = {
            "accuracy": sk.accuracy_score(y, predictions.predicted, sample_weight=w),
            "balanced_accuracy": recall,
            "precision": precision,
            "recall": recall,
            "f1": f1,
            "auroc": np.mean([sk.roc_auc_score(y == k, p[:, k], sample_weight=w) for k in range(3)]),
            "average_precision": np.mean(
                [sk.average_precision_score(y == k, p[:, k], sample_weight=w) for k in range(3)]
            ),
            "matthews": sk.matthews_corrcoef(y, predictions.predicted, sample_weight=w),
            "log_loss": sk.log_loss(y, p, sample_weight=w),
            "brier": (w[:, None] * (p - np.eye(3)[y]) ** 2).sum() / 400,
        }
        assert {name: got[name][column] for name in want} == pytest.approx(want, rel=1e-9)


def test_a_weight_is_so_many_copies(draw):
    predictions = draw(300, skill=0.5)
    weights = weights_of(300, 1)
    copies = np.repeat(np.arange(300), weights[:, 0].astype(int))
    resampled = MulticlassPredictions(predictions.labels[copies], predictions.log_probabilities[copies])
    got = WeightedMetrics(predictions, n_classes=4, calibration_bins=1)(weights)
    want = WeightedMetrics(resampled, n_classes=4, calibration_bins=1)(np.ones((300, 1)))
    for name in got:
        assert got[name] == pytest.approx(want[name], rel=1e-12), name


def test_a_class_that_was_not_drawn_is_left_out(of_probabilities):
    predictions = of_probabilities([0, 0, 1], [[0.8, 0.2], [0.3, 0.7], [0.4, 0.6]])
    got = WeightedMetrics(predictions, n_classes=2, calibration_bins=5)(np.array([[2.0], [1.0], [0.0]]))
    assert got["recall"] == pytest.approx([2 / 3])
    assert got["precision"] == [1]
    assert np.isnan(got["auroc"]).all()


def test_each_bin_keeps_the_direction_of_its_miscalibration(of_probabilities):
    # Over-confident by 0.3 (0.8 against 1 of 2); drawn so that only the right one shows, it would be under by 0.2.
    predictions = of_probabilities([0, 1], [[0.8, 0.2], [0.8, 0.2]])
    metrics = WeightedMetrics(predictions, n_classes=2, calibration_bins=1)
    got = metrics(np.array([[1.0, 2.0, 0.0], [1.0, 0.0, 2.0]]))["calibration_error"]
    assert got == pytest.approx([0.3, 0, 0.8])
