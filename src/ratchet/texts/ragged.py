"""Examples of different lengths: their tokens one after the other, padded where a batch of them is taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Self

import numpy as np

PADDING = -1  # no token: what a network must not see
NUMBERS_OF_A_TOKEN = 64  # that a network makes of it, roughly: what bounds the memory of a batch


@dataclass(frozen=True)
class Ragged:
    """n texts. values: int32, the tokens of all; offsets: int64 (n + 1,), where each begins; longest: tokens at most.

    Behaves as an array (n, longest) of which a batch is cut to its own longest text, as int64.
    """

    values: np.ndarray
    offsets: np.ndarray
    longest: int

    @classmethod
    def of_lists(cls, texts: Sequence[Sequence[int]], longest: int) -> Self:
        """Texts as lists of tokens, in their order."""
        offsets = np.zeros(len(texts) + 1, np.int64)
        np.cumsum([len(text) for text in texts], out=offsets[1:])
        return cls(np.fromiter(chain.from_iterable(texts), np.int32, count=int(offsets[-1])), offsets, longest)

    @classmethod
    def of_parts(cls, parts: Sequence[Self]) -> Self:
        """Texts of several, one after the other."""
        lengths = np.concatenate([part.lengths for part in parts])
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return cls(np.concatenate([part.values for part in parts]), offsets, parts[0].longest)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def shape(self) -> tuple[int, int]:
        """Return the number of texts, and of tokens in the longest that may be."""
        return len(self), self.longest

    @property
    def size(self) -> int:
        """Return how many numbers a network makes of the longest text, roughly."""
        return self.longest * NUMBERS_OF_A_TOKEN

    @property
    def lengths(self) -> np.ndarray:
        """(n,) int64, the tokens of each."""
        return np.diff(self.offsets)

    def by_length(self) -> np.ndarray:
        """Return the places of all texts, the shortest first."""
        return np.argsort(self.lengths, kind="stable")

    def __getitem__(self, rows: Any) -> np.ndarray:
        """int64 (rows, the longest of them), with PADDING behind each shorter text."""
        starts = self.offsets[:-1][rows]
        lengths = self.offsets[1:][rows] - starts
        places = np.arange(lengths.max(initial=1))
        inside = places < lengths[:, None]
        padded: np.ndarray = np.full(inside.shape, PADDING, np.int64)
        padded[inside] = self.values[(starts[:, None] + places)[inside]]
        return padded

    def of(self, rows: np.ndarray) -> Self:
        """The texts at these places, or where these flags are true: a copy in memory."""
        lengths = self.lengths[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        places = np.arange(offsets[-1]) + np.repeat(self.offsets[:-1][rows] - offsets[:-1], lengths)
        return type(self)(self.values[places], offsets, self.longest)

    def joined(self, other: Self) -> Self:
        """Return the texts of both, one after the other: a copy in memory."""
        return type(self).of_parts([self, other])
