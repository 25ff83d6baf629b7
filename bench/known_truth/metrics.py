"""What the gate says of metrics of a whole set, which are scored by jackknife pseudo-values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from known_truth.gates import Floats64, proved, seeds_alone
from known_truth.lines import Line, share
from known_truth.worlds import Floats, Regime, World
from numpy.typing import NDArray
from scipy import optimize, special

from ratchet.evidence.attempt import Attempt
from ratchet.evidence.gate import LOOKS
from ratchet.evidence.jackknife import auroc, average_precision, macro_f1

CLASSES = np.array([0.19, 0.17, 0.15, 0.12, 0.10, 0.08, 0.07, 0.05, 0.04, 0.03])  # shares of the examples
POSITIVES = 0.06  # share of the examples
LUCK, WEIGHTS = np.polynomial.hermite_e.hermegauss(9)  # a normal deviate of seeds
RANKS = special.ndtri((np.arange(4000) + 0.5) / 4000)  # of the examples of one side


class Examples:
    """Examples of one split with their labels, and the runs of two configurations of one kind on them."""

    def __init__(self, regime: Regime, n: int, rng: np.random.Generator) -> None:
        """n examples; as many runs of each configuration as the gate looks at."""
        world = World(regime, n, rng)
        self.positive = rng.random(n) < POSITIVES
        self.labels = rng.choice(len(CLASSES), n, p=CLASSES)
        taken = CLASSES[None] * (np.arange(len(CLASSES)) != np.arange(len(CLASSES))[:, None])
        upto = np.cumsum(taken / taken.sum(1, keepdims=True), axis=1)[self.labels]
        self.taken_for = (rng.random((n, 1)) > upto[:, :-1]).sum(1)  # the class that a mistake takes an example for
        self.margins = world.suits(2)[:, None] + world.normal(regime.noise, 2, LOOKS[-1], n)
        self.luck = world.luck(2, LOOKS[-1])


Scores = Callable[[Examples, Floats, float], Floats64]


@dataclass(frozen=True)
class Measure:
    """A metric of a whole set: its true value for a quality, and the scores of one run's margins (n,)."""

    name: str
    start: float  # of the champion
    gain: float  # of a better challenger
    truth: Callable[[Regime, float], float]
    scores: Scores

    def quality(self, regime: Regime, value: float) -> float:
        """The quality whose true value this is."""
        return float(optimize.brentq(lambda quality: self.truth(regime, quality) - value, -8, 8))


def of_seeds(regime: Regime, value: Callable[[NDArray[np.float64]], NDArray[np.float64]], quality: float) -> float:
    """The mean over seeds' luck of a metric that luck changes as quality does."""
    means = [value(quality - lost + regime.seed * LUCK) @ WEIGHTS / WEIGHTS.sum() for lost in (0.0, regime.fall)]
    return float((1 - regime.collapse) * means[0] + regime.collapse * means[1])


def true_f1(regime: Regime, quality: float) -> float:
    """Macro F1. A class of share p is hit with the accuracy a, and taken for another by the shares of these."""

    def value(qualities: NDArray[np.float64]) -> NDArray[np.float64]:
        hits = special.ndtr(qualities)[:, None]
        others = (CLASSES / (1 - CLASSES)).sum() - CLASSES / (1 - CLASSES)
        return np.asarray((2 * hits / (1 + hits + (1 - hits) * others)).mean(1))

    return of_seeds(regime, value, quality)


def true_auroc(regime: Regime, quality: float) -> float:
    """The scores of both sides are normal with variance 1, and positives are `quality` higher."""
    return of_seeds(regime, lambda qualities: special.ndtr(qualities / 2**0.5), quality)


def true_average_precision(regime: Regime, quality: float) -> float:
    """The mean precision at the score of a positive, where both sides are normal."""

    def value(qualities: NDArray[np.float64]) -> NDArray[np.float64]:
        hits = POSITIVES * special.ndtr(-RANKS)
        alarms = (1 - POSITIVES) * special.ndtr(-RANKS - qualities[:, None])
        return np.asarray((hits / (hits + alarms)).mean(1))

    return of_seeds(regime, value, quality)


def classified(examples: Examples, margins: Floats, quality: float) -> Floats64:
    """Of macro F1."""
    predicted = np.where(margins > -quality, examples.labels, examples.taken_for)
    return macro_f1(examples.labels, predicted)


def ranked(scores: Callable[[Floats64, NDArray[np.bool_]], Floats64]) -> Scores:
    """Of a metric of the order of the scores, in which positives stand higher by `quality`."""
    return lambda examples, margins, quality: scores(margins + quality * examples.positive, examples.positive)


MEASURES = (
    Measure("macro F1 of ten classes", 0.90, 0.02, true_f1, classified),
    Measure("AUROC", 0.90, 0.02, true_auroc, ranked(auroc)),
    Measure("average precision", 0.50, 0.05, true_average_precision, ranked(average_precision)),
)


def metric_lines(regime: Regime, n: int, repetitions: int, seed: int) -> list[Line]:
    """False promotions and power, for each metric."""
    rng, lines = np.random.default_rng(seed), list[Line]()
    for measure in MEASURES:
        equal, better = (measure.quality(regime, measure.start + gain) for gain in (0.0, measure.gain))
        null, naive, power = list[bool](), list[bool](), list[bool]()
        for _ in range(repetitions):
            runs = Runs(measure, Examples(regime, n, rng), equal)
            asked = runs.ask(equal)
            null.append(proved(asked))
            naive.append(seeds_alone(np.stack(asked.differences[: LOOKS[0]])))
            power.append(proved(runs.ask(better)))
        what, gain = measure.name, f"+{100 * measure.gain:g} points"
        false = Line(f"{what}: false promotions", regime.name, n, *share(null), high=5.0, otherwise=share(naive)[0])
        lines += [false, Line(f"({what}: power for {gain})", regime.name, n, *share(power))]
    return lines


class Runs:
    """The champion's runs, each scored once, and the test of a challenger."""

    def __init__(self, measure: Measure, examples: Examples, quality: float) -> None:
        """`quality`: of the champion."""
        self.measure, self.examples, self.quality = measure, examples, quality
        self.kept = list[Floats64]()

    def ask(self, quality: float) -> Attempt:
        """Until the verdict."""
        attempt = Attempt()
        while attempt.wanted:
            self.kept += [self.run(0, pair, self.quality) for pair in range(len(self.kept), attempt.wanted.stop)]
            attempt = attempt.after(*(self.run(1, pair, quality) - self.kept[pair] for pair in attempt.wanted))
        return attempt

    def run(self, configuration: int, pair: int, quality: float) -> Floats64:
        """The scores of one run; its seed's luck is a part of the quality."""
        lucky = quality + float(self.examples.luck[configuration, pair])
        return self.measure.scores(self.examples, self.examples.margins[configuration, pair], lucky)
