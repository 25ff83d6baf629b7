"""What travels to a trial's process."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import pytest
from hydra.types import HydraContext
from omegaconf import DictConfig

from ratchet.search.processes.channel import Report, current_trial
from ratchet.search.processes.executors import ForkedExecutor, ForkedRun, wait_for
from ratchet.search.processes.outcomes import Outcome
from ratchet.search.processes.server import SERVER
from ratchet.search.processes.trial_process import Job
from ratchet.search.space.composer import Composer
from ratchet.search.worker.hydra_job import HydraJob, HydraTask

Start = Callable[[Callable[[DictConfig], Any]], ForkedRun]


def _job(
    task: Callable[[DictConfig], Any] | HydraTask,
    config: DictConfig,
    context: HydraContext,
    directory: Path,
    name: str,
    **more: Any,
) -> Job:
    shared = task if isinstance(task, HydraTask) else HydraTask(task, context)
    return Job(shared, HydraJob(config, (name,)), "study", int(directory.name), directory, **more)


@pytest.fixture
def start(composer: Composer, context: HydraContext, tmp_path: Path) -> Iterator[Start]:
    """Starts a task in a trial's process, of which nothing is left after the test."""
    started = []

    def start(task: Callable[[DictConfig], Any]) -> ForkedRun:
        config = composer.compose([], number=0, directory=str(tmp_path))
        started.append(ForkedExecutor().start(_job(task, config, context, tmp_path / "0", "value")))
        return started[-1]

    yield start
    for running in started:
        running.end()


def report(step: int = 0) -> None:
    """Tell the worker, and wait for its answer."""
    trial = current_trial()
    assert trial is not None
    trial.report(step, 0.5)


def test_what_jobs_share_is_pickled_once(
    composer: Composer, context: HydraContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pickled = []
    original = Job.shared
    monkeypatch.setattr(Job, "shared", lambda job: pickled.append(job.number) or original(job))
    executor = ForkedExecutor()

    def task(config: DictConfig) -> Any:
        return {"seed": config.seed, "pid": os.getpid()}

    outcomes, shared = [], HydraTask(task, context)
    for number in range(2):
        config = composer.compose([f"seed={number}"], number=number, directory=str(tmp_path))
        job = _job(shared, config, context, tmp_path / str(number), "seed")
        running = executor.start(job)
        outcomes.append(running.receive())
        running.end()
    assert pickled == [0]
    assert all(isinstance(outcome, Outcome) and outcome.state == "complete" for outcome in outcomes), outcomes
    assert [outcome.metrics["seed"] for outcome in outcomes if isinstance(outcome, Outcome)] == [0, 1]


def test_a_killed_trial_is_noticed_while_what_it_forked_lives(start: Start) -> None:
    def task(_: DictConfig) -> None:
        if os.fork() == 0:  # as a pool of processes does: it holds the trial's end of the pipe
            time.sleep(100)
            os._exit(0)
        report()

    running = start(task)
    assert wait_for([running], 60, warming=None) == [running]
    os.kill(running.pid, signal.SIGKILL)
    assert running.death == "its process was ended by SIGKILL"
    assert isinstance(running.receive(), Report)  # what it had sent before
    assert wait_for([running], 5, warming=None) == [running]
    assert running.receive() is None


def test_what_a_trial_started_ends_where_its_worker_is_gone(start: Start, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "lives")
    reader = os.open(tmp_path / "lives", os.O_RDONLY | os.O_NONBLOCK)

    def task(_: DictConfig) -> None:
        with (tmp_path / "lives").open("wb") as stream:
            subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"], stdout=stream)
        report()

    running = start(task)
    assert isinstance(running.receive(), Report)
    assert not select.select([reader], [], [], 0)[0]
    running.connection.close()  # as the kernel does for a worker that is killed
    assert select.select([reader], [], [], 10)[0]  # readable: nobody has it open for writing any more
    os.close(reader)


def test_nobody_waits_for_ever_for_a_process_that_was_killed(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ratchet.search.processes.executors.GRACE", 0.2)
    running = start(lambda _: report())
    assert isinstance(running.receive(), Report)
    server = forkserver._forkserver._forkserver_pid
    os.kill(server, signal.SIGSTOP)  # it tells of no end, as if the kernel held the process
    ending = threading.Thread(target=running.end, daemon=True)
    try:
        ending.start()
        ending.join(20)
        assert not ending.is_alive()
    finally:
        os.kill(server, signal.SIGCONT)


def test_a_trial_outlives_its_server(start: Start) -> None:
    def task(_: DictConfig) -> dict[str, float]:
        report()
        return {"value": 1.0}

    running = start(task)
    assert isinstance(running.receive(), Report)
    SERVER.end()
    assert wait_for([running], 0.1, warming=None) == wait_for([running], 0.1, warming=None) == []
    running.answer("go")
    outcome = running.receive()
    assert isinstance(outcome, Outcome)
    assert outcome.metrics == {"value": 1.0}


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
    job = _job(task, config, context, tmp_path / "0", "SLOT", environment=(("SLOT", "1"),))
    running = executor.start(job)
    outcome = running.receive()
    running.end()
    assert isinstance(outcome, Outcome)
    assert outcome.metrics == {"SET_LATER": 7.0, "SLOT": 1.0}


def test_a_terminal_s_ctrl_c_that_came_before_it_had_a_session_is_not_its_own() -> None:
    """A worker that was placed has it blocked, and so has what it forks: there it would wait, and end the trial."""
    code = """if True:
        import os, signal
        from multiprocessing import Pipe
        from pathlib import Path
        from ratchet.search.processes.outcomes import Outcome
        from ratchet.search.processes.trial_process import Job, trial_main

        class Task:
            def enter(self):
                pass

            def __call__(self, given):
                return Outcome("complete", metrics={"value": 1.0})

        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        os.kill(os.getpid(), signal.SIGINT)
        ours, theirs = Pipe()
        job = Job(Task(), None, study="a", number=0, directory=Path("."), captures=False)
        trial_main(theirs, {}, job.shared(), job.own())
        print(ours.recv().state)
    """
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, start_new_session=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")},
    )  # fmt: skip
    assert done.stdout == "complete\n", done.stderr
