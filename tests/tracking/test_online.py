"""W&B as its server sees it: whole runs, their lineage, what is synchronised later; and a server that fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ratchet.config.composition import load_config
from ratchet.project import Project
from ratchet.runs import RunDirectory, RunRecord
from ratchet.terminal.quiet import quiet_libraries
from ratchet.tracking import wandb_run
from ratchet.tracking.metrics_file import read_rows
from ratchet.tracking.wandb_run import WandbRun
from ratchet.training.train import train
from tracking.server import KEY, Manner, Run, Server, serving
from tracking.typing_commands import SOURCE, Typed, type_command

pytestmark = pytest.mark.slow
TINY = ("model=mlp", "model.width=8", "trainer.max_epochs=3", "trainer.progress=none", "logger=wandb")
ONLINE = (*TINY, "logger.mode=online")


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


def surroundings(server: Server) -> dict[str, str]:
    return {"WANDB_BASE_URL": server.url, "WANDB_API_KEY": KEY, "WANDB_ERROR_REPORTING": "false"}


def typed(script: str, *arguments: str, project: Project, server: Server, **within: float) -> Typed:
    return type_command(script, *arguments, root=project.root, environment=surroundings(server), **within)


def synchronise(project: Project, server: Server) -> None:
    wandb = str(Path(sys.executable).with_name("wandb"))
    environment = {**os.environ, **surroundings(server)}
    command = [wandb, "sync", "--yes", "--include-online"]
    subprocess.run(command, cwd=project.root, env=environment, capture_output=True, timeout=120, check=True)


def curve(run: Run) -> dict[int, float]:
    """The training loss by step. A row that was sent twice says the same twice."""
    found: dict[int, float] = {}
    for row in run.history:
        assert found.setdefault(row["step"], row["train/loss"]) == row["train/loss"]
    return found


def curve_on_disk(run: RunDirectory) -> dict[int, float]:
    return {int(row["step"]): row["train/loss"] for row in read_rows(run)}


def require_whole(server: Server, run: RunDirectory, *, written_again: bool = False) -> Run:
    """What W&B has of a completed run is what its directory says; one `written_again` has no measures of the system."""
    record = RunRecord.read(run)
    assert record.best is not None
    assert record.wandb_id is not None
    found = server.runs[record.wandb_id]
    assert curve(found) == curve_on_disk(run)
    assert found.summary["validation/accuracy"] == found.summary["best"] == record.best.value
    assert found.summary["best/step"] == record.best.step
    assert found.config["model.width"] == 8
    assert found.config["run.data_hash"] == record.data["hash"]
    assert found.about["displayName"] == f"digits-mlp-seed0-{record.id}"
    assert found.about["jobType"] == "train"
    assert found.exit_codes[-1] == 0
    assert written_again or any(name.startswith("system.proc") for name in found.events[0])
    return found


def lineage(server: Server) -> dict[str, tuple[set[str], set[str]]]:
    """The artifacts by name: the kinds of runs that made one of its versions, and of those that read one."""

    def kinds(runs: set[str]) -> set[str]:
        return {server.runs[name].about["jobType"] for name in runs}

    assert all(each.committed for each in server.artifacts)
    found: dict[str, tuple[set[str], set[str]]] = {}
    for each in server.artifacts:
        made, used = found.setdefault(each.name, (set(), set()))
        made |= kinds(each.made_by)
        used |= kinds(each.used_by)
    return found


WHOLE_LINEAGE = {
    "digits-raw": (set(), {"prepare"}),
    "digits-prepared": ({"prepare"}, {"train"}),
    "digits-mlp": ({"train"}, {"evaluate"}),
    "digits-mlp-evaluation": ({"evaluate"}, set()),
}


def test_a_run_and_its_evaluation_arrive_whole(server: Server, project: Project) -> None:
    command = [sys.executable, str(SOURCE / "train.py"), *ONLINE, "hydra.run.dir=runs/x"]
    environment = {**os.environ, **surroundings(server), "PYTHONPATH": str(SOURCE)}
    done = subprocess.run(
        command, cwd=project.root, env=environment, capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stderr == ""
    run = RunDirectory(project.root / "runs/x")
    found = require_whole(server, run)
    before = list(found.history), {name: value for name, value in found.summary.items() if name[0] != "_"}
    record = run.record.read_bytes()
    assert typed("evaluate", "run=runs/x", project=project, server=server).err == ""
    metrics = json.loads((run.evaluation / "metrics.json").read_text())
    assert found.summary["test/accuracy"] == metrics["accuracy"]
    assert before == (found.history, {name: found.summary[name] for name in before[1]})
    assert run.record.read_bytes() == record
    assert lineage(server) == WHOLE_LINEAGE
    assert all(b"PK" not in each for one in server.runs.values() for each in one.files.values())  # no checkpoint


def test_a_resumed_run_goes_on_under_its_id(server: Server, project: Project) -> None:
    assert typed("train", *ONLINE, "hydra.run.dir=runs/x", project=project, server=server).status == 0
    more = ("resume=runs/x", "trainer.max_epochs=5", "trainer.progress=none")
    assert typed("train", *more, project=project, server=server).status == 0
    run = RunDirectory(project.root / "runs/x")
    assert len(curve_on_disk(run)) == 5
    assert len(require_whole(server, run).history) == 5


def test_offline_is_complete_and_uploaded_later(server: Server, project: Project) -> None:
    """A run, its resume and its evaluation are three directories under wandb/, and one run on the server."""
    run = RunDirectory(project.root / "runs/x")
    for script, *arguments in (
        ("train", *TINY, "hydra.run.dir=runs/x"),
        ("train", "resume=runs/x", "trainer.max_epochs=5", "trainer.progress=none"),
        ("evaluate", "run=runs/x"),
    ):
        done = typed(script, *arguments, project=project, server=server)
        assert (done.status, done.err) == (0, "")
    assert server.requests == 0
    synchronise(project, server)
    found = require_whole(server, run)
    metrics = json.loads((run.evaluation / "metrics.json").read_text())
    assert found.summary["test/accuracy"] == metrics["accuracy"]
    assert lineage(server) == WHOLE_LINEAGE


@pytest.mark.parametrize(
    ("operation", "manner"),
    [
        ("CommitArtifact", "stalls"),
        pytest.param("CommitArtifact", "500", marks=pytest.mark.nightly),
        pytest.param("CommitArtifact", "hangs up", marks=pytest.mark.nightly),
        pytest.param("UpsertBucket", "500", marks=pytest.mark.nightly),
    ],
)
def test_a_server_that_fails_on_the_way_costs_a_warning(
    server: Server, project: Project, operation: str, manner: Manner
) -> None:
    """Failing from UpsertBucket on makes W&B's process hang for good, and its directory stay empty."""
    undisturbed = typed("train", *TINY, "logger=csv", "hydra.run.dir=runs/undisturbed", project=project, server=server)
    server.after = (operation, manner)
    done = typed("train", *ONLINE, "hydra.run.dir=runs/x", project=project, server=server, upload_within=2.0)
    assert (undisturbed.status, done.status) == (0, 0)
    (warning,) = done.err.splitlines()
    assert warning.startswith("warning: W&B did not take all of this run in time; metrics.csv has it all; to upload it")
    run, other = (RunDirectory(project.root / "runs" / name) for name in ("x", "undisturbed"))
    assert run.metrics.read_bytes() == other.metrics.read_bytes()
    assert RunRecord.read(run).best == RunRecord.read(other).best
    server.manner, server.after = "well", None
    server.released.set()
    synchronise(project, server)
    require_whole(server, run, written_again=operation == "UpsertBucket")


@pytest.mark.parametrize("fate", ["killed", pytest.param("hangs", marks=pytest.mark.nightly)])
def test_a_run_whose_service_is_lost_is_written_again(
    server: Server, project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], fate: str
) -> None:
    told, hooks, waits = WandbRun._log, list[Any](), iter([60.0])

    def kill_in_the_middle(self: WandbRun, row: dict[str, Any]) -> None:
        told(self, row)
        if (process := wandb_run.service_process()) is not None and row["step"] == 22:
            hooks.extend(self._session._teardown_hooks)  # they close its files, and nobody calls them
            if fate == "hangs":
                with monkeypatch.context() as patch:
                    patch.setattr(wandb_run, "TAKES_WITHIN", 0.5)
                    self._tell(lambda _: time.sleep(next(waits, 0.0)))
            process.kill()
            process.wait()

    monkeypatch.setattr(WandbRun, "_log", kill_in_the_middle)
    run = RunDirectory(project.root / "runs/x")
    run.path.mkdir(parents=True)
    with quiet_libraries(run.log):
        train(load_config(project, ["data=digits", *TINY]), run=run, project=project)
    (warning,) = capsys.readouterr().err.splitlines()
    (broken,) = (project.root / "wandb").glob("offline-run-*/*.wandb.broken")
    assert warning.startswith("warning: W&B " + ("lost this run (" if fate == "killed" else "did not take all of this"))
    assert not warning.endswith(broken.parent.name)
    synchronise(project, server)
    require_whole(server, run, written_again=True)
    for hook in hooks:
        hook.call()


def test_nobody_listening_keeps_the_run_offline(server: Server, project: Project) -> None:
    server.manner = "500"
    within = {"answer_within": 3.0, "upload_within": 2.0}
    done = typed("train", *ONLINE, "hydra.run.dir=runs/x", project=project, server=server, **within)
    assert done.status == 0
    (warning,) = done.err.splitlines()
    assert warning.startswith("warning: no W&B server for this run (")
    assert warning.endswith("it is kept offline; to upload it later, type: wandb sync")
    server.manner = "well"
    synchronise(project, server)
    require_whole(server, RunDirectory(project.root / "runs/x"))


def test_a_failed_run_ends_with_exit_code_1(server: Server, project: Project) -> None:
    huge = ("optimizer.lr=1e30", "optimizer=sgd")
    assert typed("train", *ONLINE, *huge, "hydra.run.dir=runs/x", project=project, server=server).status == 1
    record = RunRecord.read(RunDirectory(project.root / "runs/x"))
    assert record.status == "failed"
    assert record.error is not None
    (found,) = [run for run in server.runs.values() if run.about["jobType"] == "train"]
    assert found.exit_codes == [1]
    assert found.summary["error/class"] == record.error["class"]
