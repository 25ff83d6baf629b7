from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy import stats

from ratchet.errors import EvidenceError
from ratchet.evidence.gate import ALPHA, LOOKS, SINGLE_ALPHA, Evidence, weigh

NOISE = np.random.default_rng(3).normal(size=(15, 40))


def test_all_three_variances_worked_by_hand():
    # Mean 4. Seed means 2 and 6, variance 8, S = 8/2. Example means 1 and 7, variance 18, E = 18/2. What is left is 1
    # and -1 crosswise: squares 4 over 1 df, I = 4/(2*2). S + E - I = 12. df = 144 / (16/1 + 81/1 + 1/1).
    found = weigh(np.array([[0.0, 4.0], [2.0, 10.0]]), looks=(2,))
    df = 144 / 98
    assert (found.pairs, found.examples, found.gain) == (2, 2, 4)
    assert (found.error**2, found.df) == pytest.approx((12, df))
    assert found.p == pytest.approx(stats.t.sf(4 / 12**0.5, df))
    assert found.lower == pytest.approx(4 - stats.t.isf(0.02, df) * 12**0.5)
    assert (found.seeds_share, found.examples_share) == pytest.approx((4 / 13, 9 / 13))
    assert found.smallest_gain == pytest.approx((stats.t.isf(0.02, df) + stats.t.isf(0.2, df)) * 12**0.5)
    assert (found.verdict, found.deterministic) == ("ahead, not proved", False)


def test_the_smallest_gain_is_that_of_the_last_look():
    # The same table, with four seeds: what is the seeds' alone halves, S = 2, I = 1/2; E = (9 - 1) + 1/2. In all 10,
    # df = 100 / (4/3 + 72.25/1 + 0.25/3).
    found = weigh(np.array([[0.0, 4.0], [2.0, 10.0]]), looks=(2, 4), min_effect=1.0)
    df = 100 / (4 / 3 + 72.25 + 0.25 / 3)
    assert found.smallest_gain == pytest.approx(1 + (stats.t.isf(0.02, df) + stats.t.isf(0.2, df)) * 10**0.5)


def test_the_largest_part_where_the_sum_is_less():
    # Seed means 1 and 2, S = 0.5/2. Example means 2, 1, 1.5, E = 0.25/3. Left: -.5, -.5, 1 and the opposite: 3, 2 df,
    # I = 1.5/6. S + E - I = 1/12 is less than S = 1/4. df = (1/16) / (1/16 + (1/144)/2 + (1/16)/2).
    found = weigh(np.array([[1.0, 0.0, 2.0], [3.0, 2.0, 1.0]]), looks=(2,))
    assert found.error**2 == pytest.approx(0.25)
    assert found.df == pytest.approx((1 / 16) / (1 / 16 + 1 / 288 + 1 / 32))
    turned = weigh(np.array([[1.0, 0.0, 2.0], [3.0, 2.0, 1.0]]).T, looks=(3,))
    assert turned.error == pytest.approx(found.error)  # seeds and examples in each other's place
    assert turned.df == pytest.approx(found.df)
    assert turned.seeds_share == pytest.approx(found.examples_share)


def test_where_seeds_change_nothing_examples_decide_at_one_look():
    # Gains 1, 0, 1, 0, 1, 0, 0, 1, 1 on nine examples: mean 5/9, variance 5/18; t = (5/9) / sqrt(5/162) = 3.162 on 8 df
    row = np.array([1.0, 0, 1, 0, 1, 0, 0, 1, 1])
    found = weigh(np.tile(row, (5, 1)))
    reference = stats.ttest_1samp(row, 0, alternative="greater")
    assert found.deterministic
    assert (found.p, found.df) == pytest.approx((reference.pvalue, 8))
    assert (found.seeds_share, found.examples_share) == (0, 1)
    assert found.lower == pytest.approx(reference.confidence_interval(0.95).low)
    assert found.verdict == "proved"
    assert weigh(np.tile(row, (5, 1)), single_alpha=0.001).verdict == "ahead, not proved"  # no further look
    assert weigh(np.tile(row, (3, 1))).verdict == "continue"  # before the look


def scaled(p: float, pairs: int = 5) -> np.ndarray:
    """Differences whose test has this p."""
    noise = NOISE[:pairs] - NOISE[:pairs].mean()
    error = weigh(noise + 1, looks=(pairs,))
    return noise + stats.t.isf(p, error.df) * error.error


@pytest.mark.parametrize(
    ("pairs", "p", "verdict"),
    [
        (5, 0.019, "proved"), (5, 0.021, "continue"), (5, 0.45, "continue"), (5, 0.51, "not ahead"),
        (10, 0.019, "proved"), (10, 0.021, "continue"), (10, 0.51, "not ahead"),
        (15, 0.019, "proved"), (15, 0.021, "ahead, not proved"), (15, 0.51, "not ahead"),
        (4, 0.0001, "continue"), (7, 0.0001, "continue"), (7, 0.9, "continue"), (14, 0.0001, "continue"),
    ],
)  # fmt: skip
def test_verdicts(pairs: int, p: float, verdict: str):
    found = weigh(scaled(p, pairs))
    assert found.p == pytest.approx(p)
    assert found.verdict == verdict


def test_the_rules_are_those_that_were_simulated():
    assert (LOOKS, ALPHA, SINGLE_ALPHA) == ((5, 10, 15), 0.02, 0.05)


def test_the_bound_and_the_p_agree():
    for p in (0.001, 0.019, 0.021, 0.3):
        for least in (0.0, 0.4, -0.2):
            found = weigh(scaled(p) + least, min_effect=least)
            assert found.p == pytest.approx(p)
            assert (found.lower > least) == (found.p < ALPHA)


def test_a_gain_must_be_more_than_the_least_that_is_asked_for():
    gains = scaled(0.001)
    assert weigh(gains).verdict == "proved"
    assert weigh(gains, min_effect=float(gains.mean())).p == pytest.approx(0.5)
    assert weigh(gains, min_effect=float(gains.mean())).verdict == "continue"


def figures(evidence: Evidence) -> list[float]:
    return [value for value in asdict(evidence).values() if isinstance(value, float)]


def test_the_order_of_seeds_and_of_examples_has_no_part():
    gains, rng = scaled(0.03), np.random.default_rng(0)
    shuffled = rng.permutation(rng.permutation(gains, axis=0), axis=1)
    assert figures(weigh(shuffled)) == pytest.approx(figures(weigh(gains)))


def test_units_have_no_part():
    gains, found = scaled(0.03), weigh(scaled(0.03))
    percent = weigh(100 * gains)
    assert (percent.p, percent.df, percent.seeds_share) == pytest.approx((found.p, found.df, found.seeds_share))
    assert (percent.gain, percent.error, percent.lower, percent.smallest_gain) == pytest.approx(
        tuple(100 * x for x in (found.gain, found.error, found.lower, found.smallest_gain))
    )


def test_the_other_way_round_is_the_other_tail():
    gains = scaled(0.03)
    assert weigh(-gains).p == pytest.approx(1 - weigh(gains).p)
    assert weigh(-gains).verdict == "not ahead"


def test_one_run_or_one_example():
    row = np.array([[0.0, 1, 1, 0, 1]])
    assert weigh(row, looks=(1,)).p == pytest.approx(stats.ttest_1samp(row[0], 0, alternative="greater").pvalue)
    assert not weigh(row).deterministic  # a single seed does not show what seeds change
    column = row.T
    assert weigh(column).p == pytest.approx(stats.ttest_1samp(row[0], 0, alternative="greater").pvalue)
    assert weigh(column).examples_share == 0


@pytest.mark.parametrize(("value", "p", "verdict"), [(0.0, 1.0, "not ahead"), (-0.5, 1.0, "not ahead")])
def test_no_difference_at_all(value: float, p: float, verdict: str):
    found = weigh(np.full((5, 30), value))
    assert (found.gain, found.lower, found.error, found.p, found.verdict) == (value, value, 0, p, verdict)
    assert (found.seeds_share, found.examples_share) == (0, 0)


def test_the_same_gain_on_every_example_is_a_sign_test():
    assert weigh(np.ones((5, 4))).p == 0.5**4
    assert weigh(np.ones((5, 4))).verdict == "ahead, not proved"
    assert weigh(np.ones((5, 5))).verdict == "proved"
    assert weigh(np.ones((5, 5)), min_effect=1.0).verdict == "ahead, not proved"


@pytest.mark.parametrize(
    ("differences", "said"),
    [
        (np.empty((0, 4)), "shape"),
        (np.empty((4, 0)), "shape"),
        (np.zeros(4), "axes"),
        (np.array([[1.0, np.nan], [0.0, 1.0]]), "nan at"),
        (np.array([[1.0, np.inf]]), "inf at"),
        ([[1.0, 2.0], [3.0]], "same length"),
        (np.ones((1, 1)), "one run on one example"),
        (np.ones((16, 3)), "16 pairs"),
    ],
)
def test_what_cannot_be_weighed_is_one_clear_line(differences: np.ndarray, said: str):
    with pytest.raises(EvidenceError, match=said) as raised:
        weigh(differences)
    assert "\n" not in str(raised.value)


def draws(seeds: float, examples: float, noise: float, n: int, rng: np.random.Generator) -> np.ndarray:
    """Differences (15, n) of two that are equally good."""
    return (
        seeds * rng.normal(size=(15, 1)) + examples * rng.normal(size=n) + noise * rng.normal(size=(15, n))
    )  # fmt: skip


SHAPES = {  # standard deviations of seeds, of examples, of both; and the examples
    "seeds": (1.0, 0.5, 1.0, 40),
    "examples": (0.02, 1.0, 1.0, 150),
    "alike": (0.25, 1.5, 1.5, 40),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_look_errs_as_often_as_it_says(shape: str):
    rng = np.random.default_rng(11)
    p = np.array([weigh(draws(*SHAPES[shape], rng)[:5], looks=(5,)).p for _ in range(3000)])
    for level in (0.02, 0.05):
        # the rule leans to the safe side: the largest part where the sum is less
        assert level / 2.2 < (p <= level).mean() < level + 3 * (level / 3000) ** 0.5


def test_the_error_is_that_of_the_mean():
    # Of 2,000 means of tables of 5 seeds and 40 examples: the variances that were put in, 1/5 + 2.25/40 + 1/200
    rng = np.random.default_rng(12)
    found = [weigh(draws(1.0, 1.5, 1.0, 40, rng)[:5], looks=(5,)) for _ in range(2000)]
    assert np.mean([each.error**2 for each in found]) == pytest.approx(1 / 5 + 2.25 / 40 + 1 / 200, rel=0.06)
    assert np.var([each.gain for each in found]) == pytest.approx(1 / 5 + 2.25 / 40 + 1 / 200, rel=0.1)


def test_a_gain_of_the_smallest_size_is_mostly_proved():
    rng = np.random.default_rng(13)
    smallest = np.median([weigh(draws(0.25, 1.5, 1.5, 60, rng)).smallest_gain for _ in range(200)])
    proved = [weigh(draws(0.25, 1.5, 1.5, 60, rng) + smallest).verdict == "proved" for _ in range(800)]
    assert 0.74 < np.mean(proved) < 0.86  # 0.8 by design, three standard errors of 1.4 %


def test_evidence_is_plain():
    found = weigh(scaled(0.03))
    assert all(type(value) in (int, float, str, bool) for value in asdict(found).values())
    assert replace(found, deterministic=True) != found
