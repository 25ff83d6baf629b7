"""What does `dvc repro` cost when there is nothing to do, and how much memory does the whole pipeline need?

`dvc repro` of this project, reproduced before, against `dvc repro` of an empty DVC project with no stage, in turn; the
ratio is of the medians. Memory is the largest resident set of any one process, from the operating system, while
Fashion-MNIST is prepared and trained on for some steps.

    python bench/pipeline.py
"""

from __future__ import annotations

import os
import resource
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


def no_op(project: Project, repeats: int = 5) -> tuple[float, float]:
    """Median seconds of a `dvc repro` with nothing to do: this project's, and a stage-less one's."""
    dvc = str(Path(sys.executable).with_name("dvc"))
    with tempfile.TemporaryDirectory() as name:
        empty = Path(name)
        subprocess.run(["git", "init", "-q"], cwd=empty, check=True)
        subprocess.run([dvc, "init", "-q"], cwd=empty, check=True)
        (empty / "dvc.yaml").write_text("stages: {}\n", encoding="utf-8")
        for folder in (empty, project.root):
            seconds([dvc, "repro"], folder)
        pairs = [(seconds([dvc, "repro"], project.root), seconds([dvc, "repro"], empty)) for _ in range(repeats)]
    ours, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    return ours, theirs


def peak_megabytes(project: Project) -> float:
    """The largest process of preparing Fashion-MNIST and training on it."""
    with tempfile.TemporaryDirectory() as run:
        data = ["params=null", "data=fashion_mnist"]  # conf/ alone, whatever params.yaml says
        overrides = [*data, "model=cnn", "logger=csv", "trainer.max_epochs=1", "trainer.max_steps=100"]
        for command in (
            ["src/fetch.py", *data],
            ["src/prepare.py", *data],
            ["src/train.py", *overrides, f"hydra.run.dir={run}"],
            ["src/evaluate.py", "params=null", f"run={run}", "evaluation.bootstrap=1000"],
        ):
            seconds([sys.executable, *command], project.root)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def main() -> None:
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    project = Project.find()
    ours, theirs = no_op(project)
    peak = peak_megabytes(project)
    table = Table(title="the pipeline")
    for column in ("measured", "Ratchet", "against", "ratio", "aim"):
        table.add_column(column, justify="right")
    aim = f"{AIM_NO_OP}"
    table.add_row(
        "dvc repro, nothing to do", f"{ours:.2f} s", f"{theirs:.2f} s, no stages", f"{ours / theirs:.2f}", aim
    )
    table.add_row("peak memory, Fashion-MNIST", f"{peak:.0f} MB", "", "", f"{AIM_MEMORY} MB")
    Console().print(table)


if __name__ == "__main__":
    main()
