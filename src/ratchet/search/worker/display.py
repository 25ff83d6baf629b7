"""What a person sees while a sweep runs: a live table in a terminal, elsewhere a line for each trial."""

from __future__ import annotations

import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Self

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from ratchet.search.processes.outcomes import Outcome
from ratchet.terminal.command import outlive_reader

if TYPE_CHECKING:
    from ratchet.search.worker.progress import ActiveTrial, OpenStudy
    from ratchet.search.worker.worker import Worker


WIDEST = 160  # characters of a trial's parameters


class Display:
    """What a worker tells. This one keeps it to itself."""

    def opened(self, study: OpenStudy, at_once: str, *, others: int) -> None:
        """Work on a study is about to begin, with so many other workers there."""

    def started(self, active: ActiveTrial) -> None:
        """Show that a trial has begun."""

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
        """A trial ended: complete, pruned, failed or known."""

    def refresh(self, worker: Worker) -> None:
        """Refresh what is shown, for time has passed."""

    def say(self, line: str) -> None:
        """Something a person should know."""


class LiveDisplay:
    """Lines on stderr, and below them, where that is a terminal, rows that are drawn again and again."""

    def __init__(self, *, live: bool = True) -> None:
        outlive_reader(sys.stderr)
        self.console = Console(stderr=True, soft_wrap=True, highlight=False)
        live = live and sys.stderr.isatty()
        self._live = Live(console=self.console, refresh_per_second=4, transient=True) if live else None
        self._shown = 0.0

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def draw(self, rows: Callable[[], list[Text]]) -> None:
        """Draw the rows again, four times a second at most."""
        if self._live is None or time.monotonic() - self._shown < 0.25:
            return
        self._shown = time.monotonic()
        self._live.update(Group(*rows()))

    def say(self, line: str) -> None:
        """Print a note, above the live rows."""
        self.console.print(f"note: {line}", markup=False)


class TerminalDisplay(LiveDisplay, Display):
    """Shows the progress of studies."""

    def __init__(self, *, live: bool = True) -> None:
        super().__init__(live=live)
        self._durations: list[float] = []
        self._counts: Counter[tuple[str, str]] = Counter()  # study, how a trial ended
        self._began: dict[tuple[str, int], float] = {}

    def opened(self, study: OpenStudy, at_once: str, *, others: int) -> None:
        """Show how far a study is."""
        done, total = study.ledger.finished(), study.plan.n_trials
        count = f"{total} trial{'s' if total > 1 else ''}"
        if done >= total:
            told = f"all {count} are done" if total > 1 else "the one trial is done"
        else:
            beside = f", beside {others} other worker{'s' if others > 1 else ''}" if others else ""
            told = f"{f'{done} of ' if done else ''}{count}{' done' if done else ''}, {at_once}{beside}"
        self.console.print(f"study {study.plan.name}: {told}", markup=False)

    def started(self, active: ActiveTrial) -> None:
        """The beginning is told by the live table alone."""
        self._began[active.of.plan.name, active.claim.trial.number] = time.monotonic()

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
        """Print a line for the trial, above the live table."""
        began = self._began.pop((of.plan.name, number), None)
        took = time.monotonic() - began if began is not None else 0.0
        self._counts[of.plan.name, state] += 1
        if state == "complete":
            self._durations.append(took)
        done = f"{of.ledger.finished()}/{of.plan.n_trials}"
        params = describe(of, number)
        if state == "complete":
            values = "  ".join(f"{each.metric} {written(metrics[each.metric])}" for each in of.plan.objectives)
            text = f"{values}  {params}  ({took:.1f} s)"
        elif state == "failed":
            text = f"failed ({outcome.failure}{', run again' if again else ''}): {outcome.error}  {params}"
        else:
            text = f"{'measured before' if state == 'known' else state}  {params}"
        self.console.print(f"[{done}] {of.plan.name} trial {number}  {text}", markup=False)

    def refresh(self, worker: Worker) -> None:
        """Draw a row for each study and each of its trials."""
        self.draw(lambda: self._rows(worker))

    def _rows(self, worker: Worker) -> list[Text]:
        rows = []
        for study in worker.studies:
            done, total = study.ledger.finished(), study.plan.n_trials
            bar = "━" * round(20 * done / total)
            line = f"{study.plan.name}  {bar:<20} {done}/{total}  {self._tally(study, worker)}  {self._best(study)}"
            rows.append(Text(f"{line}  {self._left(worker, total - done)}".rstrip()))
        if worker.is_starting:
            rows.append(Text("  starting: the process that trials are forked from imports what they need"))
        for active in worker.pool.active:
            now = time.monotonic() - active.began
            value = f"  validation {active.step}: {active.value:.4f}" if active.value is not None else ""
            repeat = f" repeat {active.repeat}" if active.of.plan.settings.repeats > 1 else ""
            name = f"  trial {active.claim.trial.number}{repeat}  {now:.0f} s{value}"
            rows.append(
                Text(f"{name}  {describe(active.of, active.claim.trial.number)}", no_wrap=True, overflow="ellipsis")
            )
        return rows

    def _tally(self, study: OpenStudy, worker: Worker) -> str:
        name = study.plan.name
        counts = {"running": sum(active.of is study for active in worker.pool.active)}
        counts |= {state: self._counts[name, state] for state in ("pruned", "failed") if self._counts[name, state]}
        return ", ".join(f"{count} {state}" for state, count in counts.items())

    def _best(self, study: OpenStudy) -> str:
        if len(study.plan.objectives) > 1:
            return f"{len(study.study.best_trials)} on the front"
        try:
            return f"best {study.study.best_value:.4f}"
        except ValueError:
            return ""

    def _left(self, worker: Worker, trials: int) -> str:
        if worker.ended_by is not None:
            return f"stopping: {len(worker.pool.active)} to finish"
        if not self._durations:
            return ""
        return time_left(statistics.median(self._durations) * trials / max(1, len(worker.pool.active)))


def time_left(seconds: float) -> str:
    """How long it takes to the end, for a person."""
    return f"about {seconds / 60:.0f} min left" if seconds > 90 else f"about {seconds:.0f} s left"


def written(value: float) -> str:
    """Four digits behind the point; a count, such as of parameters, as a whole number."""
    return f"{value:,.0f}" if abs(value) >= 10 and value == round(value) else f"{value:.4f}"


def describe(of: OpenStudy, number: int) -> str:
    """A trial's parameters, short."""
    return told(of.study.get_trials(deepcopy=False)[number].params)


def told(params: Mapping[str, object]) -> str:
    """Parameters in a line that a person still reads; all of them are in trials.csv."""
    line = " ".join(f"{key.lstrip('+')}={_short(value)}" for key, value in params.items())
    return line if len(line) <= WIDEST else f"{line[: line.rfind(' ', 0, WIDEST)]} ..."


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
