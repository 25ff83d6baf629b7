"""Zero mean and unit variance, by what the training split says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ratchet.texts import Ragged

Kind = Literal["feature", "channel", "none"]

_ROWS = 1024  # at a time, so that float64 copies stay small
_VALUES = 2**22  # likewise: of large examples fewer


@dataclass(frozen=True)
class Normalisation:
    """x becomes (x - mean) / std."""

    kind: Kind
    mean: np.ndarray  # float32, broadcasts against one example
    std: np.ndarray  # likewise; 1 where the training split is constant

    def apply(self, x: np.ndarray) -> np.ndarray:
        """x (n, *shape) of any number type -> float32 (n, *shape), C-contiguous."""
        normalised = x.astype(np.float32)
        if self.kind != "none":
            normalised -= self.mean
            normalised /= self.std
        return normalised


def fit(x: np.ndarray | Ragged, positions: np.ndarray, *, kind: Kind) -> Normalisation:
    """Statistics over `positions` of x (n, channels, ...): the training split's, and nothing else.

    feature: one mean and one standard deviation for every value of an example; channel: one for every
    channel. Population standard deviation.
    """
    shape = x.shape[1:]
    if kind == "none" or isinstance(x, Ragged):
        return Normalisation(kind, np.zeros(1, np.float32), np.ones(1, np.float32))
    kept_shape = shape if kind == "feature" else (shape[0],) + (1,) * (len(shape) - 1)
    per_example = int(np.prod(shape)) // int(np.prod(kept_shape))
    mean = _sum(x, positions, kept_shape, centre=None) / (len(positions) * per_example)
    variance = _sum(x, positions, kept_shape, centre=mean) / (len(positions) * per_example)
    std = np.sqrt(variance)
    # What is constant but for rounding has no scale: dividing by it would blow up noise.
    constant = std <= np.finfo(np.float32).eps * np.abs(mean)
    return Normalisation(kind, _rounded(mean), _rounded(np.where(constant, 1.0, std)))


def constant_features(x: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """(*shape) bool: the features with one and the same value in all `positions`."""
    first = x[positions[0]]
    constant = np.ones(x.shape[1:], bool)
    for rows in pieces(positions, first.size, most=_ROWS):
        constant &= (x[rows] == first).all(axis=0)
    return constant


def _sum(x: np.ndarray, positions: np.ndarray, shape: tuple[int, ...], *, centre: np.ndarray | None) -> np.ndarray:
    """Sums in float64 down to `shape`: of the values, or of their squared distance to `centre`."""
    axes = (0, *(axis + 1 for axis, length in enumerate(shape) if length != x.shape[axis + 1]))
    total = np.zeros(shape)
    for rows in pieces(positions, int(np.prod(x.shape[1:])), most=_ROWS):
        values = x[rows].astype(np.float64)
        if centre is not None:
            values = (values - centre) ** 2
        total += values.sum(axis=axes, keepdims=True)[0]
    return total


def pieces(positions: np.ndarray, values: int, *, most: int) -> Iterator[np.ndarray]:
    """The positions of examples of so many values each, some at a time: at most so many, and at most 4 million values.

    Copies of them in float64 stay small.
    """
    step = min(most, max(1, _VALUES // values))
    for start in range(0, len(positions), step):
        yield positions[start : start + step]


def _rounded(values: np.ndarray) -> np.ndarray:
    """Six digits: the order of summation differs between processors, the prepared arrays must not."""
    return np.array([float(f"{value:.6g}") for value in values.ravel()], np.float32).reshape(values.shape)
