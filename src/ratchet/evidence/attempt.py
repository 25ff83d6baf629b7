"""An attempt at promotion, as pure state: whom to challenge with, which pairs to run next, which number to record.

A challenger is screened out of a study, tested against the champion pair by pair, and audited once it is promoted. What
an attempt has seen it keeps: asked again about the same pair of configurations, the test goes on where it stopped,
for a test begun afresh is another chance of a false promotion.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from ratchet.errors import EvidenceError
from ratchet.evidence.gate import ALPHA, LOOKS, SINGLE_ALPHA, Evidence, weigh
from ratchet.evidence.intervals import Interval, t_interval
from ratchet.metrics import Range

SCREENED = 5  # of a study's best
SCREEN_SEEDS = 2  # fresh ones, for each
AUDITS = 5  # runs of a new champion, on fresh seeds

Mode = Literal["max", "min"]
Key = TypeVar("Key")


@dataclass(frozen=True)
class Attempt:
    """The test of one challenger against one champion.

    Pair number k is both configurations on the reserved seed number k. differences[k] is score(challenger) -
    score(champion) of that pair on every example of the confirm split, higher being better for the challenger.
    """

    differences: tuple[NDArray[np.float64], ...] = ()
    min_effect: float = 0.0
    looks: tuple[int, ...] = LOOKS
    alpha: float = ALPHA
    single_alpha: float = SINGLE_ALPHA

    @cached_property
    def evidence(self) -> Evidence | None:
        """Return the evidence at the first look that decides, else at the last one reached; None before the first.

        Pairs beyond a look that decides count for nothing: more of them cannot turn a verdict.
        """
        found = None
        for look in self.looks:
            if look > len(self.differences) or (found is not None and found.verdict != "continue"):
                break
            found = self.weighed(look)
        return found

    def weighed(self, pairs: int) -> Evidence:
        """Return the evidence of the first pairs of runs."""
        table = np.stack(self.differences[:pairs])
        return weigh(
            table, min_effect=self.min_effect, looks=self.looks, alpha=self.alpha, single_alpha=self.single_alpha
        )

    @property
    def wanted(self) -> range:
        """Numbers of the pairs to run before the next look; empty once the test has its verdict."""
        evidence = self.evidence
        if evidence is not None and evidence.verdict != "continue":
            return range(0)
        done = len(self.differences)
        return range(done, next(look for look in self.looks if look > done))

    def after(self, *differences: NDArray[np.float64]) -> Attempt:
        """Return the attempt with further pairs, in the order of seeds. Raises EvidenceError for other examples."""
        lengths = {len(row) for row in (*self.differences, *differences)}
        if len(lengths) > 1:
            raise EvidenceError(f"pairs of {' and '.join(map(str, sorted(lengths)))} examples: score all on one split")
        return replace(self, differences=(*self.differences, *differences))


def shortlist(values: Mapping[Key, float], *, mode: Mode, top: int = SCREENED) -> list[Key]:
    """The study's best configurations, best first: those that are run again on SCREEN_SEEDS fresh seeds each."""
    sign = -1.0 if mode == "max" else 1.0
    finite = [key for key, value in values.items() if np.isfinite(value)]
    if not finite:
        raise EvidenceError("no trial has a finite value: run the study again, or name another one")
    return sorted(finite, key=lambda key: sign * values[key])[:top]


def challenger(screened: Mapping[Key, Sequence[float]], *, mode: Mode) -> Key:
    """The best mean over fresh seeds; what the study had seen of it has no say. Those without a run are passed over."""
    means = {key: float(np.mean(values)) for key, values in screened.items() if len(values)}
    return shortlist(means, mode=mode, top=1)[0]


def recorded(audits: Sequence[float], *, within: Range | None = None) -> Interval:
    """The champion's number: of the audit runs alone, for every earlier run had a part in choosing it.

    `within`: the range of the metric, which the interval does not leave.
    """
    return t_interval(audits, within=within)
