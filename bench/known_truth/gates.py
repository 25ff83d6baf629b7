"""What the gate says of a challenger that is no better than the champion, and of one that is two points better."""

from __future__ import annotations

import numpy as np
from known_truth.lines import Line, average, share
from known_truth.worlds import START, Floats, Regime, World, correct
from numpy.typing import NDArray

from ratchet.evidence.attempt import Attempt
from ratchet.evidence.gate import LOOKS
from ratchet.evidence.intervals import above

BETTER = 0.02
ASKED = 3  # times
COLLAPSE = "power: one seed in twenty loses 40 points, so the mean of 15 pairs is uncertain by 3; two cannot be shown"

Floats64 = NDArray[np.float64]


def gate_lines(regime: Regime, n: int, repetitions: int, seed: int) -> list[Line]:
    """False promotions, asked once and three times; power; pairs."""
    rng = np.random.default_rng(seed)
    equal, better = regime.quality(START), regime.quality(START + BETTER)
    once, again, afresh, naive, power, changed = (list[bool]() for _ in range(6))
    pairs = list[float]()
    for _ in range(repetitions):
        world = World(regime, n, rng)
        suits = world.suits(2)
        champion, margins = correct(suits[0] + world.chances(LOOKS[-1]), equal), suits[1] + world.chances(LOOKS[-1])
        null = differences(margins, equal, champion)
        asked = ask(Attempt(), null)
        once.append(proved(asked))
        pairs.append(len(asked.differences))
        thrice = asked_again(null, rng)
        again.append(proved(thrice))
        changed.append(thrice.evidence != asked.evidence)
        naive.append(seeds_alone(null[: LOOKS[0]]))
        afresh.append(once[-1] or any(proved(ask(Attempt(), anew(world, suits, equal))) for _ in range(ASKED - 1)))
        power.append(proved(ask(Attempt(), differences(margins, better, champion))))
    name = regime.name
    aim, excuse = (80.0 if n >= 2000 else None), (COLLAPSE if regime.collapse else "")
    return [
        Line("gate: false promotions", name, n, *share(once), high=5.0, otherwise=share(naive)[0]),
        Line("gate: the same, asked 3 times", name, n, *share(again), high=5.0, otherwise=share(afresh)[0]),
        Line("gate: verdicts that asking 3 times changes", name, n, 100 * float(np.mean(changed)), 0.0, high=0.0),
        Line("gate: power for +2 points", name, n, *share(power), low=aim, excuse=excuse),
        Line("(gate: pairs until the verdict, no better)", name, n, *average(pairs), unit="pairs"),
    ]


def differences(margins: Floats, quality: float, champion: NDArray[np.bool_]) -> Floats64:
    """score(challenger) - score(champion), (seeds, examples)."""
    return correct(margins, quality).astype(np.float64) - champion


def anew(world: World, suits: Floats, quality: float) -> Floats64:
    """The same two on new seeds, and the same confirm split."""
    champion = correct(suits[0] + world.chances(LOOKS[-1]), quality)
    return differences(suits[1] + world.chances(LOOKS[-1]), quality, champion)


def ask(attempt: Attempt, runs: Floats64, *, until: int = LOOKS[-1]) -> Attempt:
    """Run what is wanted, as far as pair `until`, where somebody pulls the plug."""
    while attempt.wanted and len(attempt.differences) < until:
        attempt = attempt.after(*runs[attempt.wanted.start : min(attempt.wanted.stop, until)])
    return attempt


def asked_again(runs: Floats64, rng: np.random.Generator) -> Attempt:
    """Killed on the way at the first asking, then asked again, each time with what was kept."""
    attempt = ask(Attempt(), runs, until=int(rng.integers(LOOKS[-1])))
    for _ in range(ASKED - 1):
        attempt = ask(attempt, runs)
    return attempt


def proved(attempt: Attempt) -> bool:
    """Would it be promoted?"""
    return attempt.evidence is not None and attempt.evidence.verdict == "proved"


def seeds_alone(runs: Floats64) -> bool:
    """The usual t test of the first look's seed means, one-sided at 5 %, as if the examples were all there are."""
    means = runs.mean(1)
    error = means.std(ddof=1) / len(means) ** 0.5
    return bool(means.mean() > 0 and (error == 0 or above(means.mean() / error, len(means) - 1) <= 0.05))
