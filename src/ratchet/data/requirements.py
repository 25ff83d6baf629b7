"""What every example must be: an array of the config's shape, finite numbers, with a label of a known class."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from ratchet.errors import DataError

_EXACT_IN_FLOAT32 = 2  # bytes: every integer of this size is a float32 of the same value
_ROWS = 4096  # looked at together


def has_shape(x: np.ndarray | Sequence[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """(n,) bool. Axes of length 1 do not count, and a flat example has the shape if its length does."""
    accepted = {(prod(shape),), _squeezed(shape)}
    if isinstance(x, np.ndarray):
        return np.full(len(x), _squeezed(x.shape[1:]) in accepted)
    return np.array([_squeezed(np.shape(example)) in accepted for example in x], bool)


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(length for length in shape if length != 1)


def stack(x: np.ndarray | Sequence[np.ndarray], positions: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """(m, *shape): the examples at `positions`, in float32 unless they are small integers, which take less room.

    What is too large for float32 becomes infinite. Raises DataError where the examples are not numbers.
    """
    if isinstance(x, np.ndarray):
        stacked = x if len(positions) == len(x) else x[positions]
    else:
        rows = [np.reshape(x[position], shape) for position in positions]
        stacked = np.stack(rows) if rows else np.empty((0, *shape), np.float32)
    if stacked.dtype.kind not in "biuf":
        raise DataError(f"the raw examples are of type {stacked.dtype}; they must be numbers")
    if stacked.dtype.kind not in "iu" or stacked.dtype.itemsize > _EXACT_IN_FLOAT32:
        with np.errstate(over="ignore"):
            stacked = stacked.astype(np.float32)
        stacked += 0.0  # -0.0 becomes 0.0: equal values must have equal bytes
    return stacked.reshape(len(stacked), *shape)


def class_indices(y: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """(n,) int64: the index of each label's class, -1 where there is none. Names come before numbers."""
    if y.ndim != 1 or y.dtype.kind not in "biufUS":
        raise DataError(f"the labels are {y.dtype} of shape {y.shape}; they must be one index or name an example")
    if y.dtype.kind in "US":
        known = {name: index for index, name in enumerate(classes)}
        labels, inverse = np.unique(y.astype(np.str_), return_inverse=True)
        y = np.array([known.get(label, _number(label)) for label in labels], float)[inverse]
    indices = y.astype(np.float64)
    within = (indices >= 0) & (indices < len(classes)) & (indices == np.floor(indices))
    return np.where(within, indices, -1).astype(np.int64)


def _number(label: str) -> float:
    try:
        return float(label)
    except ValueError:
        return -1.0


def is_finite(x: np.ndarray) -> np.ndarray:
    """Return which examples have finite values only, as (n,) bool."""
    finite = np.ones(len(x), bool)
    if x.dtype.kind == "f":
        for start in range(0, len(x), _ROWS):
            rows = slice(start, start + _ROWS)
            finite[rows] = np.isfinite(x[rows]).reshape(len(x[rows]), -1).all(axis=1)
    return finite
