"""Where curves go: each logger leaves what its users look for, and none of them costs a training."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.loggers.logger import Logger

from ratchet.config.composition import load_config
from ratchet.project import Project
from ratchet.runs import RunDirectory, RunRecord
from ratchet.terminal.quiet import quiet_libraries
from ratchet.tracking.metrics_file import MetricsFile
from ratchet.tracking.wandb_run import WandbRun
from ratchet.training.train import train

SMALL = ["data=digits", "model=logistic", "trainer.max_epochs=3", "trainer.progress=none"]
Logged = Callable[..., tuple[RunDirectory, RunRecord]]


@pytest.fixture
def logged(project: Project, tmp_path: Path) -> Logged:
    def go(*overrides: str) -> tuple[RunDirectory, RunRecord]:
        run = RunDirectory(tmp_path / "run")
        run.path.mkdir()
        with quiet_libraries(run.log):
            return run, train(load_config(project, [*SMALL, *overrides]), run=run, project=project)

    return go


def rows(run: RunDirectory) -> list[dict[str, str]]:
    with run.metrics.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_csv_leaves_curves_alone(logged: Logged) -> None:
    run, _ = logged("logger=csv")
    assert [(row["epoch"], row["step"]) for row in rows(run)] == [("0", "11"), ("1", "22"), ("2", "33")]
    assert sorted(path.name for path in run.path.iterdir()) == [
        *("checkpoints", "config.yaml", "metrics.csv", "run.json")
    ]


def test_none_leaves_no_curves(logged: Logged) -> None:
    run, record = logged("logger=none")
    assert not run.metrics.exists()
    assert record.best is not None


def test_tensorboard_leaves_event_files_beside_the_curves(logged: Logged) -> None:
    run, _ = logged("logger=tensorboard")
    assert list(run.tensorboard.glob("events.out.tfevents.*"))
    assert len(rows(run)) == 3


def inspect(project: Project) -> dict[str, Any]:
    """What W&B's own reader finds in the one offline run that a project trained."""
    (file,) = (project.root / "wandb").glob("offline-run-*/run-????????.wandb")
    command = [str(Path(sys.executable).with_name("wandb")), "leet", "inspect", "--summary", "--json", str(file.parent)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.slow
def test_wandb_offline_is_complete(logged: Logged, project: Project) -> None:
    _, record = logged("logger=wandb")
    found = inspect(project)
    text = json.dumps(found)
    assert record.wandb_id == record.id
    assert record.best is not None
    assert record.id in text
    assert "optimizer.lr" in text
    assert f"{record.best.value:.4f}"[:6] in text
    assert not list(Path.cwd().glob("wandb/run-*"))


@pytest.mark.slow
def test_a_wandb_that_cannot_start_costs_a_warning(
    logged: Logged, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import wandb

    def refuse(**_: Any) -> None:
        raise wandb.errors.CommError("nobody listens")

    monkeypatch.setattr(wandb, "init", refuse)
    run, record = logged("logger=wandb")
    assert record.status == "completed"
    assert len(rows(run)) == 3
    assert "warning: no W&B for this run (CommError: nobody listens); metrics.csv has it all" in capsys.readouterr().err


@pytest.mark.parametrize(("logger", "service"), [(WandbRun, "W&B"), (TensorBoardLogger, "TensorBoard")])
def test_a_service_that_is_lost_on_the_way_costs_one_warning(
    logged: Logged,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    logger: type[Logger],
    service: str,
) -> None:
    import wandb

    def lose(*_: Any, **__: Any) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(logger, "log_metrics", lose)
    run, record = logged("logger=wandb" if service == "W&B" else "logger=tensorboard")
    assert record.status == "completed"
    assert len(rows(run)) == 3
    said = f"warning: {service} lost this run (BrokenPipeError: [Errno 32] Broken pipe); metrics.csv has it all"
    (line,) = capsys.readouterr().err.splitlines()
    later = r"; to upload it later, type: wandb sync wandb/offline-run-\d+_\d+-\w+" if service == "W&B" else ""
    assert re.fullmatch(re.escape(said) + later, line)
    assert wandb.run is None


def test_loggers_are_closed_where_training_cannot_begin(logged: Logged, monkeypatch: pytest.MonkeyPatch) -> None:
    import wandb

    from ratchet.training.fit import Fit

    def refuse(*_: Any, **__: Any) -> None:
        raise ValueError("no such device")

    monkeypatch.setattr(Fit, "trainer", refuse)
    with pytest.raises(ValueError, match="no such device"):
        logged("logger=wandb")
    assert wandb.run is None
    (written,) = Path.cwd().parent.glob("run/run.json")
    assert RunRecord.read(RunDirectory(written.parent)).status == "failed"


def test_a_resumed_metrics_file_drops_the_rows_that_will_come_again(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    first = MetricsFile(run)
    for epoch in range(4):
        first.log_metrics({"epoch": epoch, "validation/loss": float(epoch)}, step=10 * epoch + 9)
    resumed = MetricsFile(run, resumed_at_step=20)
    resumed.log_metrics({"epoch": 2, "validation/loss": 7.0}, step=29)
    assert [(row["step"], row["validation/loss"]) for row in rows(run)] == [("10", "0.0"), ("20", "1.0"), ("30", "7.0")]
    MetricsFile(run)
    assert not run.metrics.exists()
