"""Texts one after the other: what a batch of them is, and what becomes of the padding."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ratchet.data.prepared import Split
from ratchet.models import TextBag, TextTransformer
from ratchet.texts import PADDING, Ragged
from ratchet.training.batches import EvaluationBatches, TrainingBatches, as_tensors, joined

LISTS = [[5, 6, 7], [1], [2, 3], [9, 9, 9, 9]]


def some(n: int = 200, vocabulary: int = 40) -> Ragged:
    rng = np.random.default_rng(0)
    return Ragged.of_lists([rng.integers(0, vocabulary, rng.integers(1, 30)).tolist() for _ in range(n)], 32)


def test_a_batch_is_as_long_as_its_longest_text() -> None:
    texts = Ragged.of_lists(LISTS, 8)
    assert (len(texts), texts.shape, texts.values.dtype) == (4, (4, 8), np.dtype("int32"))
    assert texts[np.array([2, 1])].tolist() == [[2, 3], [1, PADDING]]
    assert texts[1:3].tolist() == [[1, PADDING], [2, 3]]
    assert texts[np.array([False, True, False, False])].tolist() == [[1]]
    assert texts.by_length().tolist() == [1, 2, 0, 3]


@pytest.mark.parametrize("rows", [[3, 0], [1], [], [2, 2]])
def test_a_part_and_two_parts_together(rows: list[int]) -> None:
    texts = Ragged.of_lists(LISTS, 8)
    part = texts.of(np.array(rows, np.int64))
    assert [part[k : k + 1][0].tolist() for k in range(len(part))] == [LISTS[row] for row in rows]
    both = texts.joined(part)
    assert both.lengths.tolist() == [*map(len, LISTS), *(len(LISTS[row]) for row in rows)]
    assert both.values.tolist() == [*texts.values, *part.values]


def test_batches_of_training_are_of_about_one_length_and_hang_on_seed_and_epoch_alone() -> None:
    x, y = as_tensors(Split(some(), np.arange(200)))
    first, again = ([*TrainingBatches(x, y, batch_size=16, seed=3, epoch=1)] for _ in range(2))
    other = [*TrainingBatches(x, y, batch_size=16, seed=3, epoch=2)]
    assert [part[1].tolist() for part in first] == [part[1].tolist() for part in again]
    assert [part[1].tolist() for part in first] != [part[1].tolist() for part in other]
    assert sorted(torch.cat([targets for _, targets in first]).tolist()) == list(range(200))
    assert all((tokens == torch.from_numpy(some()[targets.numpy()])).all() for tokens, targets in first)
    padded = sum(int((tokens == PADDING).sum()) for tokens, _ in first[:-1])
    assert padded < 0.1 * some().values.size
    widths = [tokens.shape[1] for tokens, _ in first[:-1]]
    assert widths != sorted(widths), "batches come in any order"


def test_an_evaluation_sees_every_text_once() -> None:
    x, y = as_tensors(Split(some(), np.arange(200)))
    found = [*EvaluationBatches(x, y)]
    assert sorted(torch.cat([targets for _, targets in found]).tolist()) == list(range(200))
    assert all((tokens == torch.from_numpy(some()[targets.numpy()])).all() for tokens, targets in found)
    assert len(joined(x, x)) == 400


@pytest.mark.parametrize("network", [TextBag, TextTransformer])
def test_padding_changes_no_output(network: type) -> None:
    torch.manual_seed(0)
    model = network(input_shape=(32,), n_outputs=3, vocabulary=40).eval()
    texts = some(32)
    with torch.no_grad():
        together = model(torch.from_numpy(texts[:]))
        alone = torch.cat([model(torch.from_numpy(texts[k : k + 1])) for k in range(32)])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-6)
    assert together.std(dim=0).min() > 1e-4, "it hangs on the text"
