"""promote.py as a person uses it, in a small checkout: kills, a number that does not come out, and the way back."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.conftest import Checkout, make_checkout

PARAMS = """\
# what I run
data: digits      # eight by eight
model: logistic
seed: 0
overrides:
  trainer: {max_epochs: 2}   # quick
  evaluation: {bootstrap: 0}
  logger: csv
"""
# the command with fewer pairs, and with a line of a test's own before it
COMMAND = """\
import sys; sys.path.insert(0, "src")
import os, signal, json
from ratchet.promotion import gate, pipeline
gate.LOOKS, gate.AUDITS = (2, 3), 2
{before}
from ratchet.commands.promote import main
from ratchet.terminal.command import run_command
run_command(main, usage="")
"""
KILLED = "pipeline.repro = lambda project: os.kill(os.getpid(), signal.SIGKILL)"
OTHERWISE = """
real = pipeline.repro
def repro(project):
    status = real(project)
    file = project.champion / "train" / "run.json"
    record = json.loads(file.read_bytes())
    record["best"]["metrics"]["validation/accuracy"] += 1e-9
    record["versions"]["torch"] = "1.0"
    file.write_text(json.dumps(record))
    return status
pipeline.repro = repro
"""
ASKED = ("run=runs/challenger", "alpha=0.4", "accept=ahead")
WATCHED = ("params.yaml", "dvc.lock", "config.lock.yaml", "champion/train/run.json", "champion/evaluate/metrics.json")


@pytest.fixture
def reproduced(tmp_path: Path) -> Checkout:
    """With a champion, and a run that is better."""
    checkout = make_checkout(tmp_path / "project", PARAMS)
    checkout.repro()
    checkout.commit()
    checkout.type(sys.executable, "src/train.py", "optimizer.lr=0.05", "hydra.run.dir=runs/challenger")
    return checkout


def promote(checkout: Checkout, *arguments: str, before: str = "", status: int | None = 0) -> str:
    return checkout.type(sys.executable, "-c", COMMAND.format(before=before), *arguments, status=status)


def contents(checkout: Checkout) -> dict[str, bytes | None]:
    files = [checkout.root / name for name in WATCHED] + sorted(checkout.root.glob("conf/tuned/*"))
    return {str(path): path.read_bytes() for path in files}


def seeds(checkout: Checkout) -> dict[Path, int]:
    return {
        path: path.stat().st_mtime_ns for path in checkout.root.glob("runs/promotions/*/seed*/*/confirm_scores.npy")
    }


@pytest.mark.slow
@pytest.mark.parametrize("mishaps", [False, pytest.param(True, marks=pytest.mark.nightly)])
def test_a_ratchet_turns_and_turns_back(reproduced: Checkout, mishaps: bool) -> None:
    """Also after a kill in the gate, and after a number that did not come out."""
    started = contents(reproduced)
    _is_refused(reproduced)
    if mishaps:
        _goes_on_after_a_kill_in_the_gate(reproduced)
        assert contents(reproduced) == started
        told = promote(reproduced, *ASKED, before=OTHERWISE, status=1)
        assert "the promised number did not come out" in told
        assert "version of torch changed" in told
        assert contents(reproduced) == started
        assert not (reproduced.root / "champions.jsonl").exists()
    promote(reproduced, *ASKED, before=KILLED, status=-signal.SIGKILL)
    trained = seeds(reproduced)
    assert contents(reproduced) != started
    told = promote(reproduced, "--undo", status=1)
    assert "files are as before" in told
    assert "there is no promotion to take back" in told
    assert contents(reproduced) == started
    told = promote(reproduced, *ASKED)
    assert "runs trained for this: 0" in told
    assert "the promised number came out again" in told
    assert trained.items() <= seeds(reproduced).items()
    _is_on_record(reproduced)
    told = promote(reproduced, *ASKED, "allow_dirty=true", status=1)
    assert "that is the champion" in told
    promote(reproduced, "--undo")
    assert contents(reproduced) == started
    assert "Data and pipelines are up to date" in reproduced.type("dvc", "status")
    assert "there is no promotion to take back" in promote(reproduced, "--undo", status=1)
    assert [line["event"] for line in _lines(reproduced)] == ["first", "promotion", "undo"]


def _is_refused(checkout: Checkout) -> None:
    own = checkout.root / "src/own/mine.py"
    own.write_text("")
    assert "changes that no commit has" in promote(checkout, *ASKED, status=1)
    own.unlink()
    assert "nothing was run or written" in promote(checkout, *ASKED, "dry_run=true")
    assert not seeds(checkout)


def _goes_on_after_a_kill_in_the_gate(checkout: Checkout) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND.format(before=""), *ASKED], cwd=checkout.root, env=checkout.environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    while not process.stderr.readline().startswith("[2/4]"):
        assert process.poll() is None
    process.kill()
    process.communicate()
    assert 2 <= len(seeds(checkout)) <= 4


def _is_on_record(checkout: Checkout) -> None:
    params = (checkout.root / "params.yaml").read_text()
    assert params == PARAMS
    tuned = (checkout.root / "conf/tuned/digits_logistic.yaml").read_text()
    assert "lr: 0.05" in tuned
    assert "# From run" in tuned
    first, promotion = _lines(checkout)
    assert (first["event"], promotion["event"]) == ("first", "promotion")
    assert first["split"] == promotion["split"] == "confirm"
    assert promotion["override"]["alpha"] == 0.4
    assert promotion["changes"] == {"optimizer.lr": [0.003, 0.05]}
    assert promotion["runs"] == 2
    made = json.loads((checkout.root / "champion/train/run.json").read_bytes())
    assert promotion["reproduced"] == made["best"]["metrics"]
    assert (checkout.root / "champions.svg").read_text().startswith("<svg")
    assert "Data and pipelines are up to date" in checkout.type("dvc", "status")


def _lines(checkout: Checkout) -> list[dict[str, object]]:
    return [json.loads(line) for line in (checkout.root / "champions.jsonl").read_text().splitlines()]
