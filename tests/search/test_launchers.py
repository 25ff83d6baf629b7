"""Workers that Hydra's launchers place, and that a second terminal brings: each trial is run by exactly one of them."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from pathlib import Path

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from ratchet.project import Project
from ratchet.search.processes.process_id import ProcessId
from ratchet.search.storage.ledger import CLAIM
from search.applications import SOURCE, end, start, sweep, trials

pytestmark = pytest.mark.slow
LAUNCHERS = ["joblib", pytest.param("submitit_local", marks=pytest.mark.nightly)]


def worker_of(trial: FrozenTrial) -> str:
    return str(trial.user_attrs[CLAIM]["worker"])


def assert_each_once(found: list[FrozenTrial], directory: Path, *, n_trials: int) -> None:
    """Every ticket finished by one trial, whose directory is there."""
    complete = [trial for trial in found if trial.state == TrialState.COMPLETE]
    assert sorted(trial.user_attrs[CLAIM]["ticket"] for trial in complete) == list(range(n_trials))
    assert {trial.state for trial in found} <= {TrialState.COMPLETE, TrialState.FAIL}
    for trial in complete:
        duplicate = "duplicate_of" in trial.user_attrs["ratchet:result"]  # workers that begin at once may draw the same
        assert (directory / str(trial.number) / "ran").is_file() != duplicate


@pytest.mark.nightly
@pytest.mark.parametrize("launcher", ["joblib", "submitit_local"])
def test_two_placed_workers_share_a_study(launcher, tmp_path):
    end(sweep(tmp_path, f"hydra/launcher={launcher}", "seconds=0.4", n_trials=20, n_workers=2, n_jobs=1))
    found = trials(tmp_path)
    assert len(found) == 20
    assert_each_once(found, tmp_path, n_trials=20)
    assert len({worker_of(trial) for trial in found}) == 2
    assert sorted(path.name for path in (tmp_path / "workers").iterdir()) == ["0", "1"]


def await_trials(directory: Path, count: int, *, workers: int = 1) -> list[FrozenTrial]:
    """Those of a running study, when so many are complete and so many workers have claimed one."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if (directory / "study.journal").is_file():
            try:
                found = trials(directory)
            except (KeyError, ValueError):  # the study is being made
                found = []
            complete = [trial for trial in found if trial.state == TrialState.COMPLETE]
            claimed = {worker_of(trial) for trial in found if trial.user_attrs.get(CLAIM)}
            if len(complete) >= count and len(claimed) >= workers:
                return found
        time.sleep(0.2)
    raise AssertionError(f"no {count} trials of {workers} workers in {directory}")


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_placed_worker_that_is_killed_costs_nothing(launcher, tmp_path):
    """What it ran is run again, by another worker. joblib ends the others beside it too, and two are placed again."""
    settings = {"n_trials": 30, "n_workers": 2, "n_jobs": 1}
    running = sweep(tmp_path, f"hydra/launcher={launcher}", "seconds=0.4", **settings)
    busy = [trial for trial in await_trials(tmp_path, 4, workers=2) if trial.state == TrialState.RUNNING]
    os.kill(ProcessId.parse(worker_of(busy[0]).partition("/")[0]).pid, signal.SIGKILL)
    assert "a worker was lost" in end(running)
    found = trials(tmp_path)
    assert_each_once(found, tmp_path, n_trials=30)
    again = [trial for trial in found if trial.user_attrs[CLAIM].get("lost")]
    assert busy[0].number in {trial.user_attrs[CLAIM]["retry_of"] for trial in again}
    assert len({worker_of(trial) for trial in found}) >= (3 if launcher == "joblib" else 2)


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_ctrl_c_lets_placed_workers_finish_what_they_run(launcher, tmp_path):
    """As without a launcher: nothing goes on in the background, and nothing is run again."""
    settings = {"n_trials": 200, "n_workers": 2, "n_jobs": 1}
    running = sweep(tmp_path, f"hydra/launcher={launcher}", "seconds=0.4", **settings)
    await_trials(tmp_path, 2, workers=2)
    os.killpg(running.pid, signal.SIGINT)
    said = end(running, status=130)
    assert "note: no new trials; the workers finish what they run (Ctrl-C again ends that)" in said
    assert said.endswith("interrupted\n")
    assert "Traceback" not in said
    found = trials(tmp_path)
    assert {trial.state for trial in found} == {TrialState.COMPLETE}
    assert len(found) < 200


@pytest.mark.nightly
@pytest.mark.parametrize("launcher", ["joblib", "submitit_local"])
def test_ctrl_c_twice_ends_placed_workers(launcher, tmp_path):
    settings = {"n_trials": 4, "n_workers": 2, "n_jobs": 1}
    running = sweep(tmp_path, f"hydra/launcher={launcher}", "seconds=300", "steps=3000", **settings)
    await_trials(tmp_path, 0, workers=2)
    for _ in range(2):
        os.killpg(running.pid, signal.SIGINT)
        time.sleep(1)
    assert "note: the workers end what they run; the same command runs it again" in end(running, status=130)
    states = [trial.state for trial in trials(tmp_path)]
    assert states == [TrialState.FAIL] * 2 + [TrialState.WAITING] * 2


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGHUP, marks=pytest.mark.nightly)])
def test_who_placed_workers_is_told_to_end_and_so_are_they(number, tmp_path):
    settings = {"n_trials": 4, "n_workers": 2, "n_jobs": 1}
    running = sweep(tmp_path, "hydra/launcher=joblib", "seconds=300", "steps=3000", **settings)
    await_trials(tmp_path, 0, workers=2)
    running.send_signal(number)
    said = end(running, status=128 + number)
    assert "note: the workers end what they run; the same command runs it again" in said
    assert said.endswith(f"\nended by {number.name}\n")
    states = [trial.state for trial in trials(tmp_path)]
    assert states == [TrialState.FAIL] * 2 + [TrialState.WAITING] * 2


@pytest.mark.nightly
@pytest.mark.parametrize("storage", ["journal", "sqlite"])
def test_a_second_terminal_joins_by_the_same_command(storage, tmp_path):
    """Both begin at once, in a database without tables too."""
    settings: dict[str, object] = {"n_trials": 24, "n_jobs": 1}
    if storage == "sqlite":
        settings["storage"] = f"'sqlite:///{tmp_path}/studies.db'"
    both = [sweep(tmp_path / "sweep", "seconds=0.4", **settings) for _ in range(2)]
    for process in both:
        end(process)
    found = (
        optuna.load_study(storage=f"sqlite:///{tmp_path}/studies.db", study_name="study").get_trials()
        if storage == "sqlite"
        else trials(tmp_path / "sweep")
    )
    assert_each_once(found, tmp_path / "sweep", n_trials=24)
    assert len({worker_of(trial) for trial in found if trial.state == TrialState.COMPLETE}) == 2


def test_several_workers_need_a_launcher_that_places_them(tmp_path):
    said = end(sweep(tmp_path, n_trials=2, n_workers=2), status=1)
    assert "hydra.sweeper.sweeps.grid.n_workers=2: hydra/launcher=basic places one; allowed: joblib" in said
    assert not (tmp_path / "study.journal").exists()


@pytest.fixture
def searching(project: Project) -> Project:
    """A project with sweeps/."""
    shutil.copytree(SOURCE.parent / "sweeps", project.root / "sweeps", dirs_exist_ok=True)
    return project


def test_a_launcher_that_cannot_place_anything_is_one_line(searching, monkeypatch):
    """There is no SLURM here: nothing is tried again."""
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    command = ["-m", "model=logistic,mlp", "sweep.n_workers=2", "hydra/launcher=submitit_slurm"]
    said = end(start(SOURCE / "train.py", *command, cwd=searching.root), status=1)
    assert [line for line in said.splitlines() if line.startswith("error: ")] == [said.splitlines()[-1]]
    assert "hydra/launcher=submitit_slurm lost its workers (" in said
    assert "Traceback" not in said


@pytest.mark.nightly
@pytest.mark.parametrize("launcher", ["joblib", "submitit_local"])
def test_trainings_are_placed_by_launchers_too(launcher, searching):
    command = ["-m", "model=logistic,mlp", "optimizer.lr=0.01,0.1", "trainer.max_epochs=1", "sweep.study=placed"]
    command += [f"hydra/launcher={launcher}", "sweep.n_workers=2", "sweep.n_jobs=1"]
    said = end(start(SOURCE / "train.py", *command, cwd=searching.root))
    directory = searching.runs / "sweeps/placed"
    found = trials(directory, name="placed")
    assert [trial.state for trial in found] == [TrialState.COMPLETE] * 4
    assert sorted(trial.user_attrs[CLAIM]["ticket"] for trial in found) == list(range(4))
    assert len(list(directory.glob("[0-9]/run.json"))) == 4
    assert "4 complete" in said
