"""A line of the benchmark's table: what was measured, how surely, and what was aimed at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SURE = 2.0  # standard errors of the simulation by which a measured figure may pass its aim


@dataclass(frozen=True)
class Line:
    """One figure of one regime. Points are hundredths of accuracy."""

    what: str
    regime: str
    n: int  # examples
    measured: float
    error: float  # standard error of the simulation
    low: float | None = None  # the aim
    high: float | None = None
    otherwise: float | None = None  # what the usual way gives in the same worlds
    unit: str = "%"
    strictly: bool = False  # a figure must pass its aim by more than chance, not miss it by less
    excuse: str = ""  # why a miss was to be expected: it is shown, but is no failure

    @property
    def aimed(self) -> bool:
        """Lines without an aim are there to be known."""
        return self.low is not None or self.high is not None

    @property
    def missed(self) -> bool:
        """By more than chance of the simulation."""
        slack = -SURE * self.error if self.strictly else SURE * self.error
        return (self.low is not None and self.measured + slack < self.low) or (
            self.high is not None and self.measured - slack > self.high
        )

    @property
    def aim(self) -> str:
        """As text; empty where there is none."""
        if self.low is not None and self.high is not None:
            return f"{self.low:g} to {self.high:g}"
        if self.low is not None:
            return f"{'above' if self.strictly else 'at least'} {self.low:g}"
        return f"at most {self.high:g}" if self.high is not None else ""

    def cells(self) -> list[str]:
        """For a table."""
        otherwise = "" if self.otherwise is None else f"{self.otherwise:.1f}"
        missed = "missed *" if self.excuse else "MISSED"
        kept = "" if not self.aimed else missed if self.missed else "holds"
        figure = f"{self.measured:.1f} ± {self.error:.1f} {self.unit}"
        return [self.what, self.regime, f"{self.n:,}", figure, self.aim, kept, otherwise]


def share(seen: Sequence[float] | Sequence[bool]) -> tuple[float, float]:
    """Percent and its standard error. Of none or all of r repetitions the error is that of one in r."""
    values = np.asarray(seen, dtype=np.float64)
    spread = values.std() or (1 / len(values)) ** 0.5
    return 100 * float(values.mean()), 100 * float(spread) / len(values) ** 0.5


def average(seen: Sequence[float]) -> tuple[float, float]:
    """Mean and its standard error."""
    values = np.asarray(seen, dtype=np.float64)
    return float(values.mean()), float(values.std(ddof=1)) / len(values) ** 0.5
