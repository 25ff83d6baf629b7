"""What does Weights & Biases cost, offline: a trial's process in seconds, and a run of about a minute in percent?

Each pair trains the same config with the same seed twice, once with logger=csv and once with logger=wandb (offline,
with system metrics and artifacts), in turns at going first, each in a process forked from one that has imported what a
sweep's server imports. Seconds are from the start of the process to its end. A trial is 30 steps of a linear model.

    python bench/tracking.py                   mnist1d
    python bench/tracking.py trials=2 runs=1   fewer pairs than 9 and 3; any setting, for both
"""

from __future__ import annotations

import multiprocessing
import statistics
import sys
import tempfile
import time
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any

from environments import prepare
from rich.console import Console
from rich.table import Table

from ratchet.commands.prefork import preload
from ratchet.config.composition import load_config
from ratchet.project import Project
from ratchet.runs import RunDirectory
from ratchet.terminal.quiet import quiet_libraries

PLAIN = ["params=null", "data=mnist1d", "trainer.progress=none"]
TRIAL = [*PLAIN, "model=logistic", "trainer.max_epochs=1", "trainer.max_steps=30"]
MINUTE = [*PLAIN, "model=cnn", "trainer.max_epochs=100"]
AIM_SECONDS, AIM_PERCENT = 1.1, 3.0


def run(place: Path, settings: list[str], logger: str) -> None:
    """One training, in the process that this is called in, in a project of its own so that wandb/ is no one else's."""
    from ratchet.training.train import train

    directory = RunDirectory(place / f"run-{time.time_ns()}")
    directory.path.mkdir()
    before = len(list(place.glob("wandb/offline-run-*")))
    config = load_config(Project(place), [*settings, f"logger={logger}"])
    with quiet_libraries(directory.log):
        train(config, run=directory, project=Project(place))
    if logger == "wandb" and len(list(place.glob("wandb/offline-run-*"))) == before:
        raise RuntimeError("W&B did not begin, so nothing was measured")


def project_beside(source: Project, place: Path) -> None:
    """Fill a folder with what a training reads."""
    for name in ("conf", "data", "params.yaml", "dvc.lock", ".dvc"):
        if (source.root / name).exists():
            (place / name).symlink_to(source.root / name)


def seconds(context: BaseContext, place: Path, settings: list[str], logger: str) -> float:
    """Wall time of a process that trains. It must succeed."""
    process: Any = context.Process(target=run, args=(place, settings, logger))  # type: ignore[attr-defined]
    began = time.perf_counter()
    process.start()
    process.join()
    if process.exitcode:
        raise RuntimeError(f"a training with logger={logger} ended with status {process.exitcode}")
    return time.perf_counter() - began


def pairs(context: BaseContext, place: Path, settings: list[str], count: int) -> list[tuple[float, float]]:
    """Seconds without and with W&B, after one pair that fills caches."""
    found = []
    for turn in range(-1, count):
        order = ("csv", "wandb") if turn % 2 else ("wandb", "csv")
        took = {logger: seconds(context, place, settings, logger) for logger in order}
        found.append((took["csv"], took["wandb"]))
    return found[1:]


def main() -> None:
    given = dict(argument.split("=", 1) for argument in sys.argv[1:])
    trials, runs = int(given.pop("trials", 9)), int(given.pop("runs", 3))
    settings = [f"{key}={value}" for key, value in given.items()]
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload(())))
    prepare("mnist1d")
    table = Table(title="W&B offline against metrics.csv alone, one process after the other")
    for column in ("", "csv s", "W&B s", "costs", "pairs", "aim"):
        table.add_column(column, justify="right")
    with tempfile.TemporaryDirectory() as folder:
        project_beside(Project.find(), Path(folder))
        short = pairs(context, Path(folder), [*TRIAL, *settings], trials)
        long = pairs(context, Path(folder), [*MINUTE, *settings], runs) if runs else []
    costs = [ours - theirs for theirs, ours in short]
    row = (f"{statistics.median(costs):.2f} s", f"{min(costs):.2f} to {max(costs):.2f}", f"{AIM_SECONDS} s")
    table.add_row("a trial's process", *medians(short), *row)
    if long:
        percent = [100 * (ours / theirs - 1) for theirs, ours in long]
        row = (f"{statistics.median(percent):.1f} %", f"{min(percent):.1f} to {max(percent):.1f}", f"{AIM_PERCENT} %")
        table.add_row("a whole run", *medians(long), *row)
    Console().print(table)


def medians(found: list[tuple[float, float]]) -> tuple[str, str]:
    theirs, ours = (statistics.median(column) for column in zip(*found, strict=True))
    return f"{theirs:.2f}", f"{ours:.2f}"


if __name__ == "__main__":
    main()
