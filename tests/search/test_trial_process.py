"""What travels to a trial's process."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hydra.types import HydraContext
from omegaconf import DictConfig

from ratchet.search.processes.executors import ForkedExecutor
from ratchet.search.processes.outcomes import Outcome
from ratchet.search.processes.server import SERVER
from ratchet.search.processes.trial_process import Job
from ratchet.search.space.composer import Composer


def test_what_jobs_share_is_pickled_once(
    composer: Composer, context: HydraContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pickled = []
    original = Job.surroundings
    monkeypatch.setattr(Job, "surroundings", lambda job: pickled.append(job.number) or original(job))
    executor = ForkedExecutor()

    def task(config: DictConfig) -> Any:
        return {"seed": config.seed, "pid": os.getpid()}

    outcomes = []
    for number in range(2):
        config = composer.compose([f"seed={number}"], number=number, directory=str(tmp_path))
        job = Job(task, config, context, "study", number, tmp_path / str(number), ("seed",))
        running = executor.start(job)
        outcomes.append(running.receive())
        running.end()
    assert pickled == [0]
    assert all(isinstance(outcome, Outcome) and outcome.state == "complete" for outcome in outcomes), outcomes
    assert [outcome.metrics["seed"] for outcome in outcomes if isinstance(outcome, Outcome)] == [0, 1]


def test_a_trial_has_the_environment_of_its_worker_not_of_the_server(
    composer: Composer, context: HydraContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REMOVED_LATER", "3")
    SERVER.end()
    executor = ForkedExecutor()
    executor.warm_up()
    monkeypatch.setenv("SET_LATER", "7")
    monkeypatch.delenv("REMOVED_LATER")

    def task(_: DictConfig) -> Any:
        assert "REMOVED_LATER" not in os.environ
        return {name: float(os.environ[name]) for name in ("SET_LATER", "SLOT")}

    config = composer.compose([], number=0, directory=str(tmp_path))
    job = Job(task, config, context, "study", 0, tmp_path / "0", ("SLOT",), environment=(("SLOT", "1"),))
    running = executor.start(job)
    outcome = running.receive()
    running.end()
    assert isinstance(outcome, Outcome)
    assert outcome.metrics == {"SET_LATER": 7.0, "SLOT": 1.0}
