"""What goes wrong, in real processes: killed trials and workers, trainings that fail, changed questions."""

from __future__ import annotations

import fcntl
import os
import pty
import random
import re
import signal
import subprocess
import termios
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import FrozenTrial, TrialState

from ratchet.search.storage.journal import OwnedLock
from ratchet.search.storage.ledger import CLAIM, RESULT, is_over, ticket_of
from search.applications import SOURCE

pytestmark = pytest.mark.slow

SPACE = "x=interval(-1,1)"


def until(condition: Callable[[], Any], *, seconds: float = 60) -> Any:
    """What `condition` gives, once it gives something."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if found := condition():
                return found
        except (OSError, KeyError, ValueError):
            pass  # there is no study yet
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s")


def trial_processes(worker: int) -> list[int]:
    """The trials that a worker's server has forked: each leads a session of its own."""
    fields = processes()
    grand = [pid for pid, stat in fields.items() if any(int(stat[1]) == child for child in children(worker, fields))]
    return [pid for pid in grand if fields[pid][0] not in "ZX" and int(fields[pid][3]) == pid]


def processes() -> dict[int, list[str]]:
    """What /proc says of each."""
    fields = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            stat = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        fields[int(entry.name)] = stat
    return fields


def children(pid: int, fields: dict[int, list[str]]) -> list[int]:
    return [each for each, stat in fields.items() if int(stat[1]) == pid]


def alive() -> list[int]:
    """What runs: neither dead nor only waiting to be counted by who started it."""
    return [pid for pid, stat in processes().items() if stat[0] not in "ZX"]


def result(trial: FrozenTrial) -> dict[str, Any]:
    return trial.user_attrs.get(RESULT) or {}


def finished(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    return [trial for trial in trials if is_over(trial)]


def check_whole(application, n_trials: int) -> None:
    """Exactly so many came to an end, each ticket once, and a directory for each that ran to its end."""
    trials = application.trials
    over = finished(trials)
    assert sorted(ticket_of(trial) for trial in over) == list(range(n_trials))
    assert [trial.number for trial in trials if trial.state in {TrialState.RUNNING, TrialState.WAITING}] == []
    directories = {path.name for path in application.directory.iterdir() if path.name.isdigit()}
    assert {str(trial.number) for trial in over} <= directories <= {str(trial.number) for trial in trials}
    for trial in over:
        assert (application.directory / str(trial.number) / "ran").exists()
        assert trial.value == -((trial.params["x"] - 0.3) ** 2)


# --- kills


def test_a_killed_trial_is_run_again(application) -> None:
    process = application.start(SPACE, "seconds=1", n_trials=2, n_jobs=1)
    (trial,) = until(lambda: trial_processes(process.pid))
    os.kill(trial, signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    check_whole(application, 2)
    first = application.trials[0]
    assert (first.state, result(first)["failure"]) == (TrialState.FAIL, "killed")
    assert result(first)["error"] == "its process was ended by SIGKILL"
    again = next(trial for trial in application.trials if trial.user_attrs[CLAIM].get("attempt") == 1)
    assert again.params == first.params
    assert "failed (killed, run again)" in err


def test_what_is_killed_again_and_again_is_given_up(application) -> None:
    done = application.run("x=1,2", "mood=kill", retries=1, n_jobs=2)
    assert "failed (killed): its process was ended by SIGKILL" in done.stderr
    trials = application.trials
    assert sorted(ticket_of(trial) for trial in finished(trials)) == [0, 1]
    assert sorted(ticket_of(trial) for trial in trials) == [0, 0, 1, 1]


def test_a_killed_worker_takes_its_trials_with_it_and_the_command_goes_on(application) -> None:
    process = application.start(SPACE, "seconds=1", n_trials=3, n_jobs=2)
    running = until(lambda: (found := trial_processes(process.pid)) and len(found) == 2 and found)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in running), seconds=10)
    done = application.run(SPACE, "seconds=1", n_trials=3, n_jobs=2)
    assert done.stderr.count("had lost its worker; it is run again") == 2
    check_whole(application, 3)


@pytest.mark.parametrize(("kills", "n_trials"), [(5, 8), pytest.param(20, 24, marks=pytest.mark.nightly)])
def test_kills_of_everything_lose_nothing(application, kills: int, n_trials: int) -> None:
    """At random moments, also while the interpreter starts; then the same command to its end."""
    draw = random.Random(0)
    for _ in range(kills):
        process = application.start(SPACE, "seconds=0.2", n_trials=n_trials, n_jobs=2)
        if draw.random() < 0.8:  # from the first sign of life on
            size = application.journal.stat().st_size if application.journal.exists() else 0
            until(lambda size=size, p=process: p.poll() is not None or application.journal.stat().st_size > size)
        time.sleep(draw.uniform(0, 1.0))
        trials = trial_processes(process.pid)
        for pid in [process.pid, *trials]:
            try:
                os.killpg(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        process.communicate()
    done = application.run(SPACE, "seconds=0.2", n_trials=n_trials, n_jobs=2)
    assert done.returncode == 0, done.stderr
    check_whole(application, n_trials)
    again = application.run(SPACE, "seconds=0.2", n_trials=n_trials, n_jobs=2)
    assert re.fullmatch(rf"study \S+: all {n_trials} trials are done\n", again.stderr)
    check_whole(application, n_trials)


@pytest.mark.nightly
def test_several_workers_and_kills_among_them(application) -> None:
    n_trials, command = 20, (SPACE, "seconds=0.2")
    workers = [application.start(*command, n_trials=n_trials, n_jobs=2) for _ in range(3)]
    until(lambda: len(finished(application.trials)) >= 3)
    os.kill(workers[1].pid, signal.SIGKILL)
    for worker in workers:
        worker.communicate(timeout=120)
    assert [worker.returncode for worker in workers] == [0, -signal.SIGKILL, 0]
    check_whole(application, n_trials)


def test_a_torn_journal_goes_on(application) -> None:
    application.run(SPACE, n_trials=2)
    with application.journal.open("ab") as stream:
        stream.write(b'{"op_code":5,"worker_id":"some')
    application.run(SPACE, n_trials=4)
    check_whole(application, 4)


# --- trainings that fail

MOODS = {
    "raise": ("exception", "ValueError: it does not go", "raise ValueError"),
    "nan": ("non-finite loss", "value is nan", ""),
    "memory": ("out of memory", "MemoryError", "bytearray(2**31)"),
    "disk": ("disk full", "No space left on device", "full.write"),
    "exit": ("exception", "SystemExit: 3", "sys.exit(3)"),
    "kill": ("killed", "its process was ended by SIGKILL", ""),
    "hang": ("timeout", "longer than 1.5 s", "time.sleep(600)"),
}


def test_each_failure_is_on_its_trial_and_the_others_go_on(application) -> None:
    moods = ",".join(["good", *MOODS, "well"])
    done = application.run(f"mood={moods}", retries=0, n_jobs=3, trial_timeout=1.5)
    assert done.returncode == 0
    by_mood = {trial.params["mood"]: trial for trial in application.trials}
    assert [by_mood[mood].state for mood in ("good", "well")] == [TrialState.COMPLETE] * 2
    for mood, (failure, error, traceback) in MOODS.items():
        trial, found = by_mood[mood], result(by_mood[mood])
        assert (mood, trial.state, found["failure"], found["over"]) == (mood, TrialState.FAIL, failure, True)
        assert error in found["error"]
        assert traceback in found["traceback"]
        assert f"failed ({failure}): {found['error']}" in done.stderr


def test_a_training_hears_that_its_time_is_over(application) -> None:
    application.run("mood=hang", trial_timeout=1, retries=0)
    (trial,) = application.trials
    assert result(trial)["failure"] == "timeout"
    (said,) = application.directory.rglob("ended_by")
    assert said.read_text() == "TrialTimeout"


HASTY = "import ratchet.search.worker.worker; ratchet.search.worker.worker.STOP_GRACE = 1.0"


def test_a_training_that_hears_no_stop_is_ended(application, tmp_path, monkeypatch) -> None:
    """After some time, in which it might have written its checkpoint: here a second."""
    (tmp_path / "sitecustomize.py").write_text(HASTY, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", str(SOURCE))]))
    began = time.monotonic()
    application.run("mood=deaf", trial_timeout=1, retries=0)
    (trial,) = application.trials
    assert (result(trial)["failure"], result(trial)["error"]) == ("timeout", "longer than 1 s")
    assert time.monotonic() - began < 60


def test_what_a_trial_started_ends_with_it_also_where_it_ended_by_itself(application) -> None:
    """It is told to stop after its time, and does; the process that it had started is not told, and would go on."""
    process = application.start("mood=parent", trial_timeout=3, retries=0)
    child = int(until((application.directory / "0" / "child").read_text))
    assert child in alive()
    process.communicate(timeout=60)
    (trial,) = application.trials
    assert result(trial)["failure"] == "timeout"
    try:
        until(lambda: child not in alive(), seconds=30)
    finally:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


def test_a_study_whose_trials_all_fail_alike_ends_early(application) -> None:
    done = application.run(SPACE, "mood=raise", n_trials=30, n_jobs=1)
    assert "ends early: 4 trials failed alike and none succeeded" in done.stderr
    assert len(application.trials) == 4
    again = application.run(SPACE, "mood=raise", n_trials=30, n_jobs=1)
    assert "ends early" in again.stderr


def test_a_sweep_ends_with_its_time(application) -> None:
    application.run(SPACE, "seconds=0.3", n_trials=1000, timeout=3, n_jobs=1)
    trials = application.trials
    assert 1 <= len(trials) < 20
    assert {trial.state for trial in trials} == {TrialState.COMPLETE}


# --- verdicts


def test_a_pruned_trial_s_process_ends_within_a_second(application) -> None:
    """From the verdict, as the trial heard it, to the end of its process."""
    pruner = "{_target_:optuna.pruners.ThresholdPruner,lower:-1}"
    process = application.start("x=0,2,3,4,0.1", "steps=20", "seconds=1", pruner=pruner, n_jobs=1)
    ended: dict[Path, float] = {}
    while process.poll() is None:
        for told in set(application.directory.glob("*/pruned")) - set(ended):
            if len(words := told.read_text().split()) == 2 and not Path(f"/proc/{words[0]}").exists():
                ended[told] = time.monotonic() - float(words[1])
        time.sleep(0.01)
    process.communicate()
    assert {told.parent.name for told in ended} == {"1", "2", "3"}
    assert min(ended.values()) < 1
    assert max(ended.values()) < 20  # none hangs; this machine may be busy
    assert [trial.state.name for trial in application.trials] == ["COMPLETE", *["PRUNED"] * 3, "COMPLETE"]


# --- Ctrl-C


def test_ctrl_c_once_lets_the_running_trials_finish(application) -> None:
    process = application.start(SPACE, "seconds=1", n_trials=4, n_jobs=2)
    until(lambda: len(trial_processes(process.pid)) == 2)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the worker and its server hear it
    _, err = process.communicate(timeout=60)
    assert "no new trials; waiting for 2 to finish (Ctrl-C again ends them)" in err
    assert [trial.state for trial in application.trials] == [TrialState.COMPLETE] * 2
    application.run(SPACE, "seconds=1", n_trials=4, n_jobs=2)
    check_whole(application, 4)


def test_ctrl_c_that_ends_who_reads_too_lets_the_running_trials_finish(application) -> None:
    """As in `2>&1 | tee log`: the terminal's Ctrl-C is for both."""
    process = application.start(SPACE, "seconds=1.5", n_trials=4, n_jobs=2)
    until(lambda: len(trial_processes(process.pid)) == 2)
    process.stdout.close()
    process.stderr.close()
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(timeout=60) == 130
    assert [trial.state for trial in application.trials] == [TrialState.COMPLETE] * 2


def test_a_terminal_that_is_closed_ends_trials_as_sighup_does(application) -> None:
    ours, terminal = pty.openpty()
    command = application.command(SPACE, "seconds=60", "steps=600", n_trials=2, n_jobs=2)
    process = subprocess.Popen(
        command, cwd=application.directory.parent, stdin=terminal, stdout=terminal, stderr=terminal,
        preexec_fn=lambda: (os.setsid(), fcntl.ioctl(0, termios.TIOCSCTTY, 0)),  # noqa: PLW1509 - no other way to it
    )  # fmt: skip
    os.close(terminal)
    until(lambda: len(trial_processes(process.pid)) == 2)
    os.close(ours)
    assert process.wait(timeout=60) == 128 + signal.SIGHUP
    assert [result(trial).get("failure") for trial in application.trials[:2]] == ["interrupted"] * 2


def test_whoever_insists_ends_a_search_that_waits_in_vain(application) -> None:
    """Here another process holds the study's lock, and will for ever."""
    process = application.start(SPACE, "seconds=60", "steps=600", n_trials=2, n_jobs=2)
    running = until(lambda: (found := trial_processes(process.pid)) and len(found) == 2 and found)
    lock = OwnedLock(application.journal)
    lock.acquire()
    for _ in range(4):
        os.kill(process.pid, signal.SIGINT)
        time.sleep(0.3)
    assert process.wait(timeout=20) == 128 + signal.SIGINT
    until(lambda: not set(running) & set(alive()), seconds=20)
    lock.release()


def test_ctrl_c_twice_ends_them_and_the_command_goes_on(application) -> None:
    process = application.start(SPACE, "seconds=60", "steps=600", n_trials=2, n_jobs=2)
    running = until(lambda: (found := trial_processes(process.pid)) and len(found) == 2 and found)
    for _ in range(2):
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.3)
    began = time.monotonic()
    process.communicate(timeout=60)
    assert time.monotonic() - began < 30
    assert not any(Path(f"/proc/{pid}").exists() for pid in running)
    states = [trial.state for trial in application.trials]
    assert states == [TrialState.FAIL] * 2 + [TrialState.WAITING] * 2
    assert {result(trial).get("failure") for trial in application.trials[:2]} == {"interrupted"}
    params = sorted(trial.params["x"] for trial in application.trials[:2])
    process = application.start(SPACE, "seconds=60", "steps=600", n_trials=2, n_jobs=2)
    until(lambda: len(trial_processes(process.pid)) == 2)
    assert sorted(trial.params["x"] for trial in application.trials[2:4]) == params
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


SLOW_SERVER = """
import sys, time
if any("forkserver import main" in argument for argument in sys.orig_argv):
    time.sleep(600)
"""


def test_ctrl_c_while_the_server_imports_ends_everything_at_once(application, tmp_path, monkeypatch) -> None:
    """Nothing was asked for yet: nothing is waited for, nothing is to be run again, and no process is left."""
    (tmp_path / "sitecustomize.py").write_text(SLOW_SERVER, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    process = application.start(SPACE, n_trials=4, n_jobs=2)
    assert process.stderr.readline() == f"study {application.study.study_name}: 4 trials, 2 at a time\n"
    until(lambda: children(process.pid, processes()))
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)  # until nobody holds its pipes any more
    assert (process.returncode, err) == (130, "note: no new trials\ninterrupted\n")
    assert {trial.state for trial in application.trials} <= {TrialState.WAITING}  # what conf/ has now is queued first


@pytest.mark.parametrize(("space", "status"), [("x=interval(1,-1)", 1), (SPACE, 0)])
def test_a_server_that_nobody_needs_is_ended(application, tmp_path, monkeypatch, space: str, status: int) -> None:
    """It began to import before a mistake was found, or before it was seen that the study is done."""
    if status == 0:
        application.run(SPACE, n_trials=1)
    (tmp_path / "sitecustomize.py").write_text(SLOW_SERVER, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    process = application.start(space, n_trials=1)
    process.communicate(timeout=60)  # until nobody holds its pipes any more
    assert process.returncode == status


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGHUP, marks=pytest.mark.nightly)])
def test_who_is_told_to_end_says_so(application, number: signal.Signals) -> None:
    """By a cluster at its time limit, or by a terminal that is closed."""
    process = application.start(SPACE, "seconds=60", "steps=600", n_trials=2, n_jobs=1)
    until(lambda: trial_processes(process.pid))
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert f"note: told to end by {number.name}\nnote: ending 1 running; the same command runs it again\n" in err
    assert err.endswith(f"\nended by {number.name}\n")
    assert "0,0,fail,interrupted,told to end," in (application.directory / "trials.csv").read_text()


def test_a_closed_terminal_ends_no_search_that_nohup_began(application) -> None:
    nohup = ["bash", "-c", 'trap "" HUP; exec "$0" "$@"']
    process = application.start(SPACE, "seconds=1", before=nohup, n_trials=2, n_jobs=1)
    until(lambda: application.trials)
    os.killpg(process.pid, signal.SIGHUP)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    check_whole(application, 2)


def test_an_application_whose_trials_all_fail_fails(application) -> None:
    done = application.run("x=1,2", "mood=raise")
    assert done.returncode == 1
    said = "error: all 2 trials failed, such as trial 0 (exception): ValueError: it does not go; type: cat sweep/trials"
    assert said in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_storage_that_cannot_be_opened_leaves_no_directory(application) -> None:
    done = application.run(SPACE, storage=f"'sqlite:///{application.directory}/none/x.db'")
    assert done.returncode == 1
    assert "cannot be opened: " in done.stderr.splitlines()[-1]
    assert not application.directory.exists()


# --- another question under the same name

ASKED = [SPACE, "steps=2"]


@pytest.mark.parametrize(
    ("typed", "settings", "said"),
    [
        (["x=interval(-1,2)", "steps=2"], {}, "space of x was interval(-1,1), is interval(-1,2)"),
        ([SPACE, "steps=3"], {}, "steps was 2, is 3"),
        (ASKED, {"repeats": 2}, "repeats was 1, is 2"),
        *(
            pytest.param([*ASKED, more], {}, said, marks=pytest.mark.nightly)
            for more, said in {
                "objective.direction=minimize": "objectives of value was maximize, is minimize",
                "objective.metric=loss": "objectives of value was maximize, is absent",
                "+z=interval(0,1)": "space of +z was absent, is interval(0,1)",
            }.items()
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_another_question_is_refused_with_what_changed(asked, typed, settings, said: str) -> None:
    done = asked.run(*typed, n_trials=3, study="mine", **settings)
    assert done.returncode == 1
    line = done.stderr.strip().splitlines()[-1]
    assert "study mine has been asking something else: " in line
    assert said in line
    assert re.search(r"type: \+\+hydra\.sweeper\.sweeps\.grid\.study=\S+-2, or the command as it was", line)
    assert [trial.state.name for trial in asked.trials] == ["COMPLETE"] * 2


# --- two at once


def test_the_same_sweep_twice_at_once_is_one_study(application) -> None:
    processes = [application.start(SPACE, "seconds=0.2", n_trials=10, n_jobs=2) for _ in range(2)]
    for process in processes:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    check_whole(application, 10)
