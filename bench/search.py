"""What does the search cost, and what is it worth? Ratios against peers in the same run, on the same machine.

    python bench/search.py                     every part, one after the other (an hour and more)
    python bench/search.py grid                one part; several: grid orchestrator
    python bench/search.py sweep trials=4 steps=300 peers=ideal,ray-reused    smaller, fewer peers
    python bench/search.py pruner pruners=halving,hyperband kept=<folder>      each against none; goes on where it was

grid          200 jobs with an empty task under the project's configuration, against Hydra's basic sweeper
orchestrator  2,000 trials with a trivial objective: milliseconds a trial, early and late, and the worker's memory
scaling       two slots against one, on trials of equal length: trials that sleep, trials that compute
sweep         24 trials of 1,500 steps on MNIST-1D at two slots, against hydra-optuna-sweeper, Ray Tune and a bare loop
pruner        the default pruner, or others, against none over 5 seeds: best value and steps

Each case is a command of its own. Memory is the largest sum of proportional set sizes over all of its processes, looked
at once a second. Milliseconds depend on the machine and on what else it does; ratios less.
"""

from __future__ import annotations

import csv
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from environments import ROOT, prepare, python_of
from rich.console import Console
from rich.table import Table
from watching import Watched, watch

PYTHON, BENCH = sys.executable, ROOT / "bench"
SOURCE = {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
SPACE = [
    "optimizer.lr=tag(log, interval(1e-4, 1e-1))", "optimizer.weight_decay=tag(log, interval(1e-5, 1e-1))",
    "model.width=int(interval(8, 48))", "model.dropout=interval(0.0, 0.5)",
]  # fmt: skip
RUN_AGAIN = ("interrupted", "killed")  # a search that was stopped has such trials, and others that ran in their place
AIMS = {"basic": "1/6", "joblib": "1/3.5", "ray": "1/4", "ray-reused": "1/1.7", "ideal": "1.5"}
Given = Mapping[str, str]


def table(title: str, *columns: str) -> Table:
    """Numbers to the right."""
    made = Table(title=title)
    for column in columns:
        made.add_column(column, justify="left" if column == columns[0] else "right")
    return made


# --- grid


def grid(given: Given) -> Table:
    """An empty job: what is not training."""
    jobs = int(given.get("jobs", 200))
    found = {}
    for sweeper in ("ratchet", "basic"):
        with tempfile.TemporaryDirectory() as name:
            command = [PYTHON, str(BENCH / "apps" / "empty.py"), "-m", f"hydra/sweeper={sweeper}"]
            command += [f"seed=range(0,{jobs})", f"hydra.sweep.dir={name}/jobs"]
            seen = watch(command, folder=Path(name), environment=SOURCE)
            imported, *started = seen.notes
            each = 1000 * (max(started) - min(started)) / (len(started) - 1)
            found[sweeper] = (each, min(started) - imported, seen.seconds)
    made = table(f"a grid of {jobs} jobs with an empty task", "measured", "Ratchet", "Hydra's basic", "ratio", "aim")
    rows = zip(("ms a job", "s from imports to the first", "s in all"), *found.values(), strict=True)
    for (what, ours, theirs), aim in zip(rows, ("60 ms", "2 s", ""), strict=True):
        made.add_row(what, f"{ours:.1f}", f"{theirs:.1f}", f"{ours / theirs:.2f}", aim)
    return made


# --- orchestrator


def orchestrate(**options: Any) -> dict[str, Any]:
    """One run of bench/orchestrator.py."""
    arguments = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    with tempfile.TemporaryDirectory() as name:
        seen = watch([PYTHON, str(BENCH / "orchestrator.py"), *arguments], folder=Path(name), environment=SOURCE)
    found: dict[str, Any] = json.loads(seen.output.splitlines()[-1])
    return found


def each(times: list[float], part: slice = slice(None)) -> float:
    """Milliseconds between two ends of trials, the mean."""
    chosen = times[part]
    return 1000 * (chosen[-1] - chosen[0]) / (len(chosen) - 1)


def orchestrator(given: Given) -> Table:
    """Trials that do nothing."""
    trials, fewer = int(given.get("trials", 2000)), int(given.get("tpe_trials", 500))
    window = min(100, trials // 2)
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("two processes", {"executor": "process", "slots": 2, "trials": trials}, "60 ms"),
        ("in process", {"executor": "thread", "slots": 1, "trials": trials}, "8 ms"),
        ("in process, random", {"executor": "thread", "slots": 1, "trials": fewer}, ""),
        ("in process, TPE", {"executor": "thread", "slots": 1, "trials": fewer, "sampler": "TPESampler"}, "as r."),
    ]
    made = table(
        "trials with a trivial objective: ms a trial (aims: last/first 1.5, memory 1.2)", "case", "trials", "ms",
        "sampler", "storage", "cpu", "aim", "last/first", "of cpu", "MB, 100th", "last", "ratio",
    )  # fmt: skip
    for name, options, aim in cases:
        found = orchestrate(**options)
        times, memory = found["ended"], found["megabytes"]
        count = len(times)
        ratios = [each(clock, slice(-window, None)) / each(clock, slice(window)) for clock in (times, found["cpu"])]
        early, late = memory[min(window, count - 1)], memory[-1]
        made.add_row(
            name, str(count), f"{each(times):.1f}", f"{1000 * found['sampler'] / count:.1f}",
            f"{1000 * found['storage'] / count:.1f}", f"{each(found['cpu']):.1f}", aim,
            *(f"{ratio:.2f}" for ratio in ratios), f"{early:.0f}", f"{late:.0f}", f"{late / early:.2f}",
        )  # fmt: skip
    return made


# --- scaling


def scaling(given: Given) -> Table:
    """Trials of equal length, slots taking turns; the first trials, which wait for the server, are not counted."""
    trials, pairs = int(given.get("trials", 16)), int(given.get("pairs", 5))
    made = table(
        f"two slots against one, {trials} trials, the median of {pairs} pairs that took turns", "trials that",
        "s, one slot", "s, two slots", "ratio", "from", "to", "aim",
    )  # fmt: skip
    cases: dict[str, Callable[[int], float]] = {
        "sleep": lambda slots: searched(trials, slots, "sleeping"),
        "compute": lambda slots: searched(trials, slots, "computing"),
        "compute, in bare loops": lambda slots: bare(trials, slots),
    }
    for name, case in cases.items():
        seconds = [(case(1), case(2)) for _ in range(pairs)]
        ratios = sorted(one / two for one, two in seconds)
        medians = (statistics.median(column) for column in zip(*seconds, strict=True))
        aim = "" if "bare" in name else "1.85"
        shown = (statistics.median(ratios), ratios[0], ratios[-1])
        made.add_row(name, *(f"{value:.1f}" for value in medians), *(f"{ratio:.2f}" for ratio in shown), aim)
    return made


def searched(trials: int, slots: int, task: str) -> float:
    """Seconds of so many trials of a search."""
    times = orchestrate(executor="process", slots=slots, trials=trials + slots, task=task)["ended"]
    return float(times[-1] - times[slots - 1])


def bare(trials: int, processes: int) -> float:
    """Seconds of as much computing in so many processes with nothing around it: what the machine itself allows."""
    command = [PYTHON, "-c", f"for _ in range({trials // processes} * 12_000_000): pass"]
    began = time.perf_counter()
    running = [subprocess.Popen(command) for _ in range(processes)]
    for process in running:
        process.wait()
    return time.perf_counter() - began


# --- sweep


def ratchet_command(folder: Path, *, trials: int, steps: int, pruner: str, seed: int) -> list[str]:
    """The sweep as a person types it."""
    return [
        PYTHON, str(ROOT / "src" / "train.py"), "-m", "data=mnist1d", "model=cnn", "model.kernel=3",
        "model.pool=stride", *SPACE, "logger=csv",
        "trainer.max_epochs=null", f"trainer.max_steps={steps}", "trainer.validate_every=3",
        "augmentation.shift=0", "augmentation.scale=0", "augmentation.noise=0",  # conf/tuned has them; peers do not
        f"sweep.n_trials={trials}", "sweep.n_jobs=2", "sweep.champion_first=false", "sweep.warm_start=0",
        f"sweep.seed={seed}",
        f"sweep/pruner={pruner}", f"hydra.sweep.dir={folder}/study",
    ]  # fmt: skip


def ratchet(
    trials: int, steps: int, *, pruner: str = "halving", seed: int = 0, kept: str | None = None
) -> tuple[Watched, float, int]:
    """Ratchet's own: what was seen, the best value, the steps of all trials.

    kept: a folder for the study; one that is there already goes on.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) if kept is None else Path(kept).absolute() / f"{pruner}_{seed}"
        folder.mkdir(parents=True, exist_ok=True)
        for shared in ("data", "conf", "sweeps", "src", "params.yaml", "dvc.yaml", "pyproject.toml"):
            if not (folder / shared).is_symlink():
                (folder / shared).symlink_to(ROOT / shared)
        command = ratchet_command(folder, trials=trials, steps=steps, pruner=pruner, seed=seed)
        seen = watch(command, folder=folder, environment=SOURCE, jobs="study/*/output.log")
        with (folder / "study" / "trials.csv").open(encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        values = [float(row["metrics/validation/accuracy"]) for row in rows if row["state"] == "complete"]
        counted = [row for row in rows if row["failure"] not in RUN_AGAIN]
        return seen, max(values), sum(steps_of(folder / "study" / row["number"]) for row in counted)


def steps_of(run: Path) -> int:
    """Of a trial, pruned or not: the last line of its learning curve, 0 where it ended before the first."""
    if not (run / "metrics.csv").is_file():
        return 0
    with (run / "metrics.csv").open(encoding="utf-8") as stream:
        return max((int(float(row["step"])) for row in csv.DictReader(stream)), default=0)


def peer(name: str, trials: int, steps: int) -> Watched:
    """One of AIMS."""
    script = {"basic": "hydra_optuna", "joblib": "hydra_optuna", "ideal": "ideal"}.get(name, "ray_tune")
    python = PYTHON if name == "ideal" else python_of("hydra" if script == "hydra_optuna" else "ray")
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            "PYTHONPATH": "", "OMP_NUM_THREADS": "1", "STEPS": str(steps), "TRIALS": str(trials), "LAUNCHER": name,
            "FOLDER": f"{folder}/results", "REUSE": str(int("reused" in name)),
            "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0",
        }  # fmt: skip
        command = [python, str(BENCH / "peers" / f"{script}.py"), *(["-m"] if script == "hydra_optuna" else [])]
        return watch(command, folder=Path(folder), environment=environment)


def sweep(given: Given) -> Table:
    """The whole, as a person waits for it."""
    trials, steps = int(given.get("trials", 24)), int(given.get("steps", 1500))
    names = given["peers"].split(",") if "peers" in given else list(AIMS)
    ours, value, _ = ratchet(trials, steps)
    seen = {name: peer(name, trials, steps) for name in names}
    again, *_ = ratchet(trials, steps)  # first and last: how far the machine's own pace moved between
    seconds = statistics.fmean((ours.seconds, again.seconds))
    made = table(
        f"{trials} trials of {steps} steps on MNIST-1D, two at once; ratios are Ratchet's over the peer's",
        "search", "s", "ratio", "aim", "first trial after s", "MB", "ratio of memory",
    )  # fmt: skip
    for name, mine in ((f"Ratchet, first (best {value:.3f})", ours), ("Ratchet, last", again)):
        made.add_row(name, f"{mine.seconds:.0f}", "", "", f"{mine.first_start:.1f} (9)", f"{mine.peak:.0f}", "")
    for name, theirs in seen.items():
        memory = f"{ours.peak / theirs.peak:.2f}" + (" (aim 0.6)" if name == "joblib" else "")
        row = (f"{theirs.seconds:.0f}", f"{seconds / theirs.seconds:.2f}", AIMS[name])
        made.add_row(name, *row, f"{theirs.first_start:.1f}", f"{theirs.peak:.0f}", memory)
    return made


# --- pruner


def pruner(given: Given) -> Table:
    """What pruning saves, and what it loses."""
    trials, steps = int(given.get("trials", 24)), int(given.get("steps", 1500))
    seeds = int(given.get("seeds", 5))
    names = dict.fromkeys(["none", *given.get("pruners", "halving").split(",")])
    made = table(
        f"pruners, {seeds} searches of {trials} trials", "pruner", "mean best validation accuracy", "gain (-0.003)",
        "±", "steps", "share (0.4)",
    )  # fmt: skip
    first: list[tuple[float, int]] = []
    for name in names:
        found = [ratchet(trials, steps, pruner=name, seed=s, kept=given.get("kept"))[1:] for s in range(seeds)]
        first = first or found
        gains = [value - before for (value, _), (before, _) in zip(found, first, strict=True)]
        error = f"{statistics.stdev(gains) / seeds**0.5:.4f}" if seeds > 1 else ""
        best, spent = statistics.fmean(value for value, _ in found), sum(count for _, count in found)
        share = spent / sum(count for _, count in first)
        made.add_row(name, f"{best:.4f}", f"{statistics.fmean(gains):+.4f}", error, str(spent), f"{share:.2f}")
    return made


PARTS: dict[str, Callable[[Given], Table]] = {
    "grid": grid, "orchestrator": orchestrator, "scaling": scaling, "sweep": sweep, "pruner": pruner,
}  # fmt: skip


def main() -> None:
    given = dict(argument.split("=", 1) for argument in sys.argv[1:] if "=" in argument)
    parts = [argument for argument in sys.argv[1:] if "=" not in argument]
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        sys.exit(f"there is no part {unknown[0]}; allowed: {', '.join(PARTS)}")
    if not parts or {"sweep", "pruner"} & set(parts):
        prepare("mnist1d")
    for part in parts or PARTS:
        Console(width=130).print(PARTS[part](given))


if __name__ == "__main__":
    main()
