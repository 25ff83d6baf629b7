from __future__ import annotations

import pytest

from ratchet.evaluation.verdict import BaselineScore, SplitScore, judge, optimistic


def score(split: str, accuracy: float, half_width: float = 0.01) -> SplitScore:
    interval = (accuracy - half_width, min(1.0, accuracy + half_width))
    return SplitScore(split, 1000, {"accuracy": accuracy}, {"accuracy": interval})


def baseline(name: str, value: float, *, gain: float, half_width: float = 0.02) -> BaselineScore:
    interval = (gain - half_width, gain + half_width)
    return BaselineScore(name, "", score("test", value), "accuracy", value, gain, interval)


@pytest.mark.parametrize(
    ("train", "test", "half_width", "majority", "fit"),
    [
        (0.99, 0.985, 0.005, 0.1, "fits"),  # no more apart than by chance
        (0.99, 0.90, 0.01, 0.1, "overfit"),  # far above test
        (0.99, 0.95, 0.05, 0.1, "fits"),  # as far as chance may take it
        (0.98, 0.97, 0.001, 0.1, "overfit"),  # surely above, if only by a point
        (0.40, 0.39, 0.01, 0.1, "fits"),  # bad on what it has seen, but nothing shows that more can be learnt
        (0.40, 0.395, 0.01, 0.39, "underfit"),  # the majority class does as well
        (0.40, 0.30, 0.01, 0.29, "underfit"),  # both, and the training error is the larger part
        (0.80, 0.40, 0.01, 0.39, "overfit"),  # both, and the gap is the larger part
        (0.70, 0.75, 0.01, 0.8, "underfit"),  # test above train, and below a baseline
    ],
)
def test_verdict(train, test, half_width, majority, fit):
    verdict = judge(
        train=score("train", train, half_width), test=score("test", test, half_width),
        baselines=[baseline("majority class", majority, gain=test - majority)],
    )  # fmt: skip
    assert verdict.fit == fit
    assert f"{train:.1%}" in verdict.reason
    assert verdict.gap == pytest.approx(train - test)
    assert verdict.gap_interval[0] < verdict.gap < verdict.gap_interval[1]


def test_a_baseline_that_is_better_on_test_than_the_model_on_train_shows_underfit():
    linear = baseline("logistic regression", 0.8, gain=-0.4)
    verdict = judge(
        train=score("train", 0.4), test=score("test", 0.4), baselines=[baseline("majority", 0.1, gain=0.3), linear]
    )
    assert verdict.fit == "underfit"
    assert verdict.reason.endswith("and logistic regression has 80.0% on test")


@pytest.mark.parametrize(
    ("gain", "said"),
    [
        (0.05, "better than every baseline; than linear, the nearest, by +5.0 points of accuracy (+3.0 to +7.0)"),
        (0.01, "not shown to be better than the baseline linear: +1.0 points of accuracy (-1.0 to "),
        (-0.05, "worse than the baseline linear: -5.0 points of accuracy (-7.0 to -3.0)"),
    ],
)
def test_the_verdict_says_whether_a_net_beats_the_baselines(gain, said):
    beside = [baseline("majority", 0.1, gain=0.8), baseline("linear", 0.9 - gain, gain=gain)]
    assert said in judge(train=score("train", 0.9), test=score("test", 0.9), baselines=beside).beside


def test_without_baselines_nothing_is_said_of_them():
    verdict = judge(train=score("train", 0.1), test=score("test", 0.1))
    assert (verdict.fit, verdict.beside) == ("fits", "")


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
