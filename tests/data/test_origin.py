"""Splits that a column decides, and ids that stay with their examples from the raw rows to predictions.csv."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from data.test_splitting import examples, split_of
from ratchet.data.cleaning import CleanExamples
from ratchet.data.examples import SPLITS, Origin, RawExamples
from ratchet.errors import DataError

SHARES = {"validation": 0.2, "confirm": 0.2, "test": 0.25}


def known(counts: list[int], **origin: np.ndarray) -> CleanExamples:
    return replace(examples(counts), origin=Origin(**origin))


def test_a_group_is_in_one_split_and_sizes_are_about_those_asked_for():
    groups = np.array([f"person {k}" for k in np.arange(600) % 83])
    splits = split_of(known([300, 300], groups=groups), **SHARES)
    members = {name: set(groups[positions]) for name, positions in splits.items()}
    assert sum(map(len, members.values())) == len(set().union(*members.values())) == 83
    assert {name: len(splits[name]) for name in SPLITS} == {
        name: pytest.approx(size, abs=8) for name, size in zip(SPLITS, (270, 90, 90, 150), strict=True)
    }
    assert all(set(splits[n]) == set(p) for n, p in split_of(known([300, 300], groups=groups), **SHARES).items())


def test_splits_follow_each_other_in_time_and_one_moment_stays_together():
    times = np.random.default_rng(0).permutation(np.repeat(np.arange(100.0), 4))
    splits = split_of(known([200, 200], times=times), **SHARES)
    ends = [(times[splits[name]].min(), times[splits[name]].max()) for name in SPLITS]
    assert all(before[1] < after[0] for before, after in pairwise(ends))
    assert abs(len(splits["test"]) - 100) < 4


def test_a_column_says_the_split_and_what_it_does_not_say_is_carved_from_train():
    said = np.array(["train"] * 80 + ["test"] * 20)
    splits = split_of(known([50, 50], splits=said), validation=10, confirm=10, test=0.2)
    assert splits["test"].tolist() == list(range(80, 100))
    assert [len(splits[name]) for name in ("train", "validation", "confirm")] == [60, 10, 10]
    said = np.array(SPLITS)[np.arange(100) % 4]
    splits = split_of(known([50, 50], splits=said), validation=0.1, confirm=0.1, test=0.2)
    assert all((said[splits[name]] == name).all() and len(splits[name]) == 25 for name in SPLITS)


@pytest.mark.parametrize(
    ("origin", "said"),
    [
        ({"groups": np.array(["a", "b", "c"])[np.arange(100) % 3]}, "has 3 groups left to split, and 4 splits"),
        ({"times": np.zeros(100)}, "are all of one time"),
        ({"splits": np.array(["test", "confirm"])[np.arange(100) % 2]}, "no example of digits is meant for train"),
    ],
)
def test_what_cannot_be_split_is_said(origin, said):
    with pytest.raises(DataError, match=said):
        split_of(known([50, 50], **origin), **SHARES)


def test_a_class_that_a_split_lacks_is_named():
    data = known([50, 50])
    late = replace(data, origin=Origin(times=data.y * 100.0 + np.arange(100)))
    with pytest.raises(DataError, match=r"class 0 of digits is absent from the split test .*time=null$"):
        split_of(late, **SHARES)
    said = np.where(data.y == 0, "train", np.array(["train", "validation"])[np.arange(100) % 2])
    way = r"mark a row of that class as validation, or type: \S*split=null$"
    with pytest.raises(DataError, match=r"class 0 of digits is absent from the split validation .*; " + way):
        split_of(replace(data, origin=Origin(splits=said)), **SHARES)


def test_ids_stay_with_their_examples_and_must_be_as_many():
    assert Origin().of(np.array([4, 2])).ids.tolist() == [4, 2]
    named = Origin(ids=np.array(["a", "b", "c"]), times=np.arange(3.0)).of(np.array([2, 0]))
    assert (named.ids.tolist(), named.times.tolist(), named.groups) == (["c", "a"], [2.0, 0.0], None)
    with pytest.raises(DataError, match=r"2 in origin\.ids"):
        RawExamples(np.ones((3, 1)), np.zeros(3, int), origin=Origin(ids=np.array(["a", "b"])))
