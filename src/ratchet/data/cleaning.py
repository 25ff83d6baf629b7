"""What cannot be learnt from is taken out before anything is split, and counted with the reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ratchet.config.data_sections import DataConfig
from ratchet.data.array_files import kept_rows
from ratchet.data.duplicates import both, digest_rows, find_duplicates
from ratchet.data.examples import Origin, RawExamples
from ratchet.data.requirements import has_shape, is_finite, stack
from ratchet.data.targets import read_targets
from ratchet.errors import DataError
from ratchet.names import short

_SHOWN = 10
_NAMED = 3  # unreadable examples, in a finding


@dataclass(frozen=True)
class Finding:
    """Something that cleaning looked for."""

    reason: str  # one of the words that the card lists
    why: str  # what is wrong with such examples, and what becomes of them, for a person
    found: int
    removed: int
    first: tuple[int, ...]  # positions of the first ten in the raw data, from 0


@dataclass(frozen=True)
class CleanExamples:
    """Examples that can be learnt from: finite, of one shape, with a label that the config knows."""

    x: np.ndarray  # (n, *shape), float32 or a small integer type; of texts (n,) str objects
    y: np.ndarray  # (n,) int64, 0 to n_classes - 1; or what else targets.py makes of the target
    published_test: np.ndarray | None  # (n,) bool
    digests: np.ndarray  # (n,) a fingerprint of every x: equal where and only where x is equal
    findings: tuple[Finding, ...]
    origin: Origin = field(default_factory=Origin)


def clean(raw: RawExamples, *, config: DataConfig) -> CleanExamples:
    """Take out wrong shapes, labels out of range, blank texts, non-finite values and exact duplicates, in this order.

    A published test split keeps its duplicates, so that figures on it compare with published ones; a
    training example that it holds too is taken out of training. Where identical inputs have different labels
    nobody knows which is right: all of them go. Raises DataError when nothing is left.
    """
    published = raw.published_test if config.prepare.test == "published" or config.folder else None
    test = np.zeros(len(raw.y), bool) if published is None else np.asarray(published, bool)
    labels = np.asarray(raw.y)
    y, known, otherwise = read_targets(labels, config)

    sieve = _Sieve(np.arange(len(y)), raw.place)
    if raw.unreadable:
        sieve.findings.append(_unreadable(raw))
    shape = tuple(np.shape(raw.x)[1:]) if config.shape is None else tuple(config.shape)
    misfit = ~has_shape(raw.x, shape)
    sieve.take_out(misfit, "wrong_shape", f"not of the shape {list(shape)}", show=lambda i: np.shape(raw.x[i]))
    missing = config.table is not None or config.target_kind == "number"
    reason = "missing_target" if missing else "unknown_label"
    sieve.take_out(~known[sieve.left], reason, otherwise, show=lambda i: short(repr(labels[i].tolist())))
    if config.texts is not None:
        texts = np.asarray(raw.x)[sieve.left]
        blank = np.array([not text for text in texts], bool)
        x = texts[sieve.take_out(blank, "blank_text", f"column {short(str(config.texts.text))} holds no text")]
    else:
        x = stack(raw.x, sieve.left, shape)
    if raw.table is None and config.texts is None:  # a table's gaps are filled by what the training split says
        wrong = ~is_finite(x)
        values = dict(zip(sieve.left[wrong][:1].tolist(), x[wrong][:1], strict=True))
        show = lambda i: values[i][~np.isfinite(values[i])][0]  # noqa: E731 - as those above
        x = kept_rows(x, sieve.take_out(wrong, "not_finite", "NaN, infinity, or too large for float32", show=show))
    digests = digest_rows(x)
    kept = _take_out_duplicates(
        sieve, digests, y, test, drop=config.prepare.duplicates == "drop", one_answer=config.target_kind == "class"
    )
    if not kept.any():
        raise DataError(_nothing_left(sieve.findings, config))
    left = sieve.left
    published = None if published is None else test[left]
    origin = raw.origin.of(left)
    return CleanExamples(kept_rows(x, kept), y[left], published, digests[kept], tuple(sieve.findings), origin)


def _unreadable(raw: RawExamples) -> Finding:
    some = "; ".join(f"{short(name)}: {why}" for name, why in list(raw.unreadable.items())[:_NAMED])
    more = "; ..." if len(raw.unreadable) > _NAMED else ""
    return Finding("unreadable", f"cannot be read ({some}{more})", len(raw.unreadable), len(raw.unreadable), ())


@dataclass
class _Sieve:
    """Positions in the raw data: those still in, and a finding for each reason to be out."""

    left: np.ndarray
    place: Callable[[int], str] | None = None  # see RawExamples
    findings: list[Finding] = field(default_factory=list)

    def note(self, found: np.ndarray, reason: str, why: str, *, removed: bool) -> None:
        """found: bool, one for each that is left. Takes nothing out."""
        positions = self.left[found]
        first = tuple(int(position) for position in positions[:_SHOWN])
        self.findings.append(Finding(reason, why, len(positions), len(positions) if removed else 0, first))

    def take_out(
        self, found: np.ndarray, reason: str, why: str, *, show: Callable[[int], object] | None = None
    ) -> np.ndarray:
        """Note and take out what was found; the opposite of `found`. show: what an example has instead."""
        if show is not None and found.any():
            first = int(self.left[found][0])
            why += f" ({self.place(first) if self.place is not None else f'example {first} has {show(first)}'})"
        self.note(found, reason, why, removed=True)
        self.left = self.left[~found]
        kept: np.ndarray = ~found
        return kept


def _take_out_duplicates(
    sieve: _Sieve, digests: np.ndarray, y: np.ndarray, test: np.ndarray, *, drop: bool, one_answer: bool
) -> np.ndarray:
    """Which examples stay: bool, one for each that was left.

    one_answer: whether the same input with another target is a contradiction, as of classes; of numbers it is not.
    """
    targets = y[sieve.left]
    if not one_answer:
        digests, targets = both(digests, targets), np.zeros(len(targets), np.int64)
    found = find_duplicates(digests, targets, test=test[sieve.left])
    kept = "" if drop else "; kept, as duplicates=keep asks"
    in_test = "repeated within the published test split; kept as published"
    sieve.note(found.repeated_in_test, "duplicate_in_test", in_test, removed=False)
    also_in_test = f"the same input is in the published test split{kept}"
    sieve.note(found.also_in_test, "also_in_test", also_in_test, removed=drop)
    conflicting = f"the same input has different labels: nobody knows which is right{kept}"
    sieve.note(found.conflicting, "conflicting_labels", conflicting, removed=drop)
    sieve.note(found.repeated, "duplicate", f"an identical example came before{kept}", removed=drop)
    if not drop:
        return np.ones(len(sieve.left), bool)
    stays: np.ndarray = ~(found.also_in_test | found.conflicting | found.repeated)
    sieve.left = sieve.left[stays]
    return stays


def _nothing_left(findings: Sequence[Finding], config: DataConfig) -> str:
    reasons = ", ".join(f"{item.removed:,} {item.reason}: {item.why}" for item in findings if item.removed)
    look = f"look at shape, classes and reader in conf/data/{config.name}.yaml"
    return (
        f"no example of {config.name} is left after cleaning ({reasons or 'the raw data is empty'}); "
        f"{'mend the file, then type the same again' if config.described() else look}"
    )
