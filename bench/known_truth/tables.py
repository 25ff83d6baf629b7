"""What compare_groups() says of eight rows whose true accuracies on the split are known."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from known_truth.lines import Line, share
from known_truth.worlds import START, Floats, Regime, World, correct
from numpy.typing import NDArray

from ratchet.evidence.groups import Comparison, compare_groups

ROWS, SEEDS = 8, (3, 5, 10)
AHEAD = 0.05  # accuracy by which a leader whom nobody doubts leads
COLLAPSE = "gaps: collapsed seeds make the pooled variance larger than most pairs need, and their intervals wider"
NAMES = [f"row {row}" for row in range(ROWS)]

Seen = defaultdict[str, list[float]]


def table_lines(regime: Regime, n: int, repetitions: int, seed: int) -> list[Line]:
    """Coverage of gaps, false claims of a best row, and power."""
    rng, seen = np.random.default_rng(seed), Seen(list)
    deviation = spread(regime, n, rng)
    for _ in range(repetitions):
        look(World(regime, n, rng), deviation, seen)
    return [line(what, regime, n, values) for what, values in seen.items()]


def line(what: str, regime: Regime, n: int, values: list[float]) -> Line:
    """With the aim of such a figure."""
    low, high, excuse = None, None, ""
    if what.startswith("gaps"):
        low, high, excuse = 94.0, 98.0, COLLAPSE if regime.collapse else ""
    elif what.startswith("false"):
        high = 5.0
    elif what.startswith("power"):
        low = 55.0
    return Line(what, regime.name, n, *share(values), low=low, high=high, excuse=excuse)


def spread(regime: Regime, n: int, rng: np.random.Generator) -> float:
    """Standard deviation of a run's accuracy over seeds, the examples given: of 20 splits with 100 runs each."""
    quality, variances = regime.quality(START), []
    for _ in range(20):
        world = World(regime, n, rng)
        runs = correct(world.suits(1) + world.chances(100), quality).mean(-1)
        variances.append(runs.var(ddof=1))
    return float(np.mean(variances)) ** 0.5


def look(world: World, deviation: float, seen: Seen) -> None:
    """One repetition: the same chances under several truths. deviation is the sd of a run over seeds."""
    regime, quality = world.regime, world.regime.quality(START)
    chances, suits = world.chances(ROWS, SEEDS[-1]), world.suits(ROWS)
    qualities = np.full(ROWS, quality)
    one = np.broadcast_to(suits[0], suits.shape)  # rows that are one and the same learner
    same = accuracies(one, chances, qualities)
    for k in SEEDS:
        seen[f"false best, 2 equal rows, {k} seeds"].append(compared(same[:2], k).alone)
    seen["false best, 8 equal rows, 3 seeds"].append(compared(same, 3).alone)
    two = np.where(np.arange(ROWS) < 2, regime.quality(START + AHEAD), quality)
    seen["false best, 2 equal rows ahead of 6, 3 seeds"].append(compared(accuracies(one, chances, two), 3).alone)
    if not regime.noise:
        return  # seeds change nothing: there are no error bars to be right or wrong
    ahead = np.where(np.arange(ROWS) < 1, regime.quality(START + AHEAD), quality)
    truth, values = here(regime, suits, ahead), accuracies(suits, chances, ahead)
    for k in SEEDS:
        seen[f"gaps cover the truth, {k} seeds"].append(covered(compared(values, k), truth))
    equal = covered(compared(accuracies(suits, chances, qualities), 3), here(regime, suits, qualities))
    seen["(the same of rows of one quality, 3 seeds)"].append(equal)
    behind = 2 * deviation * np.arange(ROWS)[:, None]
    seen["power: called best, the next 2 sd behind, 3 seeds"].append(called(compared(same - behind, 3)))
    behind = np.minimum(behind, 2 * deviation)
    seen["(the same with all 7 others 2 sd behind)"].append(called(compared(same - behind, 3)))


def compared(table: NDArray[np.float64], seeds: int) -> Comparison:
    """The first seeds of (rows, seeds)."""
    rows = {NAMES[row]: dict(enumerate(values[:seeds].tolist())) for row, values in enumerate(table)}
    return compare_groups(rows, mode="max")


def called(comparison: Comparison) -> bool:
    """The first row is the leader, and alone."""
    return comparison.alone and comparison.leader == NAMES[0]


def covered(comparison: Comparison, truth: NDArray[np.float64]) -> float:
    """The share of rows whose gap to the leader, whichever that is, has the true one in its interval."""
    behind = truth[NAMES.index(comparison.leader)] - truth
    inside = [
        group.half_width is not None and abs(group.gap - behind[NAMES.index(group.name)]) <= group.half_width
        for group in comparison.groups
        if group.gap is not None
    ]
    return float(np.mean(inside))


def accuracies(suits: NDArray[np.float32], chances: Floats, qualities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Measured, (rows, seeds)."""
    return correct(suits[:, None] + chances, qualities[:, None, None].astype(np.float32)).mean(-1)


def here(regime: Regime, suits: Floats, qualities: NDArray[np.float64]) -> NDArray[np.float64]:
    """True accuracies on these examples, (rows,)."""
    return np.array([regime.accuracy_here(q, row.astype(float)) for q, row in zip(qualities, suits, strict=True)])
