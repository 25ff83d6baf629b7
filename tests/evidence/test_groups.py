from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from scipy import stats

from ratchet.errors import EvidenceError
from ratchet.evidence.groups import compare_groups
from ratchet.evidence.intervals import t_interval

Rows = Mapping[str, Mapping[int, float]]

THREE: Rows = {
    "c": {0: 4, 1: 8, 2: 3},
    "b": {0: 9, 1: 11, 2: 13},
    "a": {0: 10, 1: 12, 2: 14},
}


def table(values: np.ndarray) -> dict[str, dict[int, float]]:
    return {f"row {row}": dict(enumerate(seeds.tolist())) for row, seeds in enumerate(values)}


def test_a_table_worked_by_hand():
    # Row means 12, 11, 5; seed means 23/3, 31/3, 30/3; residuals of a and of b -1/3, -1, 4/3, of c 2/3, 2, -8/3: their
    # squares sum to 52/3 over (3-1)(3-1) df: 13/3. a - b is 1 at every seed, variance 0: pooled, 2 * 13/3 / 3.
    # a - c is 6, 4, 11, variance 13, more than 26/3: the pair's own, 13/3. t(4) leaves 2.5 % above 2.776445.
    found = compare_groups(THREE, mode="max")
    assert [group.name for group in found.groups] == ["a", "b", "c"]
    assert (found.leader, found.alone, found.method, found.note) == ("a", False, "blocked", "")
    a, b, c = found.groups
    assert (a.gap, a.half_width, a.tied) == (None, None, False)
    assert (b.gap, b.half_width, b.tied) == (1, pytest.approx(2.776445 * (26 / 9) ** 0.5), True)
    assert (c.gap, c.half_width, c.tied) == (7, pytest.approx(2.776445 * (13 / 3) ** 0.5), False)
    # a's own interval: sd 2, t(2) leaves 2.5 % above 4.302653
    assert (a.n, a.mean, a.worst) == (3, 12, 10)
    assert (a.low, a.high) == pytest.approx((12 - 4.302653 * 2 / 3**0.5, 12 + 4.302653 * 2 / 3**0.5))


def test_no_interval_of_a_mean_leaves_the_metric_s_range():
    rows = {"a": {0: 0.88, 1: 1.0, 2: 1.0}, "b": {0: 0.0, 1: 0.05, 2: 0.0}}
    free, bounded = (compare_groups(rows, mode="max", within=within).groups for within in (None, (0.0, 1.0)))
    assert free[0].high > 1
    assert free[1].low < 0
    assert (bounded[0].low, bounded[0].high) == (free[0].low, 1.0)
    assert (bounded[1].low, bounded[1].high) == (0.0, free[1].high)
    assert [group.half_width for group in bounded] == [group.half_width for group in free]


def test_two_rows_are_the_paired_t_test():
    # differences 2, 1, 3: mean 2, variance 1; and 12 df pooled over two rows are the same 2 df
    found = compare_groups({"a": {0: 90, 1: 92, 2: 94}, "b": {0: 88, 1: 91, 2: 91}}, mode="max")
    assert found.groups[1].gap == 2
    assert found.groups[1].half_width == pytest.approx(4.302653 / 3**0.5)
    assert found.groups[1].tied


def test_a_lower_loss_leads():
    found = compare_groups(THREE, mode="min")
    assert found.leader == "c"
    assert found.groups[0].worst == 8
    assert found.groups[1].gap == 6
    assert found.groups[2].gap == 7


def test_unequal_seeds_are_compared_by_welch_and_the_note_says_so():
    rows = {"a": {0: 10.0, 1: 12.0}, "b": {0: 5.0, 1: 7.0, 2: 9.0}}
    found = compare_groups(rows, mode="max")
    interval = stats.ttest_ind([10, 12], [5, 7, 9], equal_var=False).confidence_interval()
    assert found.method == "welch"
    assert "Welch" in found.note
    assert found.groups[1].half_width == pytest.approx((interval.high - interval.low) / 2)
    same_number = {"a": {0: 10.0, 1: 12.0}, "b": {2: 5.0, 3: 7.0}}
    assert compare_groups(same_number, mode="max").method == "welch"


def test_the_level_is_that_of_every_interval():
    loose, strict = (compare_groups(THREE, mode="max", alpha=alpha) for alpha in (0.2, 0.01))
    assert loose.groups[1].half_width == pytest.approx(stats.t.isf(0.1, 4) * (26 / 9) ** 0.5)
    assert strict.groups[0].low == pytest.approx(12 - stats.t.isf(0.005, 2) * 2 / 3**0.5)


@pytest.mark.parametrize(
    ("rows", "method", "said"),
    [
        ({"a": {0: 0.9}}, "none", "nothing to compare"),
        ({"a": {0: 0.9, 1: 0.8}}, "none", "nothing to compare"),
        ({"a": {0: 0.9}, "b": {0: 0.1}}, "none", "One seed"),
        ({"a": {0: 0.9}, "b": {0: 0.1, 1: 0.2}}, "welch", "one seed has no error bar"),
        ({"a": {0: 0.9, 1: 0.9}, "b": {0: 0.1, 1: 0.1}}, "blocked", "seeds change nothing"),
        ({"a": {0: 0.9, 1: 0.9}, "b": {1: 0.1, 2: 0.1}}, "welch", "seeds change nothing"),
    ],
)
def test_without_an_error_bar_nothing_is_best(rows: Rows, method: str, said: str):
    found = compare_groups(rows, mode="max")
    assert (found.leader, found.alone, found.method) == ("a", False, method)
    assert said in found.note
    for group in found.groups[1:]:
        assert group.gap is not None
        assert group.gap > 0
        assert group.half_width is None
        assert group.tied


def test_rounding_is_no_error_bar():
    found = compare_groups({"a": {0: 0.1 + 0.2, 1: 0.3}, "b": {0: 0.1, 1: 0.1}}, mode="max")
    assert found.groups[1].half_width is None
    assert not found.alone


def test_a_row_that_seeds_do_not_change_is_weighed_beside_rows_that_they_change():
    rows = {"a": {0: 0.90, 1: 0.92, 2: 0.91}, "b": {0: 0.5, 1: 0.5, 2: 0.5}, "c": {0: 0.49, 1: 0.5, 2: 0.52}}
    found = compare_groups(rows, mode="max")
    assert found.alone
    flat = next(group for group in found.groups if group.name == "b")
    assert (flat.low, flat.high) == (None, None)
    assert flat.half_width is not None


def test_equal_rows_are_tied_and_the_first_by_name_leads():
    rows = {"b": {0: 1.0, 1: 2.0}, "a": {0: 1.0, 1: 2.0}}
    found = compare_groups(rows, mode="max")
    assert (found.leader, found.alone, found.groups[1].gap, found.groups[1].tied) == ("a", False, 0, True)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({}, "nothing to compare"),
        ({"cnn": {}}, "'cnn'"),
        ({"cnn": {0: 0.5, 1: float("nan")}}, "nan"),
        ({"cnn": {0: float("inf")}}, "inf"),
    ],
)
def test_what_cannot_be_compared_is_one_clear_line(rows: Rows, said: str):
    with pytest.raises(EvidenceError, match=said) as raised:
        compare_groups(rows, mode="max")
    assert "\n" not in str(raised.value)


def test_order_shift_scale_and_sign_change_nothing():
    values = np.random.default_rng(0).normal(size=(5, 4))
    rows = table(values)
    found = compare_groups(rows, mode="max")
    shuffled = {name: dict(reversed(rows[name].items())) for name in reversed(rows)}
    assert compare_groups(shuffled, mode="max") == found
    for other, mode, scale in [(values + 7, "max", 1), (values * 3, "max", 3), (-values, "min", 1)]:
        changed = compare_groups(table(other), mode=mode)
        assert [group.name for group in changed.groups] == [group.name for group in found.groups]
        for one, two in zip(found.groups[1:], changed.groups[1:], strict=True):
            assert (two.gap, two.half_width) == pytest.approx((scale * one.gap, scale * one.half_width))
            assert two.tied == one.tied


def test_a_seed_that_is_hard_for_all_rows_costs_no_width():
    values = np.random.default_rng(1).normal(size=(6, 5))
    blocks = np.array([0, 100, -50, 3, 8])
    for one, two in zip(
        *(compare_groups(table(v), mode="max").groups[1:] for v in (values, values + blocks)), strict=True
    ):
        assert two.half_width == pytest.approx(one.half_width)


def repeated(rows: int, seeds: int, *, ahead: float, repetitions: int, spread: float = 1.0) -> list:
    """Comparisons of normal rows of which the first is ahead, with blocks that all rows share."""
    rng = np.random.default_rng([rows, seeds])
    made = []
    for _ in range(repetitions):
        values = rng.normal(size=(rows, seeds)) * spread + 3 * rng.normal(size=seeds)
        values[0] += ahead
        made.append(compare_groups(table(values), mode="max"))
    return made


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_gaps_cover_the_truth_and_are_a_third_narrower_than_pairs_at_three_seeds(seeds: int):
    found = repeated(8, seeds, ahead=100, repetitions=500)
    behind = [group for each in found for group in each.groups[1:]]
    covered = np.mean([abs(group.gap - 100) <= group.half_width for group in behind])
    # 500 tables of 7 gaps that share the leader's error: standard error about 0.6 %
    assert 0.945 < covered < 0.98
    if seeds == 3:
        # a pair of unit variances, df 2: 4.30 * sqrt(2/3), times the mean of chi(2)/sqrt(2), 0.886
        pairwise = 4.302653 * (2 / 3) ** 0.5 * 0.8862
        assert np.mean([group.half_width for group in behind]) < 0.72 * pairwise


@pytest.mark.parametrize("seeds", [3, 5])
def test_two_equal_rows_are_told_apart_once_in_twenty(seeds: int):
    found = repeated(2, seeds, ahead=0, repetitions=2000)
    assert 0.035 < np.mean([each.alone for each in found]) < 0.065  # three standard errors of 0.49 %


def test_eight_equal_rows_hardly_ever_have_a_best_one():
    assert np.mean([each.alone for each in repeated(8, 3, ahead=0, repetitions=600)]) < 0.01


def test_a_real_lead_is_seen():
    assert np.mean([each.alone for each in repeated(2, 10, ahead=2, repetitions=300)]) > 0.9  # 0.98


def test_an_interval_is_that_of_scipy():
    values = [0.91, 0.93, 0.90, 0.95]
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.9)
    found = t_interval(values, alpha=0.1)
    assert (found.low, found.high, found.mean, found.n) == pytest.approx((low, high, 0.9225, 4))
