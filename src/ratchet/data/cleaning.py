"""What cannot be learnt from is taken out before anything is split, and counted with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from ratchet.config.schema import DataConfig
from ratchet.data.duplicates import digest_rows, find_duplicates
from ratchet.data.examples import RawExamples
from ratchet.errors import DataError

_EXACT_IN_FLOAT32 = 2  # bytes: every integer of this size is a float32 of the same value
_SHOWN = 10


@dataclass(frozen=True)
class Finding:
    """Something that cleaning looked for."""

    reason: str  # one of the words that the card lists
    why: str  # what becomes of such examples, for a person
    found: int
    removed: int
    first: tuple[int, ...]  # positions of the first ten in the raw data, from 0


@dataclass(frozen=True)
class CleanExamples:
    """Examples that can be learnt from: finite, of one shape, with a label that the config knows."""

    x: np.ndarray  # (n, *shape), float32 or a small integer type
    y: np.ndarray  # (n,) int64, 0 to n_classes - 1
    published_test: np.ndarray | None  # (n,) bool
    digests: np.ndarray  # (n,) a fingerprint of every x: equal where and only where x is equal
    findings: tuple[Finding, ...]


def clean(raw: RawExamples, *, config: DataConfig) -> CleanExamples:
    """Take out wrong shapes, labels out of range, non-finite values and exact duplicates, in this order.

    A published test split keeps its duplicates, so that figures on it compare with published ones; a
    training example that it holds too is taken out of training. Where identical inputs have different labels
    nobody knows which is right: all of them go. Raises DataError when nothing is left.
    """
    published = raw.published_test if config.prepare.test == "published" else None
    test = np.zeros(len(raw.y), bool) if published is None else np.asarray(published, bool)
    fits = _has_shape(raw.x, tuple(config.shape))
    y = _class_indices(np.asarray(raw.y), config.classes)
    x, index = _stack(raw.x, fits, tuple(config.shape)), np.flatnonzero(fits)
    findings = [
        _finding("wrong_shape", np.flatnonzero(~fits), f"an example must have the shape {config.shape}")
    ]

    known = y[index] >= 0
    findings.append(
        _finding("unknown_label", index[~known], f"a label must be one of {len(config.classes)} classes")
    )
    x, index = _select(x, index, known)
    finite = _is_finite(x)
    findings.append(_finding("not_finite", index[~finite], "NaN, infinity, or too large for float32"))
    x, index = _select(x, index, finite)

    digests = digest_rows(x)
    unique, duplicate_findings = _without_duplicates(digests, y[index], test[index], index, config)
    findings += duplicate_findings
    if not unique.any():
        raise DataError(_nothing_left(findings, config))
    x, index = _select(x, index, unique)
    return CleanExamples(
        x, y[index], None if published is None else test[index], digests[unique], tuple(findings)
    )


def _select(x: np.ndarray, index: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return (x, index) if mask.all() else (x[mask], index[mask])


def _finding(reason: str, positions: np.ndarray, why: str, *, removed: bool = True) -> Finding:
    first = tuple(int(position) for position in positions[:_SHOWN])
    return Finding(reason, why, len(positions), len(positions) if removed else 0, first)


def _has_shape(x: np.ndarray | Sequence[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """(n,) bool. A flat example, or one without its axes of length 1, has the shape if it can be given it."""
    accepted = {shape, (prod(shape),), tuple(length for length in shape if length > 1)}
    if isinstance(x, np.ndarray):
        return np.full(len(x), x.shape[1:] in accepted)
    return np.array([np.shape(example) in accepted for example in x], bool)


def _stack(x: np.ndarray | Sequence[np.ndarray], fits: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """(m, *shape): the examples that fit, in float32 unless they are small integers, which take less room."""
    if isinstance(x, np.ndarray):
        stacked = x if fits.all() else x[fits]
    else:
        rows = [np.reshape(example, shape) for example, fit in zip(x, fits, strict=True) if fit]
        stacked = np.stack(rows) if rows else np.empty((0, *shape), np.float32)
    if stacked.dtype.kind not in "biuf":
        raise DataError(f"the raw examples are of type {stacked.dtype}; they must be numbers")
    if stacked.dtype.kind not in "iu" or stacked.dtype.itemsize > _EXACT_IN_FLOAT32:
        with np.errstate(over="ignore"):  # what overflows is infinite, and found as such
            stacked = stacked.astype(np.float32)
        stacked += 0.0  # -0.0 becomes 0.0: equal values must have equal bytes
    return stacked.reshape(len(stacked), *shape)


def _class_indices(y: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """(n,) int64: the index of each label's class, -1 where there is none. Names come before numbers."""
    if y.dtype.kind in "US":
        known = {name: index for index, name in enumerate(classes)}
        labels, inverse = np.unique(y.astype(np.str_), return_inverse=True)
        indices = [known[label] if label in known else _number(label) for label in labels]
        y = np.array(indices, float)[inverse]
    elif y.dtype.kind not in "biuf" or y.ndim != 1:
        raise DataError(
            f"the labels are {y.dtype} of shape {y.shape}; they must be one index or name an example"
        )
    with np.errstate(invalid="ignore"):
        known_index = (y >= 0) & (y < len(classes)) & (y == np.floor(y))
    return np.where(known_index, y, -1).astype(np.int64)


def _number(label: str) -> float:
    try:
        return float(label)
    except ValueError:
        return -1.0


def _is_finite(x: np.ndarray) -> np.ndarray:
    """(n,) bool."""
    if x.dtype.kind != "f":
        return np.ones(len(x), bool)
    return np.array([bool(np.isfinite(example).all()) for example in x], bool)


def _without_duplicates(
    digests: np.ndarray, y: np.ndarray, test: np.ndarray, index: np.ndarray, config: DataConfig
) -> tuple[np.ndarray, list[Finding]]:
    """Which examples stay, (n,) bool, and what was found."""
    found = find_duplicates(digests, y, test=test)
    drop = config.prepare.duplicates == "drop"
    kept = "" if drop else "; kept, as duplicates=keep asks"
    reasons = {
        "also_in_test": (found.also_in_test, "the same input is in the published test split"),
        "conflicting_labels": (found.conflicting, "identical inputs with different labels; all of them go"),
        "duplicate": (found.repeated, "an identical example came before; one stays"),
    }
    findings = [
        _finding(reason, index[mask], why + kept, removed=drop) for reason, (mask, why) in reasons.items()
    ]
    why = "repeats within the published test split; kept as published"
    findings.append(_finding("duplicate_in_test", index[found.repeated_in_test], why, removed=False))
    gone = found.also_in_test | found.conflicting | found.repeated
    return (~gone if drop else np.ones(len(index), bool)), findings


def _nothing_left(findings: Sequence[Finding], config: DataConfig) -> str:
    reasons = ", ".join(f"{item.removed:,} {item.reason} ({item.why})" for item in findings if item.removed)
    return (
        f"no example of {config.name} is left after cleaning: {reasons or 'the raw data is empty'}; "
        f"look at shape, classes and reader in conf/data/{config.name}.yaml"
    )
