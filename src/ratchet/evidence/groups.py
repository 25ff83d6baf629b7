"""Which row of a table is best, which ones cannot be told from it, and by how much.

The leader's gap to each other row is tested at alpha, two-sided and uncorrected: the leader is called best only where
it is told from every other row (Gutmann & Maymin 1987; Hung & Fithian 2019, arXiv:1610.03944). Seeds are the
sample: what a table says holds for other seeds on the same examples; for other examples the gate asks (gate.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ratchet.errors import EvidenceError
from ratchet.evidence.intervals import finite, t_interval, two_sided
from ratchet.metrics import Range

Method = Literal["blocked", "welch", "none"]


@dataclass(frozen=True)
class Group:
    """A row of the table. Values are in the metric's unit."""

    name: str
    n: int
    mean: float
    low: float | None  # t interval of the mean; None with one seed, or where every seed gives the same value
    high: float | None
    worst: float
    gap: float | None  # how far behind the leader, >= 0; None for the leader
    half_width: float | None  # of the gap's interval; None for the leader, and where seeds say nothing of it
    tied: bool  # cannot be told from the leader, also where half_width is None; False for the leader itself


@dataclass(frozen=True)
class Comparison:
    """Rows of one table, best first."""

    groups: tuple[Group, ...]
    leader: str  # the row with the best mean; of equal ones the first by name
    alone: bool  # the leader may be called best: it is told from every other row
    method: Method
    note: str  # a sentence, or empty


def compare_groups(
    groups: Mapping[str, Mapping[int, float]], *, mode: Literal["max", "min"], alpha: float = 0.05,
    within: Range | None = None,
) -> Comparison:  # fmt: skip
    """Compare {row: {seed: value}}. `within`: the range of the metric, which no interval of a mean leaves.

    Raises EvidenceError where there is no row, a row has no value, or one is not finite.
    """
    rows = {name: checked(name, seeds) for name, seeds in groups.items()}
    if not rows:
        raise EvidenceError("there is nothing to compare: name at least one finished run")
    sign = 1.0 if mode == "max" else -1.0
    means = {name: float(np.mean(list(seeds.values()))) for name, seeds in rows.items()}
    order = sorted(rows, key=lambda name: (-sign * means[name], name))
    leader, *others = order
    method = method_of(rows)
    halves = half_widths(rows, leader, method=method, alpha=alpha)
    made = [row(leader, rows[leader], sign, alpha=alpha, within=within)]
    for name in others:
        gap = sign * (means[leader] - means[name])
        made.append(row(name, rows[name], sign, alpha=alpha, within=within, gap=gap, half_width=halves[name]))
    alone = bool(others) and not any(group.tied for group in made[1:])
    return Comparison(tuple(made), leader, alone, method, note(rows, halves, method))


def checked(name: str, seeds: Mapping[int, float]) -> dict[int, float]:
    """Return a row's values in the order of the seeds."""
    values = finite(list(seeds.values()), what=f"values of {name!r}", ndim=1)
    return dict(sorted(zip(seeds, values.tolist(), strict=True)))


def row(
    name: str, seeds: dict[int, float], sign: float, *, alpha: float, within: Range | None = None,
    gap: float | None = None, half_width: float | None = None,
) -> Group:  # fmt: skip
    """A line of the table; without a gap it is the leader's."""
    values = list(seeds.values())
    interval = t_interval(values, alpha=alpha, within=within)
    tied = gap is not None and (half_width is None or gap <= half_width)
    worst = min(values) if sign > 0 else max(values)
    return Group(name, len(values), interval.mean, interval.low, interval.high, worst, gap, half_width, tied)


def method_of(rows: Mapping[str, Mapping[int, float]]) -> Method:
    """Blocked where every row has the same seeds, two or more; none where at most one row has an error bar."""
    repeated = sum(len(seeds) > 1 for seeds in rows.values())
    if len(rows) < 2 or not repeated:
        return "none"
    return "blocked" if len({tuple(seeds) for seeds in rows.values()}) == 1 else "welch"


def half_widths(
    rows: Mapping[str, Mapping[int, float]], leader: str, *, method: Method, alpha: float
) -> dict[str, float | None]:
    """Return the half width of the interval of each row's difference from the leader."""
    values = {name: np.array(list(seeds.values())) for name, seeds in rows.items()}
    first = values.pop(leader)
    if method == "blocked":
        pooled, df = blocked_variance(np.array([first, *values.values()]))
        least = negligible(first, *values.values())
        return {k: blocked(first - other, pooled, df, alpha=alpha, least=least) for k, other in values.items()}
    if method == "welch":
        return {name: welch(first, other, alpha=alpha) for name, other in values.items()}
    return dict.fromkeys(values)


def blocked_variance(table: NDArray[np.float64]) -> tuple[float, int]:
    """The variance of one value, (rows, seeds) pooled after row and seed means are taken away; and its df.

    The residual mean square of a randomised block design: df = (rows - 1)(seeds - 1) (Fisher 1935).
    """
    residuals = table - table.mean(1, keepdims=True) - table.mean(0, keepdims=True) + table.mean()
    df = (table.shape[0] - 1) * (table.shape[1] - 1)
    return float((residuals**2).sum()) / df, df


def blocked(differences: NDArray[np.float64], pooled: float, df: int, *, alpha: float, least: float) -> float | None:
    """Half width of a mean difference, of the pooled variance or the pair's own, whichever is larger.

    Both with the pooled df. So a pair that varies far more than the rest is covered less: 83 % with three seeds
    of eight rows, 92 % with ten.
    """
    variance = max(2 * pooled, float(differences.var(ddof=1)))
    return two_sided(df, alpha=alpha) * (variance / len(differences)) ** 0.5 if variance > least else None


def welch(one: NDArray[np.float64], other: NDArray[np.float64], *, alpha: float) -> float | None:
    """Half width of the difference of two means of unequal variances and numbers (Welch 1947). None below two seeds."""
    if min(len(one), len(other)) < 2:
        return None
    parts = np.array([values.var(ddof=1) / len(values) for values in (one, other)])
    if parts.max() <= negligible(one, other):
        return None
    variance = float(parts.sum())
    df = variance**2 / float((parts**2 / [len(one) - 1, len(other) - 1]).sum())
    return two_sided(df, alpha=alpha) * math.sqrt(variance)


def negligible(*rows: NDArray[np.float64]) -> float:
    """A variance that rounding alone can make of such values: nothing was measured."""
    return (1e-13 * max(float(np.abs(values).max()) for values in rows)) ** 2


def note(rows: Mapping[str, Mapping[int, float]], halves: Mapping[str, float | None], method: Method) -> str:
    """What a reader must know to weigh the table; empty where nothing is out of the ordinary."""
    counts = sorted({len(seeds) for seeds in rows.values()})
    if len(rows) == 1:
        return "One row: there is nothing to compare it with."
    if counts == [1]:
        return "One seed a row: no error bars, so nothing can be told from the leader."
    said = []
    if method == "welch":
        said.append("Rows have different seeds, so gaps are compared by Welch's test, without blocking.")
    if counts[0] == 1:
        said.append("A row of one seed has no error bar.")
    if any(half is None for half in halves.values()) and counts[0] > 1:
        said.append("Where seeds change nothing they give no error bar.")
    return " ".join(said)
