"""Invariants of the four splits, on data sets of many sizes and balances."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from data.conftest import shipped_config
from ratchet.data.cleaning import CleanExamples
from ratchet.data.duplicates import digest_rows
from ratchet.data.examples import SPLITS, SplitName
from ratchet.data.splitting import split
from ratchet.errors import DataError


def examples(counts: list[int], *, n_test: int = 0) -> CleanExamples:
    """As many examples of each class as `counts` says, mixed; the last `n_test` of them are the published test."""
    y = np.random.default_rng(1).permutation(np.repeat(np.arange(len(counts)), counts))
    x = np.arange(len(y), dtype=np.float32).reshape(-1, 1, 1)
    published = np.arange(len(y)) >= len(y) - n_test if n_test else None
    return CleanExamples(x, y, published, digest_rows(x), ())


def split_of(data: CleanExamples, **prepare: Any) -> dict[SplitName, np.ndarray]:
    n_classes = int(data.y.max()) + 1
    config = shipped_config("digits", **prepare)
    return split(data, config=config.model_copy(update={"classes": [str(i) for i in range(n_classes)]}))


@pytest.mark.parametrize("counts", [[50, 50], [4, 4], [400, 4], [100, 30, 7], [20] * 10])
@pytest.mark.parametrize("seed", [0, 1])
def test_every_example_is_in_exactly_one_split(counts: list[int], seed: int) -> None:
    splits = split_of(examples(counts), validation=0.25, confirm=0.25, test=0.25, seed=seed)
    assert list(splits) == list(SPLITS)
    everything = np.concatenate(list(splits.values()))
    assert sorted(everything) == list(range(sum(counts)))
    for positions in splits.values():
        assert (np.diff(positions) > 0).all()


@pytest.mark.parametrize("counts", [[50, 50], [400, 40], [100, 30, 70], [97, 201, 33, 58]])
def test_each_class_has_its_share_in_each_split(counts: list[int]) -> None:
    data = examples(counts)
    splits = split_of(data, validation=0.2, confirm=0.1, test=0.3)
    for positions in splits.values():
        share = np.array(counts) * len(positions) / sum(counts)
        # A split is carved from what earlier ones left, each within one: three times, for the last.
        assert np.abs(np.bincount(data.y[positions]) - share).max() < 3


def test_a_rare_class_is_in_every_split() -> None:
    data = examples([1000, 4])
    splits = split_of(data, validation=100, confirm=100, test=100)
    assert [np.bincount(data.y[positions])[1] for positions in splits.values()] == [1, 1, 1, 1]


def test_counts_are_met_exactly_and_shares_are_of_what_is_not_test() -> None:
    data = examples([300, 300, 300])
    sizes = {name: len(positions) for name, positions in split_of(data, validation=123, confirm=57, test=91).items()}
    assert sizes == {"train": 629, "validation": 123, "confirm": 57, "test": 91}
    sizes = {name: len(positions) for name, positions in split_of(data, validation=0.5, confirm=0.25, test=0.2).items()}
    assert sizes == {"train": 180, "validation": 360, "confirm": 180, "test": 180}


def test_a_published_test_split_is_kept_as_published() -> None:
    splits = split_of(examples([40, 40], n_test=20), validation=10, confirm=10, test="published")
    assert splits["test"].tolist() == list(range(60, 80))
    assert len(splits["train"]) == 40


def test_the_seed_alone_changes_who_goes_where() -> None:
    data = examples([100, 100])
    first, again, other = (split_of(data, seed=seed) for seed in (0, 0, 1))
    for name in SPLITS:
        np.testing.assert_array_equal(first[name], again[name])
        assert len(first[name]) == len(other[name])
        assert set(first[name]) != set(other[name])


def test_the_order_of_the_raw_data_changes_nothing() -> None:
    data = examples([60, 90])
    order = np.random.default_rng(3).permutation(150)
    shuffled = CleanExamples(data.x[order], data.y[order], None, data.digests[order], ())
    for name in SPLITS:
        values = data.x[split_of(data)[name]].ravel()
        assert set(values) == set(shuffled.x[split_of(shuffled)[name]].ravel())


@pytest.mark.parametrize("inputs", [400, 50], ids=["each its own input", "inputs of several targets"])
def test_neither_where_targets_are_equal_numbers(inputs: int) -> None:
    random = np.random.default_rng(1)
    x = (np.arange(400) % inputs).astype(np.float32).reshape(-1, 1)
    y = random.integers(0, 9, 400).astype(np.float32)
    config = shipped_config("digits", validation=0.2, confirm=0.2, test=0.2)
    config = config.model_copy(update={"target_kind": "number", "classes": []})

    def drawn(order: np.ndarray) -> dict[SplitName, list[list[float]]]:
        data = CleanExamples(x[order], y[order], None, digest_rows(x[order]), ())
        splits = split(data, config=config)
        return {name: sorted([*data.x[i].tolist(), float(data.y[i])] for i in at) for name, at in splits.items()}

    assert drawn(np.arange(400)) == drawn(random.permutation(400))


def test_another_size_of_validation_leaves_confirm_and_test_alone() -> None:
    data = examples([100, 100])
    small, large = split_of(data, validation=10), split_of(data, validation=50)
    for name in ("confirm", "test"):
        np.testing.assert_array_equal(small[name], large[name])
    assert set(small["validation"]) <= set(large["validation"])


@pytest.mark.parametrize(
    ("counts", "prepare", "message"),
    [
        ([50, 3], {}, "class 1 of digits has 3 examples to split, and each of 4 splits needs one"),
        ([50, 50], {"validation": 100, "confirm": 2, "test": 2}, "allowed are 2 to 94"),
        ([50, 50], {"validation": 1, "confirm": 2, "test": 2}, r"data.prepare.validation=1 asks for 1 of the 96"),
        ([50, 50], {"test": 98}, "data.prepare.test=98 asks for 98 of the 100"),
        ([50, 50], {"test": "published"}, "a share or a count does; type: data.prepare.test=0.2"),
    ],
)
def test_sizes_that_cannot_be_had_are_refused(counts: list[int], prepare: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        split_of(examples(counts), **prepare)
