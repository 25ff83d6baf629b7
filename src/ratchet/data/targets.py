"""What is to be predicted: from the labels or numbers that a reader hands over to an array, and what to say of it."""

from __future__ import annotations

import numpy as np

from ratchet.config.data_sections import DataConfig
from ratchet.data.requirements import class_indices
from ratchet.errors import DataError
from ratchet.names import listed, short
from ratchet.tasks.base import Target


def read_targets(y: np.ndarray, config: DataConfig) -> tuple[np.ndarray, np.ndarray, str]:
    """The targets as an array; which examples have one, (n,) bool; and what those have that have none, in words.

    Classes are int64 (n,), labels float32 (n, labels) of 0 and 1, numbers float32 (n,). Raises DataError where y is of
    another shape or type.
    """
    if config.target_kind == "class":
        indices = class_indices(y, config.classes)
        unknown = f"not one of the {len(config.classes)} classes"
        return indices, indices >= 0, unknown if config.table is None else "the target is missing"
    if config.target_kind == "labels":
        flags = _numbers(y)
        if flags.ndim != 2 or flags.shape[1] != len(config.classes):
            raise DataError(
                f"the labels of {config.name} have the shape {flags.shape}; they must be one row of "
                f"{len(config.classes)} flags an example, for {listed(map(short, config.classes))}"
            )
        known = ((flags == 0) | (flags == 1)).all(axis=1)
        return np.where(known[:, None], flags, 0).astype(np.float32), known, "a label that is neither 0 nor 1"
    numbers = _numbers(y)
    if numbers.ndim == 2 and numbers.shape[1] == 1:
        numbers = numbers[:, 0]
    if numbers.ndim != 1:
        raise DataError(f"the target of {config.name} has the shape {numbers.shape}; it must be one number an example")
    known = np.isfinite(numbers.astype(np.float32))
    return np.where(known, numbers, 0).astype(np.float32), known, "the target is missing, infinite or no number"


def _numbers(y: np.ndarray) -> np.ndarray:
    """y in float64, NaN where text is no number. Numbers too large for float32 become infinite there, not here."""
    if y.dtype.kind in "US":
        values, inverse = np.unique(y.astype(np.str_), return_inverse=True)
        return np.array([_number(value) for value in values], float)[inverse].reshape(y.shape)
    if y.dtype.kind not in "biuf":
        raise DataError(f"the targets are of the type {y.dtype}; they must be numbers")
    return y.astype(np.float64)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def describe_target(train: np.ndarray, *, config: DataConfig) -> Target:
    """The target, given the training split's. Raises DataError for a number that never varies."""
    if config.target_kind != "number":
        return Target(config.target_kind, tuple(config.classes))
    values = train.astype(np.float64)
    mean, std = (
        float(f"{value:.6g}") for value in (values.mean(), values.std())
    )  # the last digits hang on the machine
    if not std > 1e-12 * abs(mean):
        raise DataError(f"the target of {config.name} is {mean:g} in every training example: there is nothing to learn")
    return Target("number", (config.name,), mean, std)
