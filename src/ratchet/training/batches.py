"""Batches sliced from tensors that lie in memory (or in a memory map), never collated item by item."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from ratchet.data.prepared import Normalised, Split
from ratchet.errors import ConfigError
from ratchet.texts import Ragged

EVALUATION_VALUES = 2**20  # input values in one evaluation batch: few large batches, bounded activations

Batch = tuple[Tensor, Tensor]
_BUCKET = 50  # batches of texts that are sorted by length together


class Pictures:
    """Pictures kept as uint8, (n, *shape), and normalised where a batch of them is taken: float32."""

    def __init__(self, stored: Tensor, mean: Tensor, std: Tensor) -> None:
        self.stored, self.mean, self.std = stored, mean, std

    def __len__(self) -> int:
        return len(self.stored)

    def __getitem__(self, rows: Any) -> Tensor:
        return self.stored[rows].to(torch.float32).sub_(self.mean).div_(self.std)


class Texts:
    """Texts as tokens, of which a batch is padded to its own longest, int64 (batch, tokens)."""

    def __init__(self, tokens: Ragged) -> None:
        self.tokens, self.lengths = tokens, torch.from_numpy(tokens.lengths)

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, rows: Tensor) -> Tensor:
        return torch.from_numpy(self.tokens[rows.numpy()])


Examples = Tensor | Pictures | Texts


def joined(one: Examples, other: Examples) -> Examples:
    """The examples of both, one after the other: a copy in memory."""
    if isinstance(one, Texts) or isinstance(other, Texts):
        assert isinstance(one, Texts)
        assert isinstance(other, Texts)
        return Texts(one.tokens.joined(other.tokens))
    if isinstance(one, Tensor) or isinstance(other, Tensor):
        return torch.cat([one[:], other[:]])
    return Pictures(torch.cat([one.stored, other.stored]), one.mean, one.std)


def as_tensors(split: Split) -> tuple[Examples, Tensor]:
    """(x, y) of a split without a copy: float32 (n, *shape) and targets (n, ...). Pages are read when they are used."""
    with warnings.catch_warnings():  # batches are copies, so nothing ever writes to the read-only map
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        y = torch.from_numpy(split.y)
        if isinstance(split.x, Ragged):
            return Texts(split.x), y
        if isinstance(split.x, Normalised):
            return Pictures(*map(torch.from_numpy, (split.x.stored, split.x.mean, split.x.std))), y
        return torch.from_numpy(split.x), y


def fitting(batch_size: int, *, examples: int, ranks: int) -> int:
    """The batch size, at most each rank's share of the examples. Raises ConfigError for more ranks than examples."""
    if ranks > examples:
        raise ConfigError(
            f"trainer.devices={ranks} is more than the {examples} training examples; type: trainer.devices=1"
        )
    return min(batch_size, examples // ranks)


@dataclass
class TrainingBatches:
    """One pass over the training data in an order drawn from (seed, epoch) alone.

    sampling: undersample draws as many examples of each class as the smallest has, others in each epoch; oversample as
    many as the largest has, each of them as often as the next of its class, give or take one.
    A batch size above the number of examples is that number: see `fitting`.
    Under data parallelism every rank draws the same order and takes every `ranks`-th batch; a tail that not
    every rank would get is left out. A last batch of one example is left out too: batch normalisation cannot
    use it.
    """

    x: Examples
    y: Tensor
    batch_size: int
    seed: int
    rank: int = 0
    ranks: int = 1
    epoch: int = 0
    one_batch: bool = False  # the first batch of epoch 0, again and again
    sampling: Literal["none", "oversample", "undersample"] = "none"
    examples: int = field(init=False)  # in one pass

    def __post_init__(self) -> None:
        self._classes: list[Tensor] = []  # the places of each class's examples
        self.examples = len(self.x)
        if self.sampling != "none":
            self._classes = [torch.nonzero(self.y == label)[:, 0] for label in torch.unique(self.y)]
            self.examples = len(self._classes) * self._of_each
        self.batch_size = fitting(self.batch_size, examples=self.examples, ranks=self.ranks)

    @property
    def _of_each(self) -> int:
        counts = [len(places) for places in self._classes]
        return min(counts) if self.sampling == "undersample" else max(counts)

    def __len__(self) -> int:
        if self.one_batch:
            return 1
        full, tail = divmod(self.examples, self.batch_size)
        batches = full + (tail > 1)
        return batches // self.ranks

    def __iter__(self) -> Iterator[Batch]:
        epoch = 0 if self.one_batch else self.epoch
        order = self._order(torch.Generator().manual_seed(self.seed * 1_000_003 + epoch))
        for number in range(len(self)):
            start = (number * self.ranks + self.rank) * self.batch_size
            chosen = order[start : start + self.batch_size]
            yield self.x[chosen], self.y[chosen]

    def _order(self, generator: torch.Generator) -> Tensor:
        """The places (examples,) of what a pass consists of."""
        order = torch.randperm(self.examples, generator=generator)
        if not self._classes:
            return self._alike_together(order, generator)
        drawn = []
        for places in self._classes:
            times, rest = divmod(self._of_each, len(places))
            drawn += [*times * [places], places[torch.randperm(len(places), generator=generator)[:rest]]]
        return self._alike_together(torch.cat(drawn)[order], generator)

    def _alike_together(self, order: Tensor, generator: torch.Generator) -> Tensor:
        """The same places; texts of about one length in a batch, which is then padded little, batches in any order."""
        if not isinstance(self.x, Texts):
            return order
        whole = len(order) // self.batch_size * self.batch_size
        buckets = torch.split(order[:whole], self.batch_size * _BUCKET)
        alike = [bucket[torch.argsort(self.x.lengths[bucket], stable=True)] for bucket in buckets]
        batches = torch.cat([*alike, order[:0]]).view(-1, self.batch_size)
        mixed = batches[torch.randperm(len(batches), generator=generator)]
        return torch.cat([mixed.flatten(), order[whole:]])


@dataclass
class EvaluationBatches:
    """One pass in order, texts the shortest first, in batches as large as memory allows. Every rank sees all of it."""

    x: Examples
    y: Tensor
    limit: int | None = None  # at most so many batches

    @property
    def batch_size(self) -> int:
        """Number of examples in a batch."""
        values = self.x.tokens.size if isinstance(self.x, Texts) else self.x[0].numel()
        return max(1, EVALUATION_VALUES // max(1, values))

    def __len__(self) -> int:
        batches = -(-len(self.x) // self.batch_size)
        return min(batches, self.limit or batches)

    def __iter__(self) -> Iterator[Batch]:
        order = torch.from_numpy(self.x.tokens.by_length()) if isinstance(self.x, Texts) else None
        for start in range(0, len(self) * self.batch_size, self.batch_size):
            rows: Any = slice(start, start + self.batch_size)
            rows = rows if order is None else order[rows]
            yield self.x[rows], self.y[rows]
