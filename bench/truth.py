"""Do the rules of comparison and promotion keep what they promise? Measured where the truth is known.

Simulated classifiers of known true accuracy (bench/known_truth/worlds.py) in four regimes, on 500 and 2,000 examples, go
through the package's own functions (ratchet.evidence): tables of eight rows, the gate, and whole chains of sweeps and
promotions. A figure misses its aim where it is beyond by more than two standard errors of the simulation; then the exit
status is 1. "otherwise" is what the usual way gives in the same worlds: a t test over seeds alone, a test begun afresh at each
asking, the best value of each sweep. Lines in brackets have no aim: they are there to be known.

    python bench/truth.py                         every part (minutes on two cores)
    python bench/truth.py tables                  one part; several: gates chains
    python bench/truth.py gates repetitions=200   fewer than 1,000; seed=1: other draws; markdown=true: for the page
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import product

import numpy as np
from known_truth.chains import chain_lines
from known_truth.gates import gate_lines
from known_truth.lines import Line
from known_truth.tables import table_lines
from known_truth.worlds import REGIMES, SIZES, Regime
from rich.console import Console
from rich.table import Table

PARTS: dict[str, Callable[[Regime, int, int, int], list[Line]]] = {
    "tables": table_lines,
    "gates": gate_lines,
    "chains": chain_lines,
}
COLUMNS = ("measured", "regime", "examples", "figure", "aim", "", "otherwise")
SLOTS = 2


def cell(part: str, regime: Regime, n: int, repetitions: int, seed: int) -> list[Line]:
    """One part in one regime."""
    return PARTS[part](regime, n, repetitions, seed)
