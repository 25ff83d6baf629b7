from __future__ import annotations

import numpy as np
import pytest
from torchmetrics.functional.classification import multiclass_calibration_error

from ratchet.tasks.calibration import CalibrationBin, bin_of, reliability


def test_reliability_worked_by_hand():
    confidence = np.array([0.55, 0.65, 0.9, 0.9, 1.0])
    correct = np.array([False, True, True, True, False])
    table = reliability(confidence, correct, bins=4)
    assert table == [
        CalibrationBin(low=0.5, high=0.75, count=2, confidence=pytest.approx(0.6), accuracy=0.5),
        CalibrationBin(low=0.75, high=1.0, count=3, confidence=pytest.approx(2.8 / 3), accuracy=pytest.approx(2 / 3)),
    ]


@pytest.mark.parametrize(
    ("confidence", "bins", "where"), [(0, 10, 0), (0.05, 10, 0), (0.5, 2, 1), (1, 10, 9), (1, 1, 0)]
)
def test_a_confidence_on_an_edge_belongs_to_the_upper_bin_and_one_to_the_last(confidence, bins, where):
    assert bin_of(np.array([float(confidence)]), bins=bins) == [where]


def test_calibration_error_is_the_weighted_mean_gap_of_the_reliability_table(draw):
    predictions = draw(1000)
    table = reliability(predictions.confidence, predictions.correct, bins=15)
    want = sum(b.count * abs(b.confidence - b.accuracy) for b in table) / 1000
    got = predictions.metrics()
    assert got["calibration_error"] == pytest.approx(want, abs=1e-9)


def test_calibration_error_agrees_with_torchmetrics(draw):
    import torch

    predictions = draw(1000)
    want = multiclass_calibration_error(
        torch.from_numpy(predictions.probabilities), torch.from_numpy(predictions.labels), num_classes=4, n_bins=15
    )
    got = predictions.metrics()
    assert got["calibration_error"] == pytest.approx(float(want), abs=1e-6)


def test_certain_and_right_is_calibrated(of_probabilities):
    predictions = of_probabilities([0, 1], np.array([[1 - 1e-300, 1e-300], [1e-300, 1 - 1e-300]]))
    got = predictions.metrics()
    assert got["calibration_error"] == pytest.approx(0, abs=1e-12)


def test_a_confidence_of_one_shares_the_last_bin(of_probabilities):
    # Wrong at 1.0 and right at 0.99: one bin, half of it right. As a bin of its own, 1.0 would give 0.505.
    predictions = of_probabilities([1, 0], [[1, 1e-300], [0.99, 0.01]])
    got = predictions.metrics()
    assert got["calibration_error"] == pytest.approx(0.995 - 0.5)
