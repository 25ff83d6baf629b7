"""Are these values drawn as those of a reference were? Tests for numbers and for categories, one verdict over many."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import special

FEWEST = 20  # values from which on they are tested
_EXPECTED = 5  # rows of each cell from which on chi-square's approximation holds (Cochran 1954)
_EXACT = 100  # values below which Kolmogorov and Smirnov's p is exact, which takes time
_BANDS = 10  # of numbers, for the population stability index

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Sample:
    """Values of one column: sorted numbers, or the counts of levels; and how many rows have a gap.

    levels: the names of the places of counts; None of numbers.
    """

    name: str
    values: Floats
    gaps: int = 0
    levels: tuple[str, ...] | None = None

    @classmethod
    def of_numbers(cls, name: str, values: NDArray[Any]) -> Self:
        """NaN is a gap."""
        gaps = np.isnan(values)
        return cls(name, np.sort(values[~gaps].astype(np.float64)), int(gaps.sum()))

    @classmethod
    def of_codes(cls, name: str, codes: NDArray[Any], levels: Sequence[str]) -> Self:
        """codes: places among the levels; NaN is a gap."""
        gaps = np.isnan(codes)
        counts = np.bincount(codes[~gaps].astype(np.int64), minlength=len(levels))
        return cls(name, counts.astype(np.float64), int(gaps.sum()), tuple(levels))

    def __add__(self, other: Sample) -> Sample:
        """The rows of both."""
        numbers = self.levels is None
        values = np.sort(np.concatenate([self.values, other.values])) if numbers else self.values + other.values
        return replace(self, values=values, gaps=self.gaps + other.gaps)

    @property
    def known(self) -> int:
        """Rows without a gap."""
        return int(self.values.sum()) if self.levels is not None else len(self.values)

    def as_json(self) -> dict[str, Any]:
        """Plain lists and scalars."""
        levels = None if self.levels is None else list(self.levels)
        return {"name": self.name, "gaps": self.gaps, "levels": levels, "values": self.values.tolist()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """What `as_json` wrote."""
        levels = content["levels"]
        values = np.array(content["values"], np.float64)
        return cls(content["name"], values, content["gaps"], None if levels is None else tuple(levels))


def compared(reference: Sample, new: Sample) -> Iterator[tuple[str, float]]:
    """What was asked of two samples, `values` or `gaps`, and its p value. What cannot differ is not asked."""
    whole = np.array([[reference.gaps, reference.known], [new.gaps, new.known]])
    if whole[:, 0].any() and whole[1].sum() >= FEWEST:
        yield "gaps", same_shares(*whole)
    if min(reference.known, new.known) < FEWEST:
        return
    if reference.levels is not None:
        if ((reference.values + new.values) > 0).sum() > 1:
            yield "values", same_shares(reference.values, new.values)
    elif min(reference.values[0], new.values[0]) < max(reference.values[-1], new.values[-1]):
        yield "values", same_distribution(reference.values, new.values)


def distance(one: Floats, other: Floats) -> float:
    """The largest difference of the distribution functions of sorted values (Kolmogorov and Smirnov)."""
    both = np.concatenate([one, other])
    shares = [np.searchsorted(each, both, side="right") / len(each) for each in (one, other)]
    return float(np.abs(shares[0] - shares[1]).max())


def same_distribution(one: Floats, other: Floats) -> float:
    """The p value of Kolmogorov and Smirnov's test of two sorted samples; with ties it is too large, never too small.

    Exact where one of them is small; else by the limit for a known distribution, at the effective number of values
    (Stephens 1970), but never less than what the samples' sizes allow.
    """
    if min(len(one), len(other)) < _EXACT:
        from scipy.stats import ks_2samp

        return float(ks_2samp(one, other, method="exact").pvalue)
    n = len(one) * len(other) / (len(one) + len(other))
    root = n**0.5
    limit = float(special.kolmogorov((root + 0.12 + 0.11 / root) * distance(one, other)))
    least = special.gammaln(len(one) + 1) + special.gammaln(len(other) + 1) - special.gammaln(len(one) + len(other) + 1)
    return min(1.0, max(limit, 2 * math.exp(least)))


def same_shares(one: NDArray[Any], other: NDArray[Any]) -> float:
    """The p value of equal shares of levels, by two rows of counts.

    Chi-square (Pearson 1900) where every cell can be expected to hold five rows; else each level against all others
    by Fisher's exact test, corrected for their number. Which of them depends on the sums alone, as the p value may.
    """
    table = np.array([one, other], np.float64)
    table = table[:, table.sum(axis=0) > 0]
    rows, columns, total = table.sum(axis=1), table.sum(axis=0), table.sum()
    if len(columns) < 2 or not rows.all():
        return 1.0
    expected = rows[:, None] * columns / total
    if len(columns) > 2 and expected.min() >= _EXPECTED:
        statistic = float(((table - expected) ** 2 / expected).sum())
        return float(special.chdtrc(len(columns) - 1, statistic))
    levels = len(columns) if len(columns) > 2 else 1
    return min(1.0, levels * float(_fisher(table[1, :levels], columns[:levels], rows[1], total).min()))


def fewer_right(reference: tuple[int, int], new: tuple[int, int]) -> float:
    """The p value of a share of right ones that did not fall (Fisher's exact test): each is (right, of how many)."""
    from scipy.stats import hypergeom

    right, told = reference[0] + new[0], reference[1] + new[1]
    return float(hypergeom.cdf(new[0], told, right, new[1]))


def larger(reference: Floats, new: Floats) -> float:
    """The p value of values that did not grow (Mann & Whitney 1947)."""
    from scipy.stats import mannwhitneyu

    return float(mannwhitneyu(new, reference, alternative="greater", method="asymptotic").pvalue)


def share_interval(right: int, told: int, *, alpha: float = 0.05) -> tuple[float, float]:
    """Of a share (Clopper & Pearson 1934)."""
    low = special.betaincinv(right, told - right + 1, alpha / 2) if right else 0.0
    high = special.betaincinv(right + 1, told - right, 1 - alpha / 2) if right < told else 1.0
    return float(low), float(high)


def _fisher(found: Floats, of_level: Floats, drawn: float, total: float) -> Floats:
    """Twice the smaller tail of the hypergeometric distribution: `drawn` of `total` rows, `of_level` of which count."""
    from scipy.stats import hypergeom

    low = hypergeom.cdf(found, total, of_level, drawn)
    high = hypergeom.sf(found - 1, total, of_level, drawn)
    return np.asarray(2 * np.minimum(low, high))


def stability(reference: Sample, new: Sample) -> float | None:
    """The population stability index: of numbers over tenths of the reference; None where there is nothing to compare.

    Half a row is added to each band, so that an empty one is not infinitely far. It is a size, and no test.
    """
    if not reference.known or not new.known:
        return None
    if reference.levels is None:
        edges = np.unique(np.quantile(reference.values, np.arange(1, _BANDS) / _BANDS))
        bands = [np.searchsorted(edges, each.values) for each in (reference, new)]
        counts = [np.bincount(each, minlength=len(edges) + 1).astype(np.float64) for each in bands]
    else:
        counts = [each.values for each in (reference, new)]
    one, other = ((each + 0.5) / (each + 0.5).sum() for each in counts)
    return float(((other - one) * np.log(other / one)).sum())


def holm(p: Sequence[float]) -> list[float]:
    """p values corrected for their number: any of true hypotheses is below alpha with the chance alpha (Holm 1979)."""
    order = np.argsort(p, kind="stable")
    corrected = np.maximum.accumulate(np.array(p, np.float64)[order] * np.arange(len(p), 0, -1))
    found = np.empty(len(p))
    found[order] = np.minimum(1.0, corrected)
    return [float(each) for each in found]
