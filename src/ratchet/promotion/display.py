"""What a person sees while the gate's runs are trained."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Self

from rich.text import Text

from ratchet.search.processes.outcomes import Outcome
from ratchet.search.worker.display import TerminalDisplay, written
from ratchet.search.worker.progress import OpenStudy
from ratchet.search.worker.worker import Worker


class GateDisplay(TerminalDisplay):
    """A line for each run, and in a terminal the runs in progress. Each study is one run."""

    def __init__(self, names: Mapping[str, str]) -> None:
        super().__init__()
        self._names = names
        self.seen: set[str] = set()  # studies whose run ended here

    def __enter__(self) -> Self:
        super().__enter__()
        return self

    def finished(
        self,
        of: OpenStudy,
        number: int,
        state: str,
        outcome: Outcome,
        metrics: Mapping[str, float],
        *,
        again: bool = False,
    ) -> None:
        """Print one line for a finished run."""
        name = of.plan.name
        began = self._began.pop((name, number), time.monotonic())
        took = time.monotonic() - began
        if not again:
            self.seen.add(name)
        if state == "complete":
            self._durations.append(took)
            told = "  ".join(f"{each.metric} {written(metrics[each.metric])}" for each in of.plan.objectives)
            text = f"{told}  ({took:.1f} s)"
        else:
            text = f"failed ({outcome.failure}{', run again' if again else ''}): {outcome.error}"
        self.console.print(f"[{len(self.seen)}/{len(self._names)}] {self._names[name]}  {text}", markup=False)

    def _rows(self, worker: Worker) -> list[Text]:
        done, total = len(self.seen), len(self._names)
        bar = "━" * round(20 * done / total)
        rows = [Text(f"promotion  {bar:<20} {done}/{total} runs  {self._left(worker, total - done)}".rstrip())]
        for active in worker.active:
            seconds = time.monotonic() - active.began
            rows.append(Text(f"  {self._names[active.of.plan.name]}  {seconds:.0f} s"))
        return rows
