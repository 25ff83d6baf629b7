"""Four splits: train; validation, which searches read; confirm, for promotion; test, for evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal, get_args

import numpy as np

from ratchet.config.schema import DataConfig
from ratchet.data.cleaning import CleanExamples
from ratchet.data.targets import strata
from ratchet.errors import DataError

SplitName = Literal["train", "validation", "confirm", "test"]
SPLITS: tuple[SplitName, ...] = get_args(SplitName)


def split(clean: CleanExamples, *, config: DataConfig) -> dict[SplitName, np.ndarray]:
    """The positions of each split's examples, ascending. Every example is in exactly one split.

    Stratified: a class has in each split its share of the examples, to within one, and at least one example.
    Which examples go where hangs on their values and the seed alone: not on the order of the raw data, nor on
    a library's random generator. Raises DataError where the sizes asked for cannot be had.
    """
    settings = config.prepare
    rest = np.arange(len(clean.y))
    of, names = strata(clean.y, config=config)
    groups = _Strata(of, names)
    splits: dict[SplitName, np.ndarray] = {}
    if settings.test == "published":
        if clean.published_test is None or not clean.published_test.any():
            raise DataError(
                f"data.prepare.test=published, but {config.reader} found no published test split; "
                "a share or a count does; type: data.prepare.test=0.2"
            )
        splits["test"], rest = rest[clean.published_test], rest[~clean.published_test]
    _check_strata(groups.counts(rest), names, config, n_splits=3 if "test" in splits else 4)
    if settings.test != "published":
        splits["test"], rest = _carve(rest, clean, groups, config, name="test", size=_size(settings.test, len(rest)))
    # Confirm before validation: another size of validation leaves the examples of confirm as they were.
    sizes = {
        "confirm": _size(settings.confirm, len(rest)),
        "validation": _size(settings.validation, len(rest)),
    }
    splits["confirm"], rest = _carve(rest, clean, groups, config, name="confirm", size=sizes["confirm"])
    splits["validation"], rest = _carve(rest, clean, groups, config, name="validation", size=sizes["validation"])
    splits["train"] = rest
    return {name: splits[name] for name in SPLITS}


@dataclass(frozen=True)
class _Strata:
    """Groups of examples of which every split gets its share."""

    of: np.ndarray  # (n,) int64, the group of each example
    names: Sequence[str]

    def counts(self, positions: np.ndarray) -> np.ndarray:
        """How many of each are at the positions."""
        return np.bincount(self.of[positions], minlength=len(self.names))


def _size(amount: float, of: int) -> int:
    """A count stays; a share is taken of `of`."""
    return amount if isinstance(amount, int) else round(amount * of)


def _check_strata(counts: np.ndarray, names: Sequence[str], config: DataConfig, *, n_splits: int) -> None:
    rarest = int(counts.argmin())
    if counts[rarest] < n_splits:
        what = "class" if config.target_kind == "class" else "the target's"
        raise DataError(
            f"{what} {names[rarest]} of {config.name} has {counts[rarest]} examples to split, and "
            f"each of {n_splits} splits needs one; add some, or take it out in conf/data/{config.name}.yaml"
        )


def _carve(
    rest: np.ndarray, clean: CleanExamples, groups: _Strata, config: DataConfig, *, name: SplitName, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """(the positions that go to the split, the positions that stay), both ascending."""
    y = groups.of[rest]
    later = {"test": 3, "confirm": 2, "validation": 1, "train": 0}[name]  # splits that still need an example
    counts = groups.counts(rest)
    least, most = len(counts), len(rest) - later * len(counts)
    if not least <= size <= most:
        raise DataError(
            f"data.prepare.{name}={getattr(config.prepare, name)} asks for {size:,} of the {len(rest):,} "
            f"examples left to split; allowed are {least:,} to {most:,} (each class needs one in every split)"
        )
    key = f"{config.prepare.seed}/{name}".encode()
    order = np.argsort([_lot(digest, key) for digest in clean.digests[rest]], kind="stable")
    taken = np.zeros(len(rest), bool)
    for index, quota in enumerate(_quotas(counts, size=size, reserve=later)):
        taken[order[y[order] == index][:quota]] = True
    return rest[taken], rest[~taken]


def _lot(digest: np.void, key: bytes) -> int:
    return int.from_bytes(blake2b(digest.tobytes(), key=key, digest_size=8).digest()) >> 1


def _quotas(counts: np.ndarray, *, size: int, reserve: int) -> Sequence[int]:
    """How many of each class make up `size`: its share, rounded, at least 1, and `reserve` must remain."""
    share = size * counts / counts.sum()
    most = counts - reserve
    quotas = np.clip(np.floor(share).astype(int), 1, most)
    while (missing := size - quotas.sum()) != 0:
        step = 1 if missing > 0 else -1
        movable = quotas < most if step > 0 else quotas > 1
        owed = np.where(movable, step * (share - quotas), -np.inf)
        quotas[owed.argmax()] += step
    return [int(quota) for quota in quotas]
