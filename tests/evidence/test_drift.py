"""Drift: p values that are none too small among equals, and small where something differs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from ratchet.evidence.drift import (
    Sample,
    compared,
    fewer_right,
    holm,
    larger,
    same_distribution,
    same_shares,
    share_interval,
    stability,
)  # fmt: skip


def number(values):
    return Sample.of_numbers("x", np.asarray(values, float))


def category(codes, levels="abc"):
    return Sample.of_codes("x", np.asarray(codes, float), list(levels))


def test_the_distance_of_distributions_is_that_of_scipy():
    rng = np.random.default_rng(0)
    for n, m, moved in [(2000, 50, 0.0), (2000, 300, 0.3), (500, 500, 0.1)]:
        one, other = np.sort(rng.normal(size=n)), np.sort(rng.normal(size=m) + moved)
        assert same_distribution(one, other) == pytest.approx(stats.ks_2samp(one, other).pvalue, rel=0.15, abs=1e-3)
    assert same_distribution(np.arange(2000.0), np.array([1e9])) == pytest.approx(
        2 / 2001
    )  # what one value can say at most


def test_p_values_of_a_small_reference_are_exact():
    one, other = np.arange(20.0), np.sort(np.random.default_rng(3).normal(13, 5, 5000))
    wanted = stats.ks_2samp(one, other, method="exact").pvalue
    assert same_distribution(one, other) == same_distribution(other, one) == pytest.approx(wanted, rel=1e-9)


def test_two_samples_are_one_of_both():
    one, other = [3.0, np.nan, 1.0], [2.0, np.nan]
    assert (number(one) + number(other)).as_json() == number(one + other).as_json()
    assert (category([0, 1]) + category([np.nan, 1])).as_json() == category([0, 1, np.nan, 1]).as_json()


def test_shares_are_compared_as_scipy_does():
    one, other = np.array([60, 30, 10]), np.array([40, 45, 15])
    assert same_shares(one, other) == pytest.approx(stats.chi2_contingency([one, other]).pvalue)
    few = stats.fisher_exact([[1990, 10], [18, 2]]).pvalue
    assert few / 3 < same_shares(np.array([1990, 10]), np.array([18, 2])) < 3 * few
    assert same_shares(np.array([2000, 0, 0]), np.array([10, 0, 10])) < 1e-10  # a level that never was
    assert same_shares(np.array([5, 0]), np.array([7, 0])) == 1
    assert fewer_right((90, 100), (10, 30)) < 1e-6
    assert fewer_right((90, 100), (28, 30)) > 0.5
    assert larger(np.arange(50.0), np.arange(50.0) + 40) < 1e-6
    assert larger(np.arange(50.0), np.arange(50.0)) > 0.4
    assert share_interval(0, 20) == pytest.approx((0, 0.1684), abs=1e-4)
    assert share_interval(20, 20)[1] == 1


@pytest.mark.parametrize(
    ("old", "new", "asked"),
    [
        (number([1.0] * 50), number([1.0] * 50), []),  # constant in both
        (number([1.0] * 50), number([2.0] * 50), ["values"]),
        (number(np.arange(50)), number(np.arange(19)), []),  # too few
        (number(np.arange(19)), number(np.arange(50) + 99), []),
        (number(np.arange(50)), number([np.nan] * 50), ["gaps"]),
        (number([np.nan] * 50), number([np.nan] * 50), ["gaps"]),
        (category([0, 1, 2] * 9), category([np.nan] * 30), ["gaps"]),
        (category([0] * 50), category([0] * 50), []),
        (category([0] * 50), category([2] * 50), ["values"]),
        (number([]), number([]), []),
    ],
)
def test_what_cannot_differ_is_not_tested(old, new, asked):
    found = dict(compared(old, new))
    assert list(found) == asked
    equal = old.gaps == new.gaps == 50
    assert all(p == 1 if equal else p < 1e-6 for p in found.values())
    assert Sample.from_json(old.as_json()).as_json() == old.as_json()


def test_the_stability_index_is_nought_for_equals_and_large_for_another():
    values = np.random.default_rng(0).normal(size=1000)
    assert stability(number(values), number(values)) == pytest.approx(0)
    assert stability(number(values), number(values + 1)) > 0.5
    assert stability(category([0] * 50), category([1] * 50)) > 2
    assert stability(number(values), number([np.nan])) is None


def test_holms_correction():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.9]) == [1, 1]
    assert holm([]) == []


def test_among_equals_few_p_values_are_small():
    rng = np.random.default_rng(1)
    shares = [0.6, 0.3, 0.07, 0.03]
    numbers = [same_distribution(*(np.sort(rng.normal(size=n)) for n in (2000, 60))) for _ in range(400)]
    categories = [same_shares(rng.multinomial(2000, shares), rng.multinomial(60, shares)) for _ in range(400)]
    for found in (numbers, categories):
        assert np.mean(np.array(found) < 0.05) < 0.05 + 3 * (0.05 * 0.95 / 400) ** 0.5
