"""What does `dvc repro` cost when there is nothing to do, and how much memory do the stages need?

`dvc repro` of this project, reproduced before, against `dvc repro` of an empty DVC project with no stage; they take
turns at going first, and the ratio is the median of the pairs' ratios. Memory is the largest resident set of each
stage's process, from the operating system, while Fashion-MNIST is prepared, trained on for some steps and evaluated.

    python bench/pipeline.py
    python bench/pipeline.py repeats=1 data=digits    fewer pairs than 5; memory on smaller data
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ratchet.project import Project

AIM_NO_OP, AIM_MEMORY = 1.5, 1500


def seconds(command: list[str], folder: Path) -> float:
    """Wall time of a command that must succeed."""
    began = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


def no_op(project: Project, repeats: int) -> list[tuple[float, float]]:
    """Seconds of a `dvc repro` with nothing to do, in pairs: this project's, and a stage-less one's."""
    dvc = str(Path(sys.executable).with_name("dvc"))
    with tempfile.TemporaryDirectory() as name:
        empty = Path(name)
        subprocess.run(["git", "init", "-q"], cwd=empty, check=True)
        subprocess.run([dvc, "init", "-q"], cwd=empty, check=True)
        (empty / "dvc.yaml").write_text("stages: {}\n", encoding="utf-8")
        pairs = []
        for turn in range(-1, repeats):  # the turn before the first reproduces, and fills caches
            order = (project.root, empty) if turn % 2 else (empty, project.root)
            took = {folder: seconds([dvc, "repro"], folder) for folder in order}
            pairs.append((took[project.root], took[empty]))
    return pairs[1:]


def peak_megabytes(project: Project, data: str) -> dict[str, float]:
    """The largest resident set of each stage's process, on some steps of training."""
    with tempfile.TemporaryDirectory() as run:
        chosen = ["params=null", f"data={data}"]  # conf/ alone, whatever params.yaml says
        training = ["model=cnn", "logger=csv", "trainer.max_epochs=1", "trainer.max_steps=100"]
        commands = {
            "fetch": ["src/fetch.py", *chosen],
            "prepare": ["src/prepare.py", *chosen],
            "train": ["src/train.py", *chosen, *training, f"hydra.run.dir={run}"],
            "evaluate": ["src/evaluate.py", "params=null", f"run={run}", "evaluation.bootstrap=1000"],
        }
        return {stage: peak([sys.executable, *command], project.root) for stage, command in commands.items()}


def peak(command: list[str], folder: Path) -> float:
    """Megabytes of the largest process of a command that must succeed.

    The system counts from what this process held when it started the other: here that is little.
    """
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return usage.ru_maxrss / 1024


def main() -> None:
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    given = dict(argument.split("=", 1) for argument in sys.argv[1:])
    data = given.get("data", "fashion_mnist")
    project = Project.find()
    pairs = no_op(project, int(given.get("repeats", 5)))
    ratios = [ours / theirs for ours, theirs in pairs]
    ours, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    table = Table(title=f"the pipeline; memory on {data}")
    for column in ("measured", "Ratchet", "against", "ratio", "pairs", "aim"):
        table.add_column(column, justify="right")
    spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
    numbers = (f"{ours:.2f} s", f"{theirs:.2f} s, no stages", f"{statistics.median(ratios):.2f}", spread)
    table.add_row("dvc repro, nothing to do", *numbers, f"{AIM_NO_OP}")
    for stage, megabytes in peak_megabytes(project, data).items():
        table.add_row(f"peak memory, {stage}", f"{megabytes:.0f} MB", "", "", "", f"{AIM_MEMORY} MB")
    Console().print(table)


if __name__ == "__main__":
    main()
