"""Cross-validation: train and validation together, cut into folds, each of which validates once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from ratchet.config.schema import Config
from ratchet.data.strata import strata
from ratchet.errors import DataError
from ratchet.tasks.base import TargetKind


@dataclass(frozen=True)
class Fold:
    """Number `number` of `of` folds, drawn by `seed`."""

    number: int
    of: int
    seed: int

    @classmethod
    def asked(cls, config: Config) -> Self | None:
        """The one on which a run validates, None where it does on the split that prepare set aside."""
        split = config.split
        return None if split.name == "holdout" else cls(split.fold_of(config.seed), split.folds, split.seed)

    def holds(self, y: np.ndarray, kind: TargetKind, names: Sequence[str], *, data: str) -> np.ndarray:
        """(n,) bool: which examples validate. A class has in each fold its share, to within one.

        Raises DataError for a class with fewer examples than folds.
        """
        of, strata_names = strata(y, kind=kind, names=names)
        counts = np.bincount(of, minlength=len(strata_names))
        if kind == "class" and counts.min() < self.of:
            rarest = int(counts.argmin())
            raise DataError(
                f"class {strata_names[rarest]} of {data} has {counts[rarest]} examples in train and validation, and "
                f"each of split.folds={self.of} needs one; type: split.folds={max(2, int(counts[rarest]))}"
            )
        if len(y) < self.of:
            raise DataError(f"{data} has {len(y)} examples to fold, split.folds={self.of}; type: split.folds=2")
        lots = np.random.default_rng(self.seed).permutation(len(y))
        order = lots[np.argsort(of[lots], kind="stable")]
        fold = np.empty(len(y), np.int64)
        fold[order] = np.arange(len(y)) % self.of
        held: np.ndarray = fold == self.number
        return held

    def hash_of(self, data_hash: str) -> str:
        """That of the data as all these folds have them: runs on different folds compare, others do not."""
        return hashlib.sha256(f"{data_hash} in {self.of} folds by {self.seed}".encode()).hexdigest()
