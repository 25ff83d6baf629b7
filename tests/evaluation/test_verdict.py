from __future__ import annotations

import pytest

from ratchet.evaluation.verdict import SplitScore, judge, optimistic


def score(split: str, accuracy: float, half_width: float = 0.01) -> SplitScore:
    interval = (accuracy - half_width, min(1.0, accuracy + half_width))
    return SplitScore(split, 1000, {"accuracy": accuracy}, {"accuracy": interval})


@pytest.mark.parametrize(
    ("train", "test", "half_width", "fit"),
    [
        (0.99, 0.98, 0.005, "fits"),  # good on both
        (0.99, 0.90, 0.01, "overfit"),  # far above test
        (0.99, 0.95, 0.05, "fits"),  # as far as chance may take it
        (0.98, 0.97, 0.001, "fits"),  # surely above, but by less than two points
        (0.40, 0.38, 0.01, "underfit"),  # bad on what it has seen
        (0.40, 0.30, 0.01, "underfit"),  # both, and the training error is the larger part
        (0.80, 0.40, 0.01, "overfit"),  # both, and the gap is the larger part
        (0.89, 0.89, 0.05, "fits"),  # a training error over ten points, not surely
        (0.70, 0.75, 0.01, "underfit"),  # test above train, as after strong augmentation
    ],
)
def test_verdict(train, test, half_width, fit):
    verdict = judge(train=score("train", train, half_width), test=score("test", test, half_width))
    assert verdict.fit == fit
    assert f"{train:.1%}" in verdict.reason
    assert verdict.gap == pytest.approx(train - test)
    assert verdict.gap_interval[0] < verdict.gap < verdict.gap_interval[1]


def test_the_gap_has_the_interval_of_a_difference():
    """Newcombe 1998, table II (a), method 10: 56/70 against 48/80 gives 0.0524 to 0.3339."""

    def wilson(hits: int, n: int) -> SplitScore:
        z, p = 1.959964, hits / n
        centre, half = p + z * z / (2 * n), z * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
        interval = ((centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n))
        return SplitScore("any", n, {"accuracy": p}, {"accuracy": interval})

    verdict = judge(train=wilson(56, 70), test=wilson(48, 80))
    assert verdict.gap_interval == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_without_intervals_plain_differences_decide():
    bare = [
        SplitScore(name, 100, {"auroc": value}, {"auroc": None}) for name, value in [("train", 1.0), ("test", 0.95)]
    ]
    verdict = judge(train=bare[0], test=bare[1])
    assert (verdict.fit, verdict.gap_interval) == ("overfit", pytest.approx((0.05, 0.05)))


@pytest.mark.parametrize(("validation", "test", "want"), [(0.95, 0.90, True), (0.905, 0.90, False), (0.8, 0.9, False)])
def test_validation_above_test_beyond_chance_is_optimistic(validation, test, want):
    assert optimistic(validation=score("validation", validation), test=score("test", test)) is want
