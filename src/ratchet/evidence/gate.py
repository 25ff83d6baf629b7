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

Verdict = Literal["proved", "not ahead", "continue", "ahead, not proved"]


@dataclass(frozen=True)
class Evidence:
    """What the pairs so far say. Gains are in the metric's unit, positive where the challenger is better."""

    pairs: int
    examples: int  # of the confirm split; 0 where the metric has no per-example scores
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
    weak: bool  # from re-splits of the data, whose errors are only approximately known


@dataclass(frozen=True)
class Error:
    """Variance of a mean gain, and what it is made of."""

    variance: float
    df: float
    seeds: float
    examples: float
    last: float  # the variance to expect at the last look


def weigh(
    difference: NDArray[np.float64], *, min_effect: float = 0.0, looks: Sequence[int] = LOOKS,
    alpha: float = ALPHA, single_alpha: float = SINGLE_ALPHA,
) -> Evidence:  # fmt: skip
    """Weigh score(challenger) - score(champion), (seeds, examples).

    Between looks the verdict is "continue". Where all seeds give the same differences there is one look, the first,
    at single_alpha. EvidenceError where the table is empty or not finite, holds a single number, or has more pairs than the
    last look.
    """
    table = finite(difference, what="differences", ndim=2)
    pairs, examples = table.shape
    fits(pairs, looks)
    if table.size == 1:
        raise EvidenceError("one run on one example has no error: run more pairs, or confirm on more examples")
    deterministic = pairs > 1 and examples > 1 and bool((table == table[0]).all())
    last = pairs if deterministic else looks[-1]
    return judged(
        float(table.mean()), two_way(table, last), pairs=pairs, examples=examples, min_effect=min_effect,
        looks=looks[:1] if deterministic else looks, alpha=single_alpha if deterministic else alpha,
        deterministic=deterministic,
    )  # fmt: skip


def weigh_resplits(
    differences: NDArray[np.float64], *, validation: int, training: int, min_effect: float = 0.0,
    looks: Sequence[int] = LOOKS, alpha: float = ALPHA,
) -> Evidence:  # fmt: skip
    """Weigh one difference for each random re-split into `training` and `validation` examples, labelled weak.

    Re-splits share examples: the corrected variance is s^2 (1/m + validation/training) (Nadeau & Bengio 2003).
    """
    values = finite(differences, what="differences", ndim=1)
    pairs = len(values)
    fits(pairs, looks)
    if pairs < 2 or min(validation, training) < 1:
        raise EvidenceError(f"{pairs} re-splits of {training} and {validation} examples: two of one each are needed")
    spread, ratio = float(values.var(ddof=1)), validation / training
    error = Error(spread * (1 / pairs + ratio), pairs - 1, spread / pairs, spread * ratio, spread * (1 / looks[-1] + ratio))
    return judged(
        float(values.mean()), error, pairs=pairs, examples=0, min_effect=min_effect, looks=looks, alpha=alpha, weak=True
    )


def fits(pairs: int, looks: Sequence[int]) -> None:
    """EvidenceError where there are more pairs than the last look may use."""
    if pairs > looks[-1]:
        raise EvidenceError(f"{pairs} pairs were given, {looks[-1]} are looked at: leave out those after the last look")
