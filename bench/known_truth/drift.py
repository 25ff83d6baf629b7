"""What watch says of requests whose truth is known: drawn as the reference was, or shifted in one column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from known_truth.lines import Line, share
from numpy.typing import NDArray

from ratchet.evidence.drift import Sample, compared, holm

REFERENCE = 2000  # rows
ALPHA, DAYS = 0.05, 100
SIZES = (100, 1000)  # requests of a check
GRID = (30, 40, 50, 60, 80, 100, 120, 150, 200, 250, 300, 400)  # requests until a shift is found


@dataclass(frozen=True)
class Table:
    """What columns there are. together: the correlation of numbers. counts: numbers are of a Poisson distribution.

    gaps: the share of numbers that are missing. levels: of each category, the k-th as frequent as 1/k.
    """

    name: str
    numbers: int
    categories: int
    together: float = 0.0
    counts: bool = False
    gaps: float = 0.0
    levels: int = 4

    def samples(self, n: int, rng: np.random.Generator, shift: float = 0.0) -> list[Sample]:
        """n rows, the first number of which is shifted by so many standard deviations."""
        shared = rng.normal(size=(n, 1)) * self.together**0.5
        numbers = shared + rng.normal(size=(n, self.numbers)) * (1 - self.together) ** 0.5
        if self.counts:
            numbers = rng.poisson(3.0, (n, self.numbers)).astype(np.float64)
            numbers[:, 1::2] = np.exp(rng.normal(size=numbers[:, 1::2].shape))
        numbers[:, 0] += shift * (3.0**0.5 if self.counts else 1.0)
        numbers[rng.random(numbers.shape) < self.gaps] = np.nan
        chances = 1 / np.arange(1, self.levels + 1)
        names = [str(level) for level in range(self.levels)]
        codes = rng.choice(self.levels, (n, self.categories), p=chances / chances.sum()).astype(np.float64)
        return [
            *(Sample.of_numbers(f"number {k}", numbers[:, k]) for k in range(self.numbers)),
            *(Sample.of_codes(f"category {k}", codes[:, k], names) for k in range(self.categories)),
        ]


TABLES = (
    Table("25 columns", 20, 5),
    Table("50 columns that go together", 50, 0, together=0.5),
    Table("counts, skewed, gaps, rare levels", 12, 8, counts=True, gaps=0.05, levels=30),
)


def drift_lines(table: Table, n: int, repetitions: int, seed: int) -> list[Line]:
    """False alarms of a check and of a hundred days, the power for half a standard deviation."""
    rng, name = np.random.default_rng(seed), table.name
    checks = [p_values(table, n, rng) for _ in range(repetitions)]
    alarms, plain = [alarm(each, ALPHA) for each in checks], [min(each) <= ALPHA for each in checks]
    lines = [Line("watch: checks with a false alarm", name, n, *share(alarms), high=5.0, otherwise=share(plain)[0])]
    series = [a_hundred_days(table, n, rng) for _ in range(max(20, repetitions // 10))]
    seldom, often = ([min(days) <= alpha for days in series] for alpha in (ALPHA / DAYS, ALPHA))
    what = "watch: a hundred daily checks with a false alarm, alpha=0.0005"
    lines.append(Line(what, name, n, *share(seldom), high=5.0, otherwise=share(often)[0]))
    days = np.mean([np.array(each) <= ALPHA for each in series], axis=1)
    lines.append(Line("(watch: of such days, alarms at alpha=0.05)", name, n, 100 * float(days.mean()),
                      100 * float(days.std()) / len(days) ** 0.5))  # fmt: skip
    found = [alarm(p_values(table, n, rng, shift=0.5), ALPHA) for _ in range(repetitions)]
    lines.append(Line("(watch: half a standard deviation in one column is found)", name, n, *share(found)))
    if n == SIZES[0]:
        lines.append(until_found(table, max(50, repetitions // 5), rng))
    return lines


def until_found(table: Table, repetitions: int, rng: np.random.Generator) -> Line:
    """The requests with which half a standard deviation in one column is found nine times in ten."""
    powers = {}
    for n in GRID:
        powers[n] = np.mean([alarm(p_values(table, n, rng, shift=0.5), ALPHA) for _ in range(repetitions)])
        if powers[n] >= 0.9:
            break
    last = list(powers)[-1]
    step = last - (list(powers)[-2] if len(powers) > 1 else 0)
    what = "watch: requests until half a standard deviation is found nine times in ten"
    return Line(what, table.name, last, last, step / 2, high=200.0, unit="")


def p_values(table: Table, n: int, rng: np.random.Generator, *, shift: float = 0.0) -> list[float]:
    """Of every test of a check, uncorrected."""
    return tested(table.samples(REFERENCE, rng), table.samples(n, rng, shift))


def tested(reference: Sequence[Sample], new: Sequence[Sample]) -> list[float]:
    """The p values."""
    return [p for pair in zip(reference, new, strict=True) for _, p in compared(*pair)]


def a_hundred_days(table: Table, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """The least corrected p value of each day; all days are compared with one reference."""
    reference = table.samples(REFERENCE, rng)
    return np.array([min(holm(tested(reference, table.samples(n, rng)))) for _ in range(DAYS)])


def alarm(p: Sequence[float], alpha: float) -> bool:
    """Whether anything is told after the correction."""
    return min(holm(p)) <= alpha
