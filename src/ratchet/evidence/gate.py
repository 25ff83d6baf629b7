"""The promotion gate: is the challenger better than the champion, for new seeds and new examples?

Both are run on the same reserved seeds and scored on every example of the confirm split. Had other seeds or other
examples been drawn, another gain would have come out, so both count as errors of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ratchet.errors import EvidenceError
from ratchet.evidence.intervals import above, finite, one_sided

LOOKS = (5, 10, 15)  # pairs of runs after which the evidence is weighed
ALPHA = 0.02  # one-sided at each look: 5 % over all three (after Pocock 1977)
SINGLE_ALPHA = 0.05  # where seeds change nothing there is one look
POWER = 0.8  # of the smallest gain
SHARED = 0.8  # correlation of two nets' scores of an example over seeds: the "different nets" of bench/truth.py

Verdict = Literal["proved", "not ahead", "continue", "ahead, not proved"]


@dataclass(frozen=True)
class Evidence:
    """What the pairs so far say. Gains are in the metric's unit, positive where the challenger is better."""

    pairs: int
    examples: int  # of the confirm split
    gain: float
    lower: float  # one-sided bound of the gain, at the level that a look must reach
    p: float  # of a gain as large as this where the true one is min_effect
    error: float  # standard error of the gain
    df: float
    seeds_share: float  # of the error's variance; the two sum to 1, or are both 0 where nothing varies
    examples_share: float
    smallest_gain: float  # true gain that would be proved by the last look four times in five
    verdict: Verdict
    deterministic: bool  # seeds change nothing


@dataclass(frozen=True)
class Error:
    """How far a mean gain may be off: its variance, the degrees of freedom of that, and what it is made of."""

    variance: float
    df: float
    seeds: float
    examples: float


def weigh(
    difference: NDArray[np.float64], *, min_effect: float = 0.0, looks: Sequence[int] = LOOKS,
    alpha: float = ALPHA, single_alpha: float = SINGLE_ALPHA,
) -> Evidence:  # fmt: skip
    """Weigh score(challenger) - score(champion), (seeds, examples). The mean of a run's scores is its metric.

    Between looks the verdict is "continue". Where all seeds give the same differences there is one look, the first,
    at single_alpha. EvidenceError where the table is empty, not finite or a single number, or has more pairs than the
    last look.
    """
    table = finite(difference, what="differences", ndim=2)
    pairs, examples = table.shape
    fits(pairs, looks)
    if table.size == 1:
        raise EvidenceError("one run on one example has no error: run more pairs, or confirm on more examples")
    deterministic = pairs > 1 and examples > 1 and bool((table == table[0]).all())
    error, last = two_way(table, last=pairs if deterministic else looks[-1])
    return judged(
        float(table.mean()), error, last, pairs=pairs, examples=examples, min_effect=min_effect,
        looks=looks[:1] if deterministic else looks, alpha=single_alpha if deterministic else alpha,
        deterministic=deterministic,
    )  # fmt: skip


def smallest_gain(spread: float, n: int) -> float:
    """The true gain that n examples prove four times in five, where scores of single examples spread by `spread`.

    The normal approximation, before anything was run; seeds are left out, so it is rather too small than too large.
    """
    reach = one_sided(n, alpha=ALPHA) + one_sided(n, alpha=1 - POWER)
    return float(reach * spread * (2 * (1 - SHARED) / n) ** 0.5)


def fits(pairs: int, looks: Sequence[int]) -> None:
    """EvidenceError where there are more pairs than the last look may use."""
    if pairs > looks[-1]:
        raise EvidenceError(f"{pairs} pairs were given, {looks[-1]} are looked at: leave out those after the last look")


def two_way(table: NDArray[np.float64], *, last: int) -> tuple[Error, Error]:
    """The error of the mean of (seeds, examples) when both are samples, and what to expect of it with `last` seeds.

    Mean squares of a two-way layout of random effects (Searle, Casella & McCulloch 1992); as clustering by two keys at
    once (Cameron, Gelbach & Miller 2011): s of the seed means, e of the example means, i of what neither explains.
    """
    m, n = table.shape
    seed_means, example_means = table.mean(1), table.mean(0)
    s = float(seed_means.var(ddof=1)) / m if m > 1 else 0.0
    e = float(example_means.var(ddof=1)) / n if n > 1 else 0.0
    rest = table - seed_means[:, None] - example_means + table.mean()
    both = (m - 1) * (n - 1)
    i = float((rest**2).sum()) / both / (m * n) if both else 0.0
    ratio = m / last
    return combined(s, e, i, m, n), combined(s * ratio, max(e - i, 0.0) + i * ratio, i * ratio, last, n)


def combined(s: float, e: float, i: float, m: int, n: int) -> Error:
    """max(s + e - i, s, e), for i is counted in both s and e; degrees of freedom by Satterthwaite 1946."""
    variance = max(s + e - i, s, e)
    terms = ((s, m - 1), (e, n - 1), (i, (m - 1) * (n - 1)))
    uncertainty = sum(part**2 / df for part, df in terms if part)
    return Error(variance, variance**2 / uncertainty if uncertainty else float(m * n - 1), seeds=s, examples=e)


def judged(
    gain: float, error: Error, last: Error, *, pairs: int, examples: int, min_effect: float, looks: Sequence[int],
    alpha: float, deterministic: bool = False,
) -> Evidence:  # fmt: skip
    """The evidence in figures and a word: a t test of gain <= min_effect."""
    deviation = error.variance**0.5
    p = above((gain - min_effect) / deviation, error.df) if deviation else by_sign(gain - min_effect, examples)
    both = error.seeds + error.examples
    reach = one_sided(last.df, alpha=alpha) + one_sided(last.df, alpha=1 - POWER)
    return Evidence(
        pairs=pairs, examples=examples, gain=gain, lower=gain - one_sided(error.df, alpha=alpha) * deviation, p=p,
        error=deviation, df=error.df, seeds_share=error.seeds / both if both else 0.0,
        examples_share=error.examples / both if both else 0.0, smallest_gain=min_effect + reach * last.variance**0.5,
        verdict=verdict(gain, p, pairs=pairs, looks=looks, alpha=alpha), deterministic=deterministic,
    )  # fmt: skip


def by_sign(effect: float, examples: int) -> float:
    """The p of differences that are all the same, so have no error to weigh them by: a sign test over the examples."""
    return 0.5**examples if effect > 0 and examples else 1.0


def verdict(gain: float, p: float, *, pairs: int, looks: Sequence[int], alpha: float) -> Verdict:
    """Return the verdict at a look of the sequential test; between looks the test goes on."""
    if pairs not in looks:
        return "continue"
    if gain <= 0:
        return "not ahead"
    if p <= alpha:
        return "proved"
    return "ahead, not proved" if pairs == looks[-1] else "continue"
