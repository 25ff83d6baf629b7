"""Twenty rounds of promotion, each a sweep of 50 trials: by the gate, and by the best value seen.

Validation and confirm split stay the same for all rounds, as a project's do. The usual way, beside the gate: the best
of a sweep becomes the champion wherever its value is above the champion's number, and is the new number.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from known_truth.gates import proved
from known_truth.lines import Line, average, share
from known_truth.worlds import START, Floats, Regime, World, correct
from numpy.typing import NDArray

from ratchet.evidence.attempt import AUDITS, SCREEN_SEEDS, Attempt, challenger, recorded, shortlist

ROUNDS, TRIALS = 20, 50
STEP = 0.01  # accuracy by which a configuration is better or worse than the champion whose sweep it is, at START
RARE = 0.05  # of them are better


@dataclass
class Champion:
    """Whoever holds the title."""

    quality: float
    suits: Floats  # on the confirm split
    number: float  # the accuracy on record
    runs: list[NDArray[np.bool_]] = field(default_factory=list)  # on reserved seeds, kept


@dataclass
class Chain:
    """One project's life."""

    regime: Regime
    n: int
    rng: np.random.Generator
    steps: tuple[float, float]  # in quality, from the champion to the many and to the few

    def __post_init__(self) -> None:
        """The splits, and the first champion."""
        self.validation, self.confirm = (World(self.regime, self.n, self.rng) for _ in range(2))
        first = self.regime.quality(START)
        self.champion = self.audited(first, self.confirm.suits(1)[0])
        self.naive, self.naive_number = first, float(correct(self.validation.trials(1)[0], first).mean())
        self.spent: list[int] = []  # runs of each attempt
        self.promotions = 0

    def audited(self, quality: float, suits: Floats) -> Champion:
        """A champion with its number."""
        audits = correct(suits + self.confirm.chances(AUDITS), quality).mean(-1)
        return Champion(quality, suits, recorded(audits.tolist()).mean)

    def round(self) -> None:
        """A sweep, and an attempt with what it found."""
        steps = np.where(self.rng.random(TRIALS) < RARE, self.steps[1], self.steps[0])
        margins, whole = self.validation.trials(TRIALS)
        seen = correct(margins, self.naive + steps[:, None]).mean(-1)
        best = int(seen.argmax())
        if seen[best] > self.naive_number:
            self.naive, self.naive_number = self.naive + float(steps[best]), float(seen[best])
        qualities = self.champion.quality + steps
        self.attempt(*self.screen(correct(margins, qualities[:, None]).mean(-1), qualities, whole))

    def screen(self, values: NDArray[np.float64], qualities: NDArray[np.float64], whole: Floats) -> tuple[float, int]:
        """The quality of the challenger, and the runs it took to find it."""
        top = shortlist(dict(enumerate(values.tolist())), mode="max")
        margins = self.validation.suits_given(whole[top])[:, None] + self.validation.chances(len(top), SCREEN_SEEDS)
        again = correct(margins, qualities[top, None, None]).mean(-1)
        chosen = challenger({trial: row.tolist() for trial, row in zip(top, again, strict=True)}, mode="max")
        return float(qualities[chosen]), again.size

    def attempt(self, quality: float, spent: int) -> None:
        """The gate, and the audit of who passes it."""
        suits, state, mine = self.confirm.suits(1)[0], Attempt(), list[NDArray[np.bool_]]()
        while state.wanted:
            missing = max(0, state.wanted.stop - len(self.champion.runs))
            self.champion.runs += self.run(self.champion.quality, self.champion.suits, missing)
            mine += self.run(quality, suits, len(state.wanted))
            spent += missing + len(state.wanted)
            state = state.after(*(mine[pair].astype(np.float64) - self.champion.runs[pair] for pair in state.wanted))
        if proved(state):
            self.champion, spent, self.promotions = self.audited(quality, suits), spent + AUDITS, self.promotions + 1
            self.champion.runs = mine
        self.spent.append(spent)

    def run(self, quality: float, suits: Floats, count: int) -> list[NDArray[np.bool_]]:
        """On the confirm split."""
        return list(correct(suits + self.confirm.chances(count), quality)) if count else []


def live(regime: Regime, n: int, rng: np.random.Generator, *, better: bool) -> Chain:
    """All rounds, where a few configurations are better than the champion and most are worse, or all are equal."""
    worse, start, ahead = (regime.quality(START + step * better) for step in (-STEP, 0, STEP))
    chain = Chain(regime, n, rng, (worse - start, ahead - start))
    for _ in range(ROUNDS):
        chain.round()
    return chain


def chain_lines(regime: Regime, n: int, repetitions: int, seed: int) -> list[Line]:
    """What the numbers on record are worth, whether champions rise, and what attempts cost."""
    rng = np.random.default_rng(seed)
    null = [live(regime, n, rng, better=False) for _ in range(repetitions)]
    rising = [live(regime, n, rng, better=True) for _ in range(repetitions)]
    over = average([points(chain.champion.number - START) for chain in null])
    over_naive, _ = average([points(chain.naive_number - START) for chain in null])
    rise = average([points(truth(regime, chain.champion.quality) - START) for chain in rising])
    rise_naive, _ = average([points(truth(regime, chain.naive) - START) for chain in rising])
    gone = {"otherwise": rise_naive, "unit": "points"}
    mean = average([float(np.mean(chain.spent)) for chain in (*null, *rising)])
    spent = [runs for chain in (*null, *rising) for runs in chain.spent]
    lines = [
        ("20 rounds, none better: number above truth", over, {"high": 0.6, "otherwise": over_naive, "unit": "points"}),
        (
            "20 rounds, 5 % better: the truth rises by",
            rise,
            {"low": 0.0, "strictly": True, **gone},
        ),
        ("extra runs an attempt, mean", mean, {"high": 30.0, "unit": "runs"}),
        ("(extra runs, the most of any attempt)", (float(max(spent)), 0.0), {"unit": "runs"}),
        ("(attempts of more than 30 runs)", share([runs > 30 for runs in spent]), {}),
    ]
    return [Line(what, regime.name, n, *figure, **rest) for what, figure, rest in lines]  # type: ignore[arg-type]


def points(accuracy: float) -> float:
    """Hundredths."""
    return 100 * accuracy


def truth(regime: Regime, quality: float) -> float:
    """The accuracy of a configuration over all examples and seeds."""
    return float(regime.accuracy(quality))
