"""Tables in the terminal."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table as Grid

from ratchet.comparison.gather import FINISHED, Run
from ratchet.comparison.tables import AHEAD, BEHIND, TIED, BaselineRow, Row, Table

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
        console.print(
            f"[bold]{escape(table.title)}[/] · {escape(table.metric)}, {better} is better · {tally}", highlight=False
        )
        console.print(_grid(table, narrow=console.width < _NARROW))
        if len(table.rows) > SHOWN:
            console.print(f"and {len(table.rows) - SHOWN} more rows", style="dim")
        if table.verdict:
            console.print(escape(table.verdict), style="bold", highlight=False)
        for line in table.notes:
            console.print(escape(line), highlight=False)
        for line in _failures(table.runs):
            console.print(escape(line), highlight=False, no_wrap=True, overflow="ellipsis", style="dim")
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
    sign = -1.0 if table.direction == "maximize" else 1.0
    beside = sorted(table.baselines, key=lambda each: sign * each.value)
    for row in table.rows[:SHOWN]:
        while beside and (row.group is None or sign * beside[0].value < sign * row.group.mean):
            _add(grid, _baseline_cells(beside.pop(0)), narrow=narrow, style="cyan")
        _add(grid, _cells(row), narrow=narrow, style=_STYLES.get(row.verdict, "" if row.group else "dim"))
    for each in beside:
        _add(grid, _baseline_cells(each), narrow=narrow, style="cyan")
    return grid


def _add(grid: Grid, cells: Iterable[str], *, narrow: bool, style: str) -> None:
    grid.add_row(*(cell for place, cell in enumerate(cells) if place != 2 or not narrow), style=style)


def _baseline_cells(each: BaselineRow) -> Iterator[str]:
    yield from (each.name, number(each.value), *"–––––", f"baseline, {each.note}" if each.note else "baseline")


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
    """A line for each kind of failure, the most frequent first, with the first run that it happened to."""
    failed: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        if run.status == "failed":
            line = " ".join(run.message.split())
            failed.setdefault((run.failure or "exception", re.sub(r"\d+(\.\d+)?", "#", line)), []).append(run)
    ordered = sorted(failed.items(), key=lambda item: -len(item[1]))
    for (kind, _), found in ordered[:FAILED]:
        yield f"{len(found)} failed ({kind}), {relative(found[0])}: {' '.join(found[0].message.split())}"
    if len(ordered) > FAILED:
        yield f"{sum(len(found) for _, found in ordered[FAILED:])} more failed in other ways: runs.csv has them all"


def relative(run: Run) -> str:
    """The run's directory, from here."""
    return os.path.relpath(run.directory.path)


def number(value: float | None) -> str:
    """Four digits after the point, or four in all for what is far from 1."""
    if value is None:
        return "–"
    return f"{value:.4f}" if value == 0 or 0.001 <= abs(value) < 100 else f"{value:.4g}"


def duration(seconds: float | None) -> str:
    """Return seconds as a person says them."""
    if seconds is None:
        return "–"
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"
