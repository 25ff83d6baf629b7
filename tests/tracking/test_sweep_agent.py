"""`wandb agent`: its own code starts the commands, with the variables that it sets, and a server records."""

from __future__ import annotations

import queue
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from wandb.wandb_agent import Agent

from ratchet.project import Project
from ratchet.runs import RunDirectory, RunRecord
from ratchet.tracking.identity import SweepAgent
from ratchet.training.checkpoint import read_config
from ratchet.yaml_files import read_yaml
from tracking.server import ENTITY, KEY, Server, serving
from tracking.typing_commands import SOURCE

FILE = read_yaml(SOURCE.parent / "docs/wandb_sweep.yaml")
COMMAND = ("${env}", "${interpreter}", "${program}", "${args_no_hyphens}")
RUN_ID, SWEEP = "ag3nt0ne", "sw33p"
TINY = ("model=mlp", "model.width=8", "trainer.max_epochs=2", "trainer.progress=none", "logger=wandb")


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


def start(
    project: Project, server: Server, monkeypatch: pytest.MonkeyPatch, *command: str, script: str = "train", **args: Any
) -> int:
    """What the agent does with a run that the server gives it. Returns the exit status."""
    surroundings = {"WANDB_BASE_URL": server.url, "WANDB_API_KEY": KEY, "WANDB_ERROR_REPORTING": "false"}
    surroundings |= {"WANDB_SWEEP_ID": SWEEP, "WANDB_PROJECT": "theirs", "WANDB_ENTITY": ENTITY}
    surroundings |= {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "PYTHONPATH": str(SOURCE)}
    for name, value in surroundings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("WANDB_DIR", raising=False)
    agent = Agent(None, queue.Queue(), sweep_id=SWEEP)
    agent._sweep_command = list(command)
    given = {name: {"value": value} for name, value in args.items()}
    agent._command_run({"run_id": RUN_ID, "program": str(SOURCE / f"{script}.py"), "args": given})
    status = agent._run_processes[RUN_ID].wait(timeout=240)
    assert status is not None
    return int(status)


@pytest.mark.slow
def test_a_training_is_the_run_of_the_agent(server: Server, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = {"model": "mlp", "optimizer.lr": 0.01}
    assert chosen.keys() == FILE["parameters"].keys()
    command = (*FILE["command"], "model.width=8", "trainer.max_epochs=2", "hydra.run.dir=runs/x")
    assert start(project, server, monkeypatch, *command, **chosen) == 0
    run = RunDirectory(project.root / "runs/x")
    record, config = RunRecord.read(run), read_config(run)
    assert (record.id, record.wandb_id, record.wandb_sweep) == (RUN_ID, RUN_ID, SWEEP)
    assert (config.logger.project, config.logger.entity, config.logger.mode) == ("theirs", ENTITY, "online")
    found = server.runs[RUN_ID]
    assert (found.about["sweep"], found.about["jobType"]) == (SWEEP, "train")
    assert re.search(rb'"project": ?"theirs"', server.seen)
    assert found.config["model"] == "mlp"
    assert found.config["optimizer.lr"] == 0.01
    assert record.best is not None
    assert found.summary[FILE["metric"]["name"]] == record.best.value
    assert len(found.history) == 2
    assert found.exit_codes == [0]
    others = {name: each.about["jobType"] for name, each in server.runs.items() if name != RUN_ID}
    assert list(others.values()) == ["prepare"]
    assert start(project, server, monkeypatch, *COMMAND, "run=runs/x", script="evaluate") == 0
    assert "test/accuracy" in found.summary
    assert {each.about["jobType"] for each in server.runs.values()} == {"prepare", "train", "evaluate"}
    assert server.runs[f"{RUN_ID}-evaluate"].exit_codes == [0]


@pytest.mark.slow
@pytest.mark.nightly
def test_the_trials_of_a_search_are_runs_of_their_own(
    server: Server, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = (*COMMAND, *TINY, "-m", "logger.mode=online", "seed=0,1", "sweep.study=grid")
    assert start(project, server, monkeypatch, *command, **{"optimizer.lr": 0.01}) == 0
    records = [RunRecord.read(RunDirectory(project.root / "runs/sweeps/grid" / name)) for name in ("0", "1")]
    assert len({record.wandb_id for record in records}) == 2
    for record in records:
        assert record.wandb_id is not None
        assert len(server.runs[record.wandb_id].history) == 2
        assert server.runs[record.wandb_id].about.get("sweep") is None
    assert RUN_ID not in server.runs


def test_the_agent_s_variables_are_there_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("wandb_version: 1\n\noptimizer.lr:\n  value: 0.1\n")
    for name, value in {"SWEEP_ID": SWEEP, "RUN_ID": RUN_ID, "SWEEP_PARAM_PATH": str(file)}.items():
        monkeypatch.setenv(f"WANDB_{name}", value)
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    monkeypatch.delenv("WANDB_ENTITY", raising=False)
    assert SweepAgent.take() == SweepAgent(RUN_ID, SWEEP, None, None, {"optimizer.lr": 0.1})
    assert SweepAgent.take() is None
