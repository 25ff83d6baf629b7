"""Groups of examples, of which every split and every fold gets its share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ratchet.tasks.base import TargetKind

_STRATA, _LEAST = 10, 20  # bands of a number, where each has so many examples at least


def strata(y: np.ndarray, *, kind: TargetKind, names: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """The stratum (n,) of each example, of which every split gets its share, and the strata's names.

    Classes are strata. Of labels each example belongs to the rarest that it has; a number to its band of tenths.
    """
    if kind == "class":
        return y, list(names)
    if kind == "labels":
        frequency = y.sum(axis=0)
        rarest = np.where(y > 0, frequency, np.inf).argmin(axis=1) + 1
        stratum = np.where(y.any(axis=1), rarest, 0)
        called = ["none", *names]
    else:
        bands = max(1, min(_STRATA, len(y) // _LEAST))
        ranks = np.empty(len(y), np.int64)
        ranks[np.argsort(y, kind="stable")] = np.arange(len(y))
        stratum, called = ranks * bands // max(1, len(y)), [f"band {k + 1}" for k in range(bands)]
    sizes = np.bincount(stratum, minlength=len(called))
    large = sizes >= _LEAST
    merged = np.where(large, np.cumsum(large) - 1, large.sum())[stratum]  # small ones together, as the last
    kept = [name for name, is_large in zip(called, large, strict=True) if is_large]
    return merged, kept if large[stratum].all() else [*kept, "the others"]
