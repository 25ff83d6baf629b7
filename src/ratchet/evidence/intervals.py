"""Student's t intervals of means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from ratchet.errors import EvidenceError
from ratchet.metrics import Range


@dataclass(frozen=True)
class Interval:
    """A mean with its interval, in the values' unit; None where the values carry no error bar."""

    mean: float
    low: float | None
    high: float | None
    n: int


def t_interval(values: ArrayLike, *, alpha: float = 0.05, within: Range | None = None) -> Interval:
    """The two-sided interval of a mean at the level 1 - alpha (Student 1908), cut off at the ends of `within`.

    One value, or several that are all the same: no error bar.
    """
    found = finite(values, what="values", ndim=1)
    mean, n = float(found.mean()), len(found)
    if np.ptp(found) == 0:
        return Interval(float(found[0]), None, None, n)
    half = two_sided(n - 1, alpha=alpha) * float(found.std(ddof=1)) / n**0.5
    lowest, highest = within or (-np.inf, np.inf)
    return Interval(mean, max(mean - half, lowest), min(mean + half, highest), n)


def interval_at_an_end(end: Literal["low", "high"], *, n: float, within: Range, alpha: float = 0.05) -> Range:
    """What n examples say that are all right, or all wrong: the share of the others lies below 1 - (alpha/2)^(1/n).

    Clopper & Pearson 1934. `within`: the range of the metric, whose low or high `end` was measured.
    """
    low, high = within
    share = (high - low) * (1 - (alpha / 2) ** (1 / n))
    return (low, low + share) if end == "low" else (high - share, high)


def two_sided(df: float, *, alpha: float) -> float:
    """The quantile of t that leaves alpha/2 above it."""
    return one_sided(df, alpha=alpha / 2)


def one_sided(df: float, *, alpha: float) -> float:
    """The quantile of t that leaves alpha above it. (scipy.special loads in a fraction of scipy.stats' time.)"""
    return -float(special.stdtrit(df, alpha))


def above(t: float, df: float) -> float:
    """The probability that Student's t exceeds this one."""
    return float(special.stdtr(df, -t))


def finite(values: ArrayLike, *, what: str, ndim: int) -> NDArray[np.float64]:
    """The values as an array of ndim axes. EvidenceError where one is not finite, or there is none."""
    try:
        found = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise EvidenceError(f"the {what} are not a table of numbers: give every row the same length") from error
    if found.ndim != ndim or not found.size:
        raise EvidenceError(f"the {what} have the shape {found.shape}: {ndim} axes are needed, none of them empty")
    if not np.isfinite(found).all():
        place = ", ".join(str(int(k)) for k in np.argwhere(~np.isfinite(found))[0])
        raise EvidenceError(
            f"the {what} hold {found[~np.isfinite(found)][0]} at [{place}]: leave failed runs out, and name them"
        )
    return found
