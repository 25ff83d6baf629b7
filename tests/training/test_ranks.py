"""Data parallelism in two processes: the ranks train the one resolved config, also under a multirun."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ratchet.project import Project

pytestmark = pytest.mark.slow
SOURCE = Path(__file__).parents[2] / "src"


def test_each_job_of_a_multirun_trains_its_own_config_in_both_ranks(project: Project) -> None:
    command = ["-m", "model=logistic,mlp", "trainer=ddp_cpu", "trainer.max_epochs=2", "hydra.sweep.dir=swept"]
    done = subprocess.run(
        [sys.executable, str(SOURCE / "train.py"), *command],
        cwd=project.root,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    records = [json.loads((project.root / "swept" / job / "run.json").read_text()) for job in ("0", "1")]
    assert [record["parameters"] for record in records] == [650, 64 * 200 + 400 + 200 * 200 + 400 + 2010]
    assert all(record["status"] == "completed" for record in records)
    rows = (project.root / "swept" / "0" / "metrics.csv").read_text().splitlines()
    assert [row.split(",")[1] for row in rows] == ["step", "5", "10"]  # 1,006 examples: 11 batches, shared by two
    assert not list((project.root / "runs").glob("*"))
