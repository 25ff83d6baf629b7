"""Examples whose inputs are identical."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

DIGEST_BYTES = 16


def digest_rows(x: np.ndarray) -> np.ndarray:
    """(n,) of 16 opaque bytes: a fingerprint of each example's values."""
    rows = (row.encode() if isinstance(row, str) else row.tobytes() for row in x)
    digests = b"".join(blake2b(row, digest_size=DIGEST_BYTES).digest() for row in rows)
    return np.frombuffer(digests, f"V{DIGEST_BYTES}")


def both(digests: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(n,) of 16 opaque bytes: a fingerprint of each example's values and its target."""
    joined = np.concatenate([digests.view(np.uint8).reshape(len(y), -1), y.reshape(len(y), -1).view(np.uint8)], axis=1)
    return digest_rows(joined)


@dataclass(frozen=True)
class Duplicates:
    """Four masks over the examples, each (n,) bool; no example is in two of them."""

    also_in_test: np.ndarray  # outside the published test split, and in it too
    conflicting: np.ndarray  # outside it, with another label elsewhere outside it
    repeated: np.ndarray  # outside it, the same input and label as an earlier one
    repeated_in_test: np.ndarray  # inside it, the same input as an earlier one


def find_duplicates(digests: np.ndarray, y: np.ndarray, *, test: np.ndarray) -> Duplicates:
    """Compare every example with every other. test: (n,) bool, the published test split."""
    groups, group = np.unique(digests, return_inverse=True)
    in_test = np.zeros(len(groups), bool)
    in_test[group[test]] = True
    also_in_test = ~test & in_test[group]
    pool = ~test & ~also_in_test

    lowest = np.full(len(groups), np.iinfo(np.int64).max)
    highest = np.full(len(groups), -1)
    np.minimum.at(lowest, group[pool], y[pool])
    np.maximum.at(highest, group[pool], y[pool])
    conflicting = pool & (lowest < highest)[group]
    return Duplicates(
        also_in_test=also_in_test,
        conflicting=conflicting,
        repeated=_all_but_first(group, pool & ~conflicting),
        repeated_in_test=_all_but_first(group, test),
    )


def _all_but_first(group: np.ndarray, among: np.ndarray) -> np.ndarray:
    """(n,) bool: those `among` the examples whose group came before."""
    positions = np.flatnonzero(among)
    _, first = np.unique(group[positions], return_index=True)
    repeated = among.copy()
    repeated[positions[first]] = False
    return repeated
