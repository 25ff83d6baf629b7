"""The gate's runs in their pool: killed ones are begun again, and a signal ends them all."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ratchet.config.composition import load_config
from ratchet.errors import RatchetError
from ratchet.project import Project
from ratchet.promotion.display import GateDisplay
from ratchet.promotion.gate_runs import ActiveRun, Configuration, GateRun, GateTraining, Trained, _train, train_missing
from ratchet.search.processes.executors import ForkedExecutor
from ratchet.search.processes.outcomes import Outcome
from ratchet.search.processes.pool import Pool
from ratchet.search.processes.slots import Slot
from threads import ThreadExecutor

RECORD = {
    "id": "a", "status": "running", "command": [], "git": {}, "data": {"name": "digits", "hash": "0"},
    "config_hash": "0", "versions": {}, "host": {}, "threads": 1, "seed": 0, "parameters": 1, "started_at": "",
}  # fmt: skip


@dataclass(frozen=True)
class Played(GateTraining):
    """A training that kills its process `kills` times before it comes to something."""

    kills: int = 0
    meanwhile: Callable[[], object] = bool

    def __call__(self, given: tuple[dict[str, Any], Path, str]) -> Outcome:
        _, directory, _ = given
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "run.json").write_text(json.dumps(RECORD))
        self.meanwhile()
        if int(directory.name) < self.kills:
            os.kill(os.getpid(), signal.SIGKILL)
        (directory / "run.json").write_text(json.dumps({**RECORD, "status": "completed"}))
        (directory / "confirm_scores.npy").write_bytes(b"")
        return Outcome("complete", metrics={"validation/accuracy": 0.9})


@pytest.fixture
def seeded(project: Project) -> list[GateRun]:
    found = Configuration.of("champion", load_config(project), data_hash="0", project=project)
    return [found.on(seed) for seed in range(3)]


def statuses(seeded: GateRun) -> list[str]:
    records = sorted(seeded.folder.glob("*/run.json"))
    return [json.loads(record.read_text())["status"] for record in records]


def train(seeded: list[GateRun], task: GateTraining, executor: Any) -> tuple[Trained, Pool[ActiveRun]]:
    with GateDisplay(len(seeded)) as display:
        pool: Pool[ActiveRun] = Pool(executor, [Slot(0, 1)], say=display.say, jobs="runs")
        return Trained(len(seeded), _train(seeded, pool, task, display)), pool


@pytest.mark.slow
def test_a_killed_run_is_begun_again_once_in_a_directory_of_its_own(
    project: Project, seeded: list[GateRun], capsys: pytest.CaptureFixture[str]
) -> None:
    trained, _ = train(seeded[:1], Played(project, kills=1), ForkedExecutor())
    assert trained.failed == ()
    assert statuses(seeded[0]) == ["failed", "completed"]
    trained, _ = train(seeded[1:2], Played(project, kills=2), ForkedExecutor())
    assert [(each.seeded, each.failure) for each in trained.failed] == [(seeded[1], "killed")]
    assert statuses(seeded[1]) == ["failed", "failed"]
    assert [line.split("  ")[0] for line in capsys.readouterr().err.splitlines()] == [
        "[0/1] champion seed 0", "[1/1] champion seed 0", "[0/1] champion seed 1", "[1/1] champion seed 1",
    ]  # fmt: skip


def test_ctrl_c_lets_the_run_finish_and_starts_no_other(
    project: Project, seeded: list[GateRun], capsys: pytest.CaptureFixture[str]
) -> None:
    heard = threading.Event()

    def interrupt() -> None:
        if not heard.is_set():
            heard.set()
            signal.raise_signal(signal.SIGINT)

    _, pool = train(seeded, Played(project, meanwhile=interrupt), ThreadExecutor())
    assert pool.ended_by == signal.SIGINT
    assert [statuses(each) for each in seeded] == [["completed"], [], []]
    assert "note: no new runs; waiting for 1 to finish (Ctrl-C again ends them)" in capsys.readouterr().err


def deaf() -> None:
    """What hears no signal: a call that does not come back."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    time.sleep(60)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_does_not_stop_is_ended_and_says_so(
    project: Project, seeded: list[GateRun], monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.setattr("ratchet.search.processes.pool.STOP_GRACE", 0.2)

    def end() -> None:
        while not list(seeded[0].folder.glob("*/run.json")):
            time.sleep(0.05)
        for _ in range(2 if number == signal.SIGINT else 1):
            os.kill(os.getpid(), number)
            time.sleep(0.2)

    threading.Thread(target=end, daemon=True).start()
    _, pool = train(seeded, Played(project, meanwhile=deaf), ForkedExecutor())
    assert pool.ended_by == number
    assert statuses(seeded[0]) == ["interrupted"]


def test_scores_are_not_kept_under_the_key_of_other_code(
    project: Project, seeded: list[GateRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    record = SimpleNamespace(data={"hash": "0"}, best=None)
    monkeypatch.setattr("ratchet.training.train.train", lambda *_, **__: record)
    scored: list[Path] = []
    monkeypatch.setattr("ratchet.promotion.scores.score_confirm", lambda run, **_: scored.append(run.path))
    one, task = seeded[0], GateTraining(project)
    task((one.config.plain(), one.folder / "0", one.of.key))
    monkeypatch.setattr("ratchet.promotion.gate_runs.code_hash", lambda _: "of an edit")
    with pytest.raises(RatchetError, match="code or data have changed since the gate began"):
        task((one.config.plain(), one.folder / "1", one.of.key))
    assert scored == [one.folder / "0"]


def test_attempts_never_share_a_directory(seeded: list[GateRun]) -> None:
    assert seeded[0].next_attempt() == 0
    for name in ("0", "3", "notes"):
        (seeded[0].folder / name).mkdir(parents=True)
    assert seeded[0].next_attempt() == 4


def test_a_run_that_diverged_is_not_trained_again(project: Project, seeded: list[GateRun]) -> None:
    for number, error in enumerate([{"class": "MemoryError", "message": "full"}, {}, None]):
        (seeded[0].folder / str(number)).mkdir(parents=True)
        record = {**RECORD, "status": "failed", "error": error}
        (seeded[0].folder / str(number) / "run.json").write_text(json.dumps(record))
    assert seeded[0].divergence is None
    (seeded[0].folder / "3").mkdir()
    (seeded[0].folder / "3/run.json").write_text("{")
    assert seeded[0].divergence is None
    record = {**RECORD, "status": "failed", "error": {"class": "NonFiniteLossError", "message": "loss is nan"}}
    (seeded[0].folder / "3/run.json").write_text(json.dumps(record))
    trained = train_missing([seeded[0]], project=project)
    assert trained.spent == 0
    assert [(each.seeded, each.diverged, each.error) for each in trained.failed] == [(seeded[0], True, "loss is nan")]
