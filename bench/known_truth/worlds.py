"""Classifiers whose true accuracy is known, run on examples that are as hard as they are for all of them.

An example is classified correctly where a sum of normal deviates is positive: the configuration's quality, how easy the
example is, how well it suits the configuration, how lucky the seed is, and what seed and example make of each other.
A configuration's accuracy over all examples and seeds is then known in closed form.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float32]
# Deviates are drawn from the 65,536 quantiles of the normal distribution: a tenth of the time, variance 0.9999.
QUANTILES = special.ndtri((np.arange(2**16) + 0.5) / 2**16).astype(np.float32)
START = 0.90  # accuracy of the first champion, and of all that are no better and no worse


@dataclass(frozen=True)
class Regime:
    """How runs differ. Variances are shares of the examples' own spread, which is 1 in all."""

    name: str
    suits: float = 0.0  # variance of configuration by example: two configurations err on different examples
    seed: float = 0.0  # standard deviation of a seed's luck, the same for every example
    noise: float = 0.0  # variance of seed by example: two seeds err on different examples
    collapse: float = 0.0  # probability that a seed's training goes wrong
    fall: float = 0.0  # what that costs, as the seed's luck

    @cached_property
    def easy(self) -> float:
        """Variance that all configurations and seeds share."""
        return 1 - self.suits - self.noise

    def accuracy(self, quality: float | NDArray[np.float64]) -> NDArray[np.float64]:
        """Of a configuration, over all examples and seeds."""
        spread = (1 + self.seed**2) ** 0.5
        whole, fallen = (special.ndtr((np.asarray(quality) - lost) / spread) for lost in (0.0, self.fall))
        return np.asarray((1 - self.collapse) * whole + self.collapse * fallen)

    def quality(self, accuracy: float) -> float:
        """The quality that has this accuracy, by bisection."""
        low, high = -8.0, 8.0
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if self.accuracy(middle) < accuracy else (low, middle)
        return low

    def accuracy_here(self, quality: float, ease: NDArray[np.float64]) -> NDArray[np.float64]:
        """On these very examples, over all seeds. ease is what they share and what suits the configuration."""
        spread = (self.noise + self.seed**2) ** 0.5
        whole, fallen = (special.ndtr((quality + ease - lost) / spread).mean(-1) for lost in (0.0, self.fall))
        return np.asarray((1 - self.collapse) * whole + self.collapse * fallen)


REGIMES = (
    Regime("deterministic learner", suits=0.10),
    Regime("similar nets", suits=0.03, seed=0.02, noise=0.07),
    Regime("different nets", suits=0.15, seed=0.03, noise=0.07),
    Regime("nets that sometimes collapse", suits=0.03, seed=0.02, noise=0.07, collapse=0.05, fall=1.3),
)
SIZES = (500, 2000)


class World:
    """Examples of one split, and what configurations make of them."""

    def __init__(self, regime: Regime, n: int, rng: np.random.Generator) -> None:
        """n examples."""
        self.regime, self.n, self.rng = regime, n, rng
        self.ease = self.normal(regime.easy, n)

    def normal(self, variance: float, *shape: int) -> Floats:
        """Deviates; none are drawn where nothing varies."""
        if not variance:
            return np.zeros(shape, np.float32)
        count = math.prod(shape)
        drawn = self.rng.bit_generator.random_raw(-(-count // 4)).view(np.uint16)[:count]
        return np.take(QUANTILES * np.float32(variance**0.5), drawn).reshape(shape)

    def suits(self, count: int) -> Floats:
        """What each of `count` new configurations finds easy, (count, n), shared ease included."""
        return self.ease + self.normal(self.regime.suits, count, self.n)

    def luck(self, *shape: int) -> Floats:
        """Of seeds."""
        found = self.normal(self.regime.seed**2, *shape)
        if self.regime.collapse:
            found -= np.float32(self.regime.fall) * (self.rng.random(shape, np.float32) < self.regime.collapse)
        return found

    def chances(self, *shape: int) -> Floats:
        """What new runs add to what suits their configuration, (*shape, n)."""
        return self.luck(*shape, 1) + self.normal(self.regime.noise, *shape, self.n)

    def trials(self, count: int) -> tuple[Floats, Floats]:
        """Margins (count, n) of new configurations on a seed each, and what suits them (count, n), as suits() would.

        The two parts of a margin that nobody sees apart are drawn as one; the first is drawn later, given the whole, by
        suits_given().
        """
        whole = self.normal(self.regime.suits + self.regime.noise, count, self.n)
        return self.ease + whole + self.luck(count, 1), whole

    def suits_given(self, whole: Floats) -> Floats:
        """What suits the configurations of these trials, (chosen, n)."""
        suits, noise = self.regime.suits, self.regime.noise
        return (
            self.ease
            + whole * np.float32(suits / (suits + noise))
            + self.normal(suits * noise / (suits + noise), *whole.shape)
        )


def correct(margins: Floats, quality: float | Floats) -> NDArray[np.bool_]:
    """Which examples are classified correctly."""
    return np.asarray(margins > -np.asarray(quality, np.float32))
