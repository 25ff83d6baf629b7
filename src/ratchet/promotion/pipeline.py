"""`dvc repro` and `dvc checkout`, and whether the number that was promised came out."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from ratchet.data.staging import is_running
from ratchet.errors import FileError, RatchetError
from ratchet.files import read_json
from ratchet.project import Project
from ratchet.runs import RunDirectory, RunRecord

TOLERANCE = 0.01  # relative or absolute, on another type of machine: its arithmetic rounds in another order
STAGES = ("train", "evaluate")
PATIENCE = 10.0  # seconds that dvc and its training have to end by themselves
BESIDE = (  # what DVC does not bring back: in git, and the record of the run
    "champion/train/metrics.json", "champion/evaluate/metrics.json", "champion/train/run.json",
    "champion/train/train.log",
)  # fmt: skip


def refuse_beside_dvc(project: Project) -> None:
    """Raise RatchetError while a dvc that somebody else started runs a stage: both would write over the champion."""
    try:
        locks = read_json(project.root / ".dvc/tmp/rwlock")
        held = [*locks.get("write", {}).values(), *(each for some in locks.get("read", {}).values() for each in some)]
        busy = [(int(each["pid"]), each["cmd"]) for each in held]
    except (OSError, FileError, AttributeError, TypeError, KeyError, ValueError):
        return  # there is none, or DVC's next command says what is wrong with it
    for pid, command in busy:
        if is_running(pid):
            raise RatchetError(
                f"another dvc runs in this project (process {pid}: {command}); wait for its end, then type the same "
                "again"
            )


def repro(project: Project) -> int:
    """Run the pipeline, its output shown: trained anew, also where DVC keeps such a run. Returns its exit status."""
    return _dvc(project, "repro", "--no-run-cache")


def checkout(project: Project) -> bool:
    """Bring the champion that dvc.lock names back from DVC's cache. Returns whether all of it is there."""
    if not (project.root / "dvc.lock").is_file():
        return False
    return _dvc(project, "checkout", "--force", "--quiet", *STAGES, quiet=True) == 0


def _dvc(project: Project, *arguments: str, quiet: bool = False) -> int:
    """Run dvc in a session of its own, ended with all that it started where this process is told to end.

    It inherits the lock of promotion, so that the lock is held as long as dvc runs, also where this process is killed.
    """
    binaries = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": f"{binaries}{os.pathsep}{os.environ.get('PATH', '')}"}
    environment.pop("RATCHET_RUNS", None)  # the pipeline has its own place
    sys.stdout.flush()
    output = subprocess.DEVNULL if quiet else None
    process = subprocess.Popen(
        [sys.executable, "-m", "dvc", *arguments], cwd=project.root, env=environment, stdout=output, stderr=output,
        close_fds=False, start_new_session=True,
    )  # fmt: skip
    try:
        return process.wait()
    except BaseException:
        _end(process)
        raise


def _end(leader: subprocess.Popen[bytes]) -> None:
    """Return when no process of the leader's group is left: asked to end, after PATIENCE killed."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + PATIENCE
        try:
            os.killpg(leader.pid, number)
            while time.monotonic() < deadline:
                leader.poll()
                os.killpg(leader.pid, 0)
                time.sleep(0.05)
        except (ProcessLookupError, PermissionError):  # macOS says the second of a group of which zombies are left
            return


def promised(record: RunRecord) -> dict[str, float]:
    """The numbers of a run that must come out again: of its best validation; without validations those of its end."""
    return dict(record.best.metrics) if record.best is not None else dict(record.metrics)


def pipeline_record(project: Project) -> RunRecord:
    """Read the record of the run that the pipeline made."""
    return RunRecord.read(RunDirectory(project.champion_run))


def require_promised(promise: RunRecord, made: RunRecord) -> None:
    """Raises RatchetError that says why, where the pipeline's run gave other numbers."""
    wanted, got = promised(promise), promised(made)
    if not wanted:
        raise RatchetError("the gate's run has no metric to compare with; type: logger=csv in params.yaml")
    elsewhere = _machine(promise) != _machine(made)
    wrong = [name for name in wanted if not _is_same(wanted[name], got.get(name), elsewhere=elsewhere)]
    if not wrong:
        return
    name = wrong[0]
    raise RatchetError(
        f"the promised number did not come out: {name} was {wanted[name]!r}, is {got.get(name)!r} "
        f"({'; '.join(reasons(promise, made))}); nothing was promoted, files are as before; "
        "mend that, then type the same command again"
    )


def _is_same(wanted: float, got: float | None, *, elsewhere: bool) -> bool:
    if got is None:
        return False
    if math.isnan(wanted):
        return math.isnan(got)
    if elsewhere:
        return math.isclose(wanted, got, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return wanted == got


def _machine(record: RunRecord) -> tuple[Any, Any, Any]:
    return record.host.get("processor"), record.host.get("system"), record.host.get("device", "cpu")


def reasons(promise: RunRecord, made: RunRecord) -> list[str]:
    """Return in what circumstances (code, versions, machine) two runs differ, a few words each."""
    pairs = {
        "data": (_short(promise.data.get("hash")), _short(made.data.get("hash"))),
        "code": (_code(promise), _code(made)),
        "config": (_short(promise.config_hash), _short(made.config_hash)),
        "threads": (promise.threads, made.threads),
        "machine": (_machine(promise)[0], _machine(made)[0]),
        "device": (_machine(promise)[2], _machine(made)[2]),
        "seed": (promise.seed, made.seed),
    }
    pairs |= {
        f"version of {name}": (promise.versions.get(name, "absent"), made.versions.get(name, "absent"))
        for name in {**promise.versions, **made.versions}
    }
    found = [f"{name} changed: {was} then, {now} now" for name, (was, now) in pairs.items() if was != now]
    return found or ["data, code, config, versions and machine are the same: this training is not deterministic here"]


def _code(record: RunRecord) -> str:
    """The commit; that params.yaml and conf/tuned/ differ from it is promotion's own doing."""
    return _short(record.git.get("revision"))


def _short(value: object) -> str:
    return str(value)[:12]
