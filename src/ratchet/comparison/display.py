"""Tables in the terminal."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table as Grid

from ratchet.comparison.gather import FINISHED, Run
from ratchet.comparison.tables import AHEAD, BEHIND, TIED, Row, Table

SHOWN = 20
FAILED = 5
_NARROW = 100  # columns of a terminal that has no room for the interval's own column
_STYLES = {AHEAD: "bold green", TIED: "green", BEHIND: "dim"}


def show(tables: Sequence[Table], console: Console) -> None:
    """Print every table, its verdict and notes, and what failed."""
    for table in tables:
        ended = Counter(run.status for run in table.runs)
        tally = ", ".join(f"{count} {status}" for status, count in ended.most_common())
        better = "larger" if table.direction == "maximize" else "smaller"
        console.print(f"[bold]{escape(table.dataset or 'unknown data')}[/] · {escape(table.metric)}, {better} is better · {tally}")
        console.print(_grid(table, narrow=console.width < _NARROW))
        if len(table.rows) > SHOWN:
            console.print(f"and {len(table.rows) - SHOWN} more rows", style="dim")
        console.print(escape(table.verdict), style="bold", highlight=False)
        for line in (*table.notes, *_failures(table.runs)):
            console.print(f"  {escape(line)}", highlight=False)
        console.print()


def _grid(table: Table, *, narrow: bool) -> Grid:
    grid = Grid(box=None, padding=(0, 1), header_style="dim", pad_edge=False)
    grid.add_column("", overflow="fold", min_width=8)
    grid.add_column("mean", justify="right", no_wrap=True)
    if not narrow:
        grid.add_column("95 % interval", justify="center", no_wrap=True)
    for name in ("n", "worst", "time", "parameters"):
        grid.add_column(name, justify="right", no_wrap=True)
    grid.add_column("", overflow="fold", min_width=8)
    for row in table.rows[:SHOWN]:
        cells = list(_cells(row))
        if narrow:
            cells.pop(2)
        grid.add_row(*cells, style=_STYLES.get(row.verdict, "" if row.group else "dim"))
    return grid


def _cells(row: Row) -> Iterator[str]:
    group = row.group
    yield escape(row.name)
    yield number(group.mean) if group else "–"
    yield f"{number(group.low)} to {number(group.high)}" if group and group.low is not None else "–"
    yield str(group.n) if group else "0"
    yield number(group.worst) if group and group.n > 1 else "–"
    yield duration(row.seconds)
    yield f"{row.parameters:,}" if row.parameters is not None else "–"
    yield escape(verdict_of(row))


def verdict_of(row: Row) -> str:
    """The verdict with the gap, and what else became of the row's runs."""
    group = row.group
    said = [row.verdict] if row.verdict else []
    if group is not None and group.gap is not None and group.half_width is not None:
        said[0] = f"{row.verdict}: −{number(group.gap)} ± {number(group.half_width)}"
    others = {status: count for status, count in row.statuses.items() if status != FINISHED}
    said += [f"{count} {status}" for status, count in others.items()]
    return ", ".join(said)


def _failures(runs: Sequence[Run]) -> Iterator[str]:
    failed = [run for run in runs if run.status == "failed"]
    if not failed:
        return
    classes = Counter(run.failure or "exception" for run in failed)
    yield "failed: " + ", ".join(f"{count} {kind}" for kind, count in classes.most_common())
    for run in failed[:FAILED]:
        yield f"  {relative(run)} ({run.failure}): {' '.join(run.message.split())[:160]}"
    if len(failed) > FAILED:
        yield f"  and {len(failed) - FAILED} more"


def relative(run: Run) -> str:
    """The run's directory, from here."""
    return os.path.relpath(run.directory.path)


def number(value: float | None) -> str:
    """Four digits after the point, or four in all for what is far from 1."""
    if value is None:
        return "–"
    return f"{value:.4f}" if value == 0 or 0.001 <= abs(value) < 100 else f"{value:.4g}"


def duration(seconds: float | None) -> str:
    """As a person says it."""
    if seconds is None:
        return "–"
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"
