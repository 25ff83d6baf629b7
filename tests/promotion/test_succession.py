"""What becomes of `dvc repro` and its training where promote is told to end, or is killed, or cannot put files back.

dvc is played by a dvc.py in the project's root, which `python -m dvc` finds first.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ratchet.config.composition import load_config
from ratchet.errors import RatchetError
from ratchet.project import Project
from ratchet.promotion import pipeline
from ratchet.promotion.backup import Backup
from ratchet.promotion.gate_runs import Configuration
from ratchet.promotion.history import Entry, append, read_history
from ratchet.promotion.promotion_paths import PromotionPaths
from ratchet.promotion.succession import _note, _State, alone, recover

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]

DVC = """\
import subprocess, sys, time
from pathlib import Path
if sys.argv[1] == "repro":
    print("dvc speaks", flush=True)
    subprocess.run([sys.executable, "training.py"])
else:
    Path("checks out").touch()
    time.sleep(0.5)
    sys.exit(Path("no cache").exists())
"""
# ends a while after it is told to, writing; "deaf": not before it is killed
TRAINING = """\
import fcntl, signal, sys, time
from pathlib import Path

def end(*_):
    time.sleep(60 if Path("deaf").exists() else 0.3)
    Path("champion/train/metrics.json").write_text("of the training")
    sys.exit()

signal.signal(signal.SIGTERM, end)
held = Path("trains").open("w")
fcntl.flock(held, fcntl.LOCK_EX)
Path("started").touch()
for _ in range(200):
    time.sleep(0.1)
    if Path("go").exists():
        break
"""
PROMOTE = """\
from pathlib import Path
from ratchet.project import Project
from ratchet.promotion import pipeline
from ratchet.promotion.backup import digests
from ratchet.promotion.promotion_paths import PromotionPaths
from ratchet.promotion.rewriting import Writing
from ratchet.promotion.succession import Succession, alone
from ratchet.terminal.command import run_command

pipeline.PATIENCE = 1

def main(_):
    project = Project(Path.cwd())
    with alone(PromotionPaths(project)):
        found = digests(project, ["params.yaml", "conf/tuned/digits_new.yaml"])
        writing = Writing("model: new\\n", None, "digits_new.yaml", found)
        Succession(project, PromotionPaths(project)).go(writing, promise=None, entry=None, first=[])

run_command(main, usage="")
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    files = {
        "dvc.py": DVC, "training.py": TRAINING, "dvc.lock": "", "params.yaml": "model: old\n",
        "champion/train/metrics.json": "of the champion",
    }  # fmt: skip
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return Project(tmp_path)


@contextmanager
def promoting(project: Project) -> Iterator[subprocess.Popen[str]]:
    """Until the training of `dvc repro` runs."""
    with subprocess.Popen(
        [sys.executable, "-c", PROMOTE], cwd=project.root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    ) as process:  # fmt: skip
        wait_for(project.root / "started", process)
        yield process
        (project.root / "go").touch()


def wait_for(file: Path, process: subprocess.Popen[str]) -> None:
    while not file.exists():
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.05)


def trains(project: Project) -> bool:
    with (project.root / "trains").open() as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@pytest.mark.parametrize(
    ("number", "deaf"),
    [
        (signal.SIGTERM, True),
        pytest.param(signal.SIGTERM, False, marks=pytest.mark.nightly),
        pytest.param(signal.SIGINT, False, marks=pytest.mark.nightly),
    ],
)
def test_the_training_has_ended_before_files_are_put_back(project: Project, number: int, deaf: bool) -> None:
    if deaf:
        (project.root / "deaf").touch()
    with promoting(project) as process:
        assert project.params.read_text() == "model: new\n"
        process.send_signal(number)
        process.wait()
        assert not trains(project)
        assert "dvc speaks\n" in process.communicate()[0]
    assert process.returncode == 128 + number
    assert project.params.read_text() == "model: old\n"
    assert (project.root / "champion/train/metrics.json").read_text() == "of the champion"


def test_nobody_promotes_while_the_training_of_one_that_was_killed_runs(project: Project) -> None:
    with promoting(project) as process:
        process.kill()
        process.wait()
        assert trains(project)
        with pytest.raises(RatchetError, match="dvc repro of one that was killed"), alone(PromotionPaths(project)):
            pass
        (project.root / "go").touch()
        process.communicate()  # until the last that could write there has ended
    with alone(PromotionPaths(project)):
        pass


@pytest.mark.parametrize("mode", ["write", "read"])
def test_nothing_is_written_while_another_dvc_runs(project: Project, mode: str) -> None:
    held = {"pid": os.getpid(), "cmd": "dvc repro"}
    lock = project.root / ".dvc/tmp/rwlock"
    lock.parent.mkdir(parents=True)
    lock.write_text(json.dumps({mode: {"champion/train": held if mode == "write" else [held]}}))
    with pytest.raises(
        RatchetError, match=rf"another dvc runs .* \(process {os.getpid()}: dvc repro\); wait for its end"
    ):
        pipeline.refuse_beside_dvc(project)
    for left in ('{"write": {}}', '{"write": {"a": {"pid": 4194304, "cmd": "dvc repro"}}}', "[]", "{", '{"write": 3}'):
        lock.write_text(left)
        pipeline.refuse_beside_dvc(project)


def test_a_promotion_that_was_cut_off_audits_what_was_promoted_not_what_conf_says_by_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project(tmp_path)
    shutil.copytree(ROOT / "conf", project.root / "conf")
    project.params.write_text("data: mnist1d\nmodel: mlp\n", encoding="utf-8")
    promoted = load_config(project, ["optimizer.lr=0.02"])
    paths = PromotionPaths(project)
    Backup(paths.journal / "files", project).take(["params.yaml"])
    entry = Entry(
        event="promotion", number=1, at="2026-01-01", data="mnist1d", model="mlp", metric="validation/loss",
        direction="minimize", data_hash="0" * 64,
    )  # fmt: skip
    _note(paths, _State(entry=entry, config=promoted.plain()))
    project.params.write_text("data: mnist1d\nmodel: cnn\n", encoding="utf-8")
    audited: list[Configuration] = []
    monkeypatch.setattr("ratchet.promotion.succession.audit", lambda it, **_: audited.append(it) or ([], []))
    recover(project)
    assert [each.config for each in audited] == [promoted]
    assert [each.number for each in read_history(paths)] == [1]


def test_a_number_that_is_on_record_is_told_and_drawn_after_a_kill(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = PromotionPaths(project)
    entry = Entry(
        event="promotion", number=1, at="2026-01-01", data="mnist1d", model="mlp", metric="validation/loss",
        direction="minimize", data_hash="0" * 64,
    )  # fmt: skip
    append(paths, entry.model_copy(update={"mean": 0.25, "runs": 3}))
    paths.plot.unlink()  # a kill came between the two
    Backup(paths.journal / "files", project).take(["params.yaml"])
    _note(paths, _State(entry=entry))
    recover(project)
    assert "champion 1: mnist1d mlp, loss on confirm 0.2500 over 3 audit runs" in capsys.readouterr().out
    assert "0.2500" in paths.plot.read_text()
    assert [each.mean for each in read_history(paths)] == [0.25]


def test_a_second_ctrl_c_does_not_cut_off_that_files_are_put_back(project: Project) -> None:
    with promoting(project) as process:
        os.killpg(process.pid, signal.SIGINT)
        wait_for(project.root / "checks out", process)
        os.killpg(process.pid, signal.SIGINT)
        assert "note:" not in process.communicate()[0]
    assert project.params.read_text() == "model: old\n"
    assert not PromotionPaths(project).journal.exists()


def test_a_model_that_does_not_come_back_is_told(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    paths = PromotionPaths(project)
    Backup(paths.journal / "files", project).take(["params.yaml"])
    (project.root / "no cache").touch()
    recover(project)
    assert "type: dvc checkout --force train evaluate, and where it says" in capsys.readouterr().out
