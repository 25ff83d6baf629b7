"""Data parallelism in two processes: the ranks train the one resolved config, also under a multirun."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ratchet.errors import TrainingError
from ratchet.project import Project
from ratchet.runs import RunDirectory, RunRecord
from ratchet.training.module import TaskModule
from ratchet.training.ranks import STATUSES, Rank

pytestmark = pytest.mark.slow
SOURCE = Path(__file__).parents[2] / "src"


def train(project: Project, *command: str) -> subprocess.CompletedProcess[str]:
    """Type train.py with two ranks and two epochs."""
    return subprocess.run(
        [
            sys.executable,
            str(SOURCE / "train.py"),
            *command,
            "trainer=ddp_cpu",
            "trainer.max_epochs=2",
            "trainer.progress=none",
        ],
        cwd=project.root,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(project.root)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_each_job_of_a_multirun_trains_its_own_config_in_both_ranks(project: Project) -> None:
    done = train(project, "-m", "model=logistic,mlp", "hydra.sweep.dir=swept")
    assert done.returncode == 0, done.stderr
    _, *ended = (line for line in done.stderr.splitlines() if not line.startswith("note: gains"))
    assert sorted(line.partition("]")[2].split("  ")[0].split()[1:] for line in ended) == [
        ["trial", "0"],
        ["trial", "1"],
    ]
    records = [json.loads((project.root / "swept" / job / "run.json").read_text()) for job in ("0", "1")]
    assert [record["parameters"] for record in records] == [650, 64 * 200 + 400 + 200 * 200 + 400 + 2010]
    assert all(record["status"] == "completed" for record in records)
    rows = (project.root / "swept" / "0" / "metrics.csv").read_text().splitlines()
    assert [row.split(",")[1] for row in rows] == ["step", "5", "10"]  # 1,006 examples: 11 batches, shared by two
    assert not list((project.root / "runs").glob("*"))


BREAKS = """
import os, warnings
from torch import nn

class Breaks(nn.Module):
    def __init__(self, *, input_shape, n_classes, breaks: bool):
        super().__init__()
        self.layer = nn.Linear(64, n_classes)
        self.breaks = breaks and os.environ.get("LOCAL_RANK") == "1"

    def forward(self, x):
        if self.training and self.breaks:
            warnings.warn("a warning of rank 1")
            raise KeyError("a bug")
        return self.layer(x.flatten(1))
"""


def test_what_fails_in_another_rank_is_said_in_one_line_and_the_next_job_trains(project: Project) -> None:
    (project.root / "breaks.py").write_text(BREAKS, encoding="utf-8")
    (project.conf / "model" / "breaks.yaml").write_text("name: breaks\n_target_: breaks.Breaks\nbreaks: false\n")
    done = train(project, "-m", "model=breaks", "model.breaks=true,false", "hydra.sweep.dir=swept")
    assert done.returncode == 1
    message = "rank 1: KeyError: 'a bug'; see swept/0/train.log"
    began, *ended = (line for line in done.stderr.splitlines() if not line.startswith("note: gains"))
    assert began.startswith("study ")
    failed, completed = sorted(ended, key=lambda line: "failed" not in line)
    assert f"failed (exception): {message}" in failed
    assert "validation/accuracy" in completed
    records = [json.loads((project.root / "swept" / job / "run.json").read_text()) for job in ("0", "1")]
    assert [record["status"] for record in records] == ["failed", "completed"]
    assert records[0]["error"] == {"class": "TrainingError", "message": message}
    log = (project.root / "swept" / "0" / "train.log").read_text()
    assert "a warning of rank 1" in log
    assert 'raise KeyError("a bug")' in log


def rank(script: str) -> Rank:
    return Rank(1, subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, text=True))


@pytest.mark.parametrize(
    ("script", "failure"),
    [
        ("echo ready", None),
        ("echo ready; echo its reason; exit 1", "rank 1: its reason"),
        ("echo ready; kill -9 $$", "rank 1 was killed by signal 9, for want of memory perhaps; type: "),
        ("echo ready; exec sleep 60", None),  # killed from here
    ],
)
def test_what_a_rank_failed_of(script: str, failure: str | None) -> None:
    one = rank(script)
    one.wait_until_ready()
    one.end(within=0.5)
    one.end(within=0)
    assert (one.failure or "").startswith(failure or "")
    assert (one.failure is None) == (failure is None)


@pytest.mark.parametrize("kind", STATUSES)
def test_what_a_rank_failed_of_keeps_its_name(kind: type[TrainingError]) -> None:
    one = rank(f"echo ready; echo its reason; exit {STATUSES[kind]}")
    one.wait_until_ready()
    one.end(within=10)
    assert one.kind is kind


@pytest.mark.parametrize(
    ("script", "said"),
    [("echo no such layer; exit 1", "rank 1: no such layer"), ("exit 1", "rank 1 ended before the training began")],
)
def test_a_rank_that_cannot_begin_says_why(script: str, said: str) -> None:
    with pytest.raises(TrainingError, match=said):
        rank(script).wait_until_ready()


def test_a_batch_that_does_not_fit_all_ranks_is_each_one_s_share_with_a_note(project: Project) -> None:
    done = train(project, "model=logistic", "trainer.batch_size=600", "trainer.max_epochs=1")
    assert done.returncode == 0, done.stderr
    assert done.stderr == (
        "note: trainer.batch_size=600 is more than there are training examples for each device: it is 503\n"
    )


def test_ranks_draw_different_noise_and_each_the_same_again() -> None:
    def noise(rank: int, epoch: int) -> tuple[float, ...]:
        config = SimpleNamespace(seed=7)
        task: Any = SimpleNamespace(
            config=config, current_epoch=epoch, global_rank=rank, global_step=0, _losses=[], _scores=[]
        )
        TaskModule.on_train_epoch_start(task)
        return tuple(torch.rand(3).tolist())

    drawn = {(rank, epoch): noise(rank, epoch) for rank in range(3) for epoch in range(3)}
    assert len(set(drawn.values())) == 9
    assert all(noise(*key) == drawn[key] for key in drawn)


def test_ranks_decide_on_the_validation_of_rank_0() -> None:
    """Running statistics differ between ranks, and with them each rank's own numbers."""
    seen: list[Any] = []
    task: Any = SimpleNamespace(
        config=SimpleNamespace(objective=SimpleNamespace(metric="validation/loss")),
        trainer=SimpleNamespace(
            world_size=2, strategy=SimpleNamespace(broadcast=lambda own: {**own, "validation/loss": 0.25})
        ),
        log_dict=seen.append,
        _plateau=SimpleNamespace(step=seen.append),
        task=SimpleNamespace(validate=lambda *_: {"loss": torch.tensor(0.75)}),
        _validated=[(torch.zeros(1, 2), torch.zeros(1))],
        _require_finite=lambda: None,
        _log_training=lambda: None,
    )
    TaskModule.on_validation_epoch_end(task)
    assert seen == [{"validation/loss": 0.25}, 0.25]


LOST = """\
import subprocess, sys
from pathlib import Path
from ratchet.training import ranks

ranks.PATIENCE = 0.1
launcher = ranks.RankLauncher.__new__(ranks.RankLauncher)
launcher.run, launcher._ended = ranks.RunDirectory(Path(sys.argv[1])), ranks.threading.Event()
launcher.ranks = [ranks.Rank(1, subprocess.Popen(["false"], stdout=subprocess.PIPE, text=True))]
launcher.ranks[0].process.wait()
launcher._watch()
"""


def test_a_run_whose_other_rank_is_gone_is_not_left_running(tmp_path: Path) -> None:
    """Rank 0 waits for it in a call that never comes back, as NCCL's do."""
    run = RunDirectory(tmp_path)
    data = {"name": "digits", "hash": "0"}
    RunRecord(
        id="a", status="running", command=[], git={}, data=data, config_hash="0", versions={}, host={}, threads=1,
        seed=0, parameters=1, started_at="",
    ).write(run)  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", LOST, str(tmp_path)], env={**os.environ, "PYTHONPATH": str(SOURCE)}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("error: a rank failed; see ")
    ended = RunRecord.read(run)
    assert (ended.status, ended.error and ended.error["class"]) == ("failed", "killed")
