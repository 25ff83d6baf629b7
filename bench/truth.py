"""Do the rules of comparison and promotion keep what they promise? Measured where the truth is known.

Simulated classifiers of known true accuracy (bench/known_truth/worlds.py) in four regimes, on 500 and 2,000 examples,
go through the package's own functions (ratchet.evidence): tables of eight rows, the gate, whole chains of sweeps and
promotions, and the gate for metrics of the whole set (macro F1, AUROC, average precision). Tables whose rows are drawn
alike, or shifted, go through what watch asks (bench/known_truth/drift.py). A figure misses its aim where it is beyond
by more than two standard errors of the simulation; then the exit status is 1, unless the miss is one that is known and
explained below the table. "otherwise" is what the usual way gives in the same worlds: a t test over seeds alone, a test
begun afresh at each asking, the best value of each sweep, p values without a correction. Lines in brackets have no aim:
they are there to be known.

    python bench/truth.py                         every part (minutes on two cores)
    python bench/truth.py tables                  one part; several: gates chains metrics drift
    python bench/truth.py gates repetitions=200   fewer than 1,000; seed=1: other draws; markdown=true: for the page
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from typing import Any

import numpy as np
from known_truth.chains import chain_lines
from known_truth.drift import SIZES as REQUESTS
from known_truth.drift import TABLES, drift_lines
from known_truth.gates import gate_lines
from known_truth.lines import Line
from known_truth.metrics import metric_lines
from known_truth.tables import table_lines
from known_truth.worlds import REGIMES, SIZES
from rich.console import Console
from rich.table import Table

PARTS: dict[str, Callable[[Any, int, int, int], list[Line]]] = {
    "tables": table_lines,
    "gates": gate_lines,
    "chains": chain_lines,
    "metrics": metric_lines,
    "drift": drift_lines,
}
OTHERS: dict[str, tuple[Sequence[Any], Sequence[int]]] = {"drift": (TABLES, REQUESTS)}  # regimes and sizes of a part
COLUMNS = ("measured", "regime", "examples", "figure", "aim", "", "otherwise")
SLOTS = 2


def cell(part: str, regime: Any, n: int, repetitions: int, seed: int) -> list[Line]:
    """One part in one regime."""
    return PARTS[part](regime, n, repetitions, seed)


def measured(parts: list[str], repetitions: int, seed: int) -> list[Line]:
    """All cells of these parts, two at a time; the draws of a cell depend on the seed and its place alone."""
    cells: list[tuple[str, Any, int]] = [
        (part, regime, n) for part in parts for regime, n in product(*OTHERS.get(part, (REGIMES, SIZES)))
    ]
    seeds = [int(np.random.SeedSequence([seed, *place(*each)]).generate_state(1)[0]) for each in cells]
    with ProcessPoolExecutor(SLOTS) as pool:
        done = [pool.submit(cell, *each, repetitions, own) for each, own in zip(cells, seeds, strict=True)]
        return [line for future in done for line in future.result()]


def place(part: str, regime: Any, n: int) -> tuple[int, int, int]:
    """Of a cell among all of them."""
    return list(PARTS).index(part), OTHERS.get(part, (REGIMES, SIZES))[0].index(regime), n


def rows(lines: list[Line]) -> list[list[str]]:
    """Lines of one figure stand together, regime after regime."""
    order = {what: number for number, what in enumerate(dict.fromkeys(line.what for line in lines))}
    return [line.cells() for line in sorted(lines, key=lambda line: order[line.what])]


def as_markdown(lines: list[Line]) -> str:
    """For docs/truth.md."""
    table = [list(COLUMNS), ["---", "---", *["---:"] * 2, "---", "---", "---:"], *rows(lines)]
    return "\n".join(f"| {' | '.join(each)} |" for each in table)


def as_table(lines: list[Line]) -> Table:
    """For a terminal."""
    table = Table()
    for column in COLUMNS:
        table.add_column(column, justify="right" if column in ("examples", "figure", "otherwise") else "left")
    last = None
    for row in rows(lines):
        if last is not None and row[0] != last:
            table.add_section()
        table.add_row(row[0] if row[0] != last else "", *row[1:])
        last = row[0]
    return table


def report(lines: list[Line], repetitions: int, seconds: float, *, markdown: bool) -> int:
    """Print it all; how many lines missed that had no excuse."""
    if markdown:
        print(as_markdown(lines))
    else:
        Console(width=None if sys.stdout.isatty() else 160).print(as_table(lines))
    aimed = [line for line in lines if line.aimed]
    missed = [line for line in aimed if line.missed and not line.excuse]
    for excuse in dict.fromkeys(line.excuse for line in aimed if line.missed and line.excuse):
        print(f"* {excuse}")
    held = sum(not line.missed for line in aimed)
    print(f"{held} of {len(aimed)} aims hold; {repetitions:,} repetitions a cell; {seconds / 60:.1f} minutes")
    return len(missed)


def main() -> int:
    """The exit status is 1 where a line missed."""
    given = dict(argument.split("=", 1) for argument in sys.argv[1:] if "=" in argument)
    parts = [argument for argument in sys.argv[1:] if "=" not in argument] or list(PARTS)
    unknown = [*(part for part in parts if part not in PARTS), *(given.keys() - {"repetitions", "seed", "markdown"})]
    if unknown:
        print(f"there is no {unknown[0]!r}; type: python bench/truth.py [{'] ['.join(PARTS)}] [repetitions=1000]")
        return 2
    repetitions, began = int(given.get("repetitions", 1000)), time.perf_counter()
    lines = measured(parts, repetitions, int(given.get("seed", 0)))
    seconds = time.perf_counter() - began
    return int(report(lines, repetitions, seconds, markdown=given.get("markdown") == "true") > 0)


if __name__ == "__main__":
    sys.exit(main())
