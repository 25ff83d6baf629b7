from __future__ import annotations

import json

import numpy as np
import pytest

from ratchet.config.sections import EvaluationConfig
from ratchet.evaluation import bootstrap as module
from ratchet.evaluation.assessment import SPLITS, assess
from ratchet.evaluation.bootstrap import Bootstrap, Interval, bootstrap_metrics
from ratchet.tasks import Regression, Target
from ratchet.tasks.multiclass import MulticlassPredictions


def interval_of_mean(values: np.ndarray, bootstrap: Bootstrap) -> Interval:
    interval = bootstrap.interval(np.hstack([values @ each / len(values) for each in bootstrap.weights(len(values))]))
    assert interval is not None
    return interval


def test_weights_are_drawn_with_replacement_and_sum_to_n():
    weights = np.hstack(list(Bootstrap(resamples=400, confidence=0.95, seed=0).weights(50)))
    assert weights.shape == (50, 400)
    assert (weights.sum(axis=0) == 50).all()
    assert weights.mean() == 1
    assert weights.var() == pytest.approx(1, abs=0.05)  # binomial(50, 1/50): 0.98
    assert (np.abs(weights.mean(axis=1) - 1) < 0.25).all()  # every example alike: sd 0.05


def test_the_size_of_a_chunk_changes_nothing(monkeypatch):
    bootstrap = Bootstrap(resamples=23, confidence=0.95, seed=3)
    whole = np.hstack(list(bootstrap.weights(40)))
    monkeypatch.setattr(module, "CELLS", 40 * 4)
    chunks = list(bootstrap.weights(40))
    assert len(chunks) == 6
    assert (np.hstack(chunks) == whole).all()


@pytest.mark.parametrize(("confidence", "want"), [(0.9, (5, 95)), (0.5, (25, 75))])
def test_the_interval_is_made_of_percentiles(confidence, want):
    bootstrap = Bootstrap(resamples=101, confidence=confidence, seed=0)
    assert bootstrap.interval(np.arange(101.0)) == pytest.approx(want)


def test_undefined_resamples_are_left_out():
    bootstrap = Bootstrap(resamples=4, confidence=0.5, seed=0)
    assert bootstrap.interval(np.array([np.nan, 1, 1, np.nan])) == (1, 1)
    assert bootstrap.interval(np.array([np.inf, 1, 3])) == (1.5, 2.5)
    assert bootstrap.interval(np.array([np.nan, np.nan])) is None


@pytest.mark.parametrize(
    ("value", "within", "wanted"),
    [
        (0.0, (0, 1), (0, pytest.approx(0.0308, abs=1e-3))),
        (1.0, (0, 1), (pytest.approx(0.9692, abs=1e-3), 1)),
        (0.0, (0, np.inf), None),
        (1.0, (-np.inf, 1), None),
        (0.5, (0, np.inf), (0.5, 0.5)),
    ],
)
def test_a_metric_at_an_end_of_its_range_is_not_certain_and_has_no_infinite_interval(value, within, wanted):
    bootstrap = Bootstrap(resamples=4, confidence=0.95, seed=0)
    assert bootstrap.widened((value, value), n=118, within=within) == wanted


def test_a_regression_without_an_error_can_be_written():
    number = Regression(Target("number", ("y",))).predictions(np.arange(9.0)[:, None], np.arange(9))
    told = assess(dict.fromkeys(SPLITS, number), config=EvaluationConfig(bootstrap=9), seed=0)
    assert json.loads(told.as_json())["intervals"] == {"r2": None, "mae": None, "rmse": None}


def test_every_headline_metric_lies_in_its_interval(draw):
    predictions = draw(800, skill=2)
    intervals = bootstrap_metrics(
        predictions,
        predictions.headline,
        bootstrap=Bootstrap(resamples=300, confidence=0.95, seed=0),
    )
    values = predictions.metrics()
    assert tuple(intervals) == MulticlassPredictions.headline
    for name, (low, high) in intervals.items():
        assert low < values[name] < high, name


def test_the_same_seed_gives_the_same_intervals_and_another_seed_others(draw):
    def intervals(seed: int) -> object:
        bootstrap = Bootstrap(resamples=50, confidence=0.95, seed=seed)
        return bootstrap_metrics(draw(100), MulticlassPredictions.headline, bootstrap=bootstrap)

    assert intervals(0) == intervals(0)
    assert intervals(0) != intervals(1)


def test_no_resamples_no_intervals(draw):
    bootstrap = Bootstrap(resamples=0, confidence=0.95, seed=0)
    got = bootstrap_metrics(draw(100), MulticlassPredictions.headline, bootstrap=bootstrap)
    assert set(got.values()) == {None}


def test_the_interval_of_a_mean_has_the_width_of_its_standard_error():
    values = np.random.default_rng(0).normal(size=(1, 400))
    low, high = interval_of_mean(values[0], Bootstrap(resamples=4000, confidence=0.95, seed=0))
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.05)


def test_coverage_of_accuracy():
    """Of 300 models of true accuracy 0.85, measured on 500 examples, about 95 % lie in their 95 % intervals."""
    rng = np.random.default_rng(0)
    covered = 0
    for replication in range(300):
        hits = (rng.random((1, 500)) < 0.85).astype(float)
        low, high = interval_of_mean(hits[0], Bootstrap(resamples=300, confidence=0.95, seed=replication))
        covered += low <= 0.85 <= high
    assert 0.90 <= covered / 300 <= 0.99


def test_coverage_of_calibration_error():
    """Over-confident by 0.04 in every bin, 500 examples: 53 of 60 intervals hold it.

    Resampled absolute values, whose noise adds up, would give intervals that hold it 6 times of 60.
    """
    rng = np.random.default_rng(0)
    covered = 0
    for replication in range(60):
        confidence = rng.uniform(0.65, 0.95, 500)
        labels = (rng.random(500) > confidence - 0.04).astype(int)  # class 0 is right with confidence - 0.04
        predictions = MulticlassPredictions(
            labels, np.log(np.stack([confidence, 1 - confidence], axis=1)), ("a", "b"), 40
        )
        bootstrap = Bootstrap(resamples=200, confidence=0.95, seed=replication)
        intervals = bootstrap_metrics(predictions, ["calibration_error"], bootstrap=bootstrap)
        low, high = intervals["calibration_error"] or (1, 0)
        covered += low <= 0.04 <= high
    assert covered >= 50
