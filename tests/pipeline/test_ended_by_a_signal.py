"""A training that a signal ends: its status, its line, its record, and that a pipeline stops there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from pipeline.conftest import Checkout

pytestmark = pytest.mark.slow

LONG = ["trainer.max_epochs=100000", "logger=csv"]
SIGNALS = [
    (signal.SIGINT, "interrupted"),
    pytest.param(signal.SIGTERM, "ended by SIGTERM", marks=pytest.mark.nightly),
    pytest.param(signal.SIGHUP, "ended by SIGHUP", marks=pytest.mark.nightly),
]


def start(checkout: Checkout, *command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command, cwd=checkout.root, env=checkout.environment, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def wait_for(path: Path) -> None:
    for _ in range(1200):
        if path.is_file():
            return
        time.sleep(0.1)
    raise AssertionError(f"{path} did not appear")


@pytest.fixture(scope="module")
def prepared(checkout: Checkout) -> Checkout:
    for stage in ("compose", "fetch", "prepare"):
        checkout.type("python", f"src/{stage}.py")
    return checkout


@pytest.mark.parametrize(("number", "said"), SIGNALS)
def test_a_training_says_so_and_can_be_resumed(prepared: Checkout, number: signal.Signals, said: str) -> None:
    run = prepared.root / "runs" / number.name
    process = start(prepared, "python", "src/train.py", f"hydra.run.dir={run}", *LONG)
    wait_for(run / "checkpoints" / "best.ckpt")
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 128 + number, err
    assert (out, err) == ("", f"{said}; to go on, type: python src/train.py resume=runs/{number.name}\n")
    record = json.loads((run / "run.json").read_text())
    assert record["status"] == "interrupted"
    epochs = f"trainer.max_epochs={len((run / 'metrics.csv').read_text().splitlines()) + 5}"  # beyond what it reached
    prepared.type("python", "src/train.py", f"resume=runs/{number.name}", epochs)
    assert json.loads((run / "run.json").read_text())["status"] == "completed"


def test_a_pipeline_stops_where_its_training_was_ended(prepared: Checkout) -> None:
    prepared.edit("params.yaml", "max_epochs: 2", "max_epochs: 100000")
    pipeline = start(prepared, "dvc", "repro")
    wait_for(prepared.root / "champion" / "train" / "checkpoints" / "best.ckpt")
    (training,) = [
        each for each in psutil.Process(pipeline.pid).children(recursive=True)
        if each.cmdline()[:2] == ["python", "src/train.py"] or each.cmdline()[1:2] == ["src/train.py"]
    ]  # fmt: skip
    os.kill(training.pid, signal.SIGTERM)
    out, err = pipeline.communicate(timeout=120)
    assert pipeline.returncode != 0
    assert "ended by SIGTERM" in err
    assert "evaluate" not in out
    lock = prepared.root / "dvc.lock"
    assert not lock.is_file() or "src/train.py" not in lock.read_text()
    prepared.edit("params.yaml", "max_epochs: 100000", "max_epochs: 2")


def test_a_second_signal_leaves_the_record_whole(prepared: Checkout) -> None:
    run = prepared.root / "runs" / "twice"
    process = start(prepared, "python", "src/train.py", f"hydra.run.dir={run}", *LONG)
    wait_for(run / "checkpoints" / "best.ckpt")
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert err.startswith("interrupted; ")
    assert "Traceback" not in err
    assert json.loads((run / "run.json").read_text())["status"] == "interrupted"


def test_a_training_started_with_ctrl_c_ignored_hears_it_all_the_same(prepared: Checkout) -> None:
    run = prepared.root / "runs" / "background"
    command = f"trap '' INT; exec python src/train.py hydra.run.dir={run} {' '.join(LONG)}"
    process = start(prepared, "bash", "-c", command)
    wait_for(run / "checkpoints" / "best.ckpt")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    assert process.returncode == 130


@pytest.mark.nightly
def test_nohup_is_respected(prepared: Checkout) -> None:
    run = prepared.root / "runs" / "nohup"
    command = f"trap '' HUP; exec python src/train.py hydra.run.dir={run} {' '.join(LONG)}"
    process = start(prepared, "bash", "-c", command)
    wait_for(run / "checkpoints" / "best.ckpt")
    process.send_signal(signal.SIGHUP)
    time.sleep(1)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=120)
    assert process.returncode == 143
