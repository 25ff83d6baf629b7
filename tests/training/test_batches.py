"""Batches: every example once an epoch, in an order that (seed, epoch) alone decide, shared out among ranks."""

from __future__ import annotations

import pytest
import torch

from ratchet.errors import ConfigError
from ratchet.training.batches import EVALUATION_VALUES, EvaluationBatches, TrainingBatches

X, Y = torch.arange(10.0)[:, None], torch.arange(10)


def labels(batches: TrainingBatches) -> list[int]:
    return [int(label) for _, y in batches for label in y]


def test_every_example_once_and_x_stays_with_its_label() -> None:
    batches = TrainingBatches(X, Y, batch_size=4, seed=0)
    assert sorted(labels(batches)) == list(range(10))
    assert all(torch.equal(x[:, 0], y.float()) for x, y in batches)
    assert [len(y) for _, y in batches] == [4, 4, 2]
    assert len(batches) == 3


def test_order_comes_from_seed_and_epoch_alone() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        torch.manual_seed(torch.seed() % 1000)  # whatever the global generator has been through
        return labels(TrainingBatches(X, Y, batch_size=3, seed=seed, epoch=epoch))

    assert order(1, 5) == order(1, 5)
    assert len({tuple(order(seed, epoch)) for seed in (0, 1) for epoch in (0, 1)}) == 4


def test_a_last_batch_of_one_is_left_out() -> None:
    batches = TrainingBatches(X[:9], Y[:9], batch_size=4, seed=0)
    assert [len(y) for _, y in batches] == [4, 4]
    assert len(batches) == 2


def test_ranks_share_the_epoch_without_overlap_and_in_equal_numbers() -> None:
    ranks = [TrainingBatches(X, Y, batch_size=2, seed=3, rank=rank, ranks=2) for rank in range(2)]
    seen = [labels(batches) for batches in ranks]
    assert len(ranks[0]) == len(ranks[1]) == 2
    assert not set(seen[0]) & set(seen[1])


def test_one_batch_is_the_same_in_every_epoch() -> None:
    epochs = [labels(TrainingBatches(X, Y, batch_size=4, seed=0, epoch=epoch, one_batch=True)) for epoch in (0, 7)]
    assert epochs[0] == epochs[1]
    assert len(epochs[0]) == 4


@pytest.mark.parametrize(("size", "ranks", "fits"), [(11, 1, 10), (10, 1, 10), (6, 2, 5), (6, 3, 3), (100, 10, 1)])
def test_a_batch_is_at_most_a_rank_s_share_of_the_data(size: int, ranks: int, fits: int) -> None:
    for rank in range(ranks):
        batches = TrainingBatches(X, Y, batch_size=size, seed=0, rank=rank, ranks=ranks)
        assert batches.batch_size == fits
        assert [len(y) for _, y in batches] == [fits]
        assert len(batches) == 1


def test_more_ranks_than_examples_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"trainer\.devices=11 is more than the 10 training examples"):
        TrainingBatches(X, Y, batch_size=1, seed=0, ranks=11)


def test_evaluation_goes_in_order_in_batches_bounded_in_values() -> None:
    x = torch.zeros(5, EVALUATION_VALUES // 2)
    batches = EvaluationBatches(x, torch.arange(5))
    assert [y.tolist() for _, y in batches] == [[0, 1], [2, 3], [4]]
    assert len(batches) == 3
    assert [y.tolist() for _, y in EvaluationBatches(x, torch.arange(5), limit=1)] == [[0, 1]]


RARE = torch.tensor([0] * 95 + [1] * 5)  # 5 % positives


def drawn(sampling: str, *, epoch: int = 0, **others: int) -> list[int]:
    """The places of the examples of an epoch."""
    batches = TrainingBatches(
        torch.arange(100.0)[:, None], RARE, batch_size=10, seed=1, epoch=epoch, sampling=sampling, **others
    )
    return [int(place) for x, _ in batches for place in x[:, 0]]


def test_oversampling_has_as_many_of_each_class_and_every_example() -> None:
    times = [drawn("oversample").count(place) for place in range(100)]
    assert times == [1] * 95 + [19] * 5


def test_undersampling_has_each_rare_example_once_and_other_frequent_ones_in_each_epoch() -> None:
    first, second = drawn("undersample"), drawn("undersample", epoch=1)
    for places in (first, second):
        assert len(set(places)) == len(places) == 10
        assert sorted(places)[5:] == [95, 96, 97, 98, 99]
    assert set(first) != set(second)


@pytest.mark.parametrize("sampling", ["oversample", "undersample"])
def test_what_is_drawn_comes_from_seed_and_epoch_alone_and_ranks_share_it(sampling: str) -> None:
    assert drawn(sampling, epoch=3) == drawn(sampling, epoch=3)
    assert drawn(sampling, epoch=3) != drawn(sampling, epoch=4)
    whole, half = drawn(sampling, epoch=3), drawn(sampling, epoch=3, rank=1, ranks=2)
    size = 10 if sampling == "oversample" else 5  # a batch is at most a rank's share
    batches = [whole[start : start + size] for start in range(0, len(whole), size)]
    assert half == [place for batch in batches[1::2] for place in batch]


def test_batches_of_an_oversampled_epoch_are_about_balanced() -> None:
    batches = TrainingBatches(torch.zeros(100, 1), RARE, batch_size=50, seed=0, sampling="oversample")
    assert all(15 <= int(y.sum()) <= 35 for _, y in batches)


def test_a_batch_is_at_most_what_is_drawn() -> None:
    batches = TrainingBatches(torch.zeros(100, 1), RARE, batch_size=100, seed=0, sampling="undersample")
    assert (batches.batch_size, len(batches)) == (10, 1)
