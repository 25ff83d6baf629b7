"""What a person sees while the gate's runs are trained."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from ratchet.search.processes.outcomes import Outcome
from ratchet.search.worker.display import LiveDisplay, time_left, written

if TYPE_CHECKING:
    from ratchet.promotion.gate_runs import ActiveRun, GateRun


class GateDisplay(LiveDisplay):
    """A line for each run, and in a terminal the runs in progress."""

    def __init__(self, total: int) -> None:
        super().__init__()
        self._total, self._done = total, 0
        self._durations: list[float] = []

    def ended(self, seeded: GateRun, outcome: Outcome, seconds: float, *, again: bool) -> None:
        """Print one line for a run that has ended, which is begun `again` where its process was killed."""
        self._done += not again
        if outcome.state == "complete":
            self._durations.append(seconds)
            objective = seeded.config.objective.metric
            value = outcome.metrics.get(objective)
            told = f"{objective} {written(value)}" if value is not None else "trained"
            text = f"{told}  ({seconds:.1f} s)"
        else:
            text = f"failed ({outcome.failure}{', run again' if again else ''}): {outcome.error}"
        name = f"{seeded.of.role} seed {seeded.seed}"
        self.console.print(f"[{self._done}/{self._total}] {name}  {text}", markup=False)

    def refresh(self, active: Sequence[ActiveRun], *, stopping: bool) -> None:
        """Draw the runs in progress again, four times a second at most."""
        self.draw(lambda: self._rows(active, stopping=stopping))

    def _rows(self, active: Sequence[ActiveRun], *, stopping: bool) -> list[Text]:
        left = f"stopping: {len(active)} to finish" if stopping else ""
        if not stopping and self._durations:
            left = time_left(statistics.median(self._durations) * (self._total - self._done) / max(1, len(active)))
        bar = "━" * round(20 * self._done / self._total)
        rows = [Text(f"promotion  {bar:<20} {self._done}/{self._total} runs  {left}".rstrip())]
        for each in active:
            seconds = time.monotonic() - each.began
            rows.append(Text(f"  {each.seeded.of.role} seed {each.seeded.seed}  {seconds:.0f} s"))
        return rows
