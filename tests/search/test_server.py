"""The server that trials are forked from: in a process of its own, for there is one for each."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

NEVER_READY = """
import sys, time
if any("forkserver import main" in argument for argument in sys.orig_argv):
    time.sleep(600)
"""


def said(script: str, *, path: Path | None = None) -> list[str]:
    """The lines that a script printed; it ends, and so does everything that it started."""
    paths = os.pathsep.join([*([str(path)] if path else []), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", "from ratchet.search.processes.server import SERVER\n" + script],
        capture_output=True, text=True, timeout=60, check=False, env={**os.environ, "PYTHONPATH": paths},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.fixture
def never_ready(tmp_path: Path) -> Path:
    (tmp_path / "sitecustomize.py").write_text(NEVER_READY, encoding="utf-8")
    return tmp_path


PID = (
    "from multiprocessing.forkserver import _forkserver as kept\n"
    "pid = lambda: kept._forkserver_pid\n"
    "wait = lambda: (warming := SERVER.warming) is None or warming.poll(50)\n"  # it may be ready at once
)


def test_one_that_still_imports_something_else_begins_anew(never_ready: Path) -> None:
    script = (
        "SERVER.begin(['wave']); first = pid()\n"
        "SERVER.begin(['wave']); print(pid() == first)\n"
        "SERVER.begin(['aifc']); print(pid() == first, SERVER.warming is not None)\n"
        "SERVER.leave(); SERVER.leave(); print(pid() is None)\n"
        "SERVER.leave(); print(pid(), SERVER.warming)"
    )
    assert said(PID + script, path=never_ready) == ["True", "False True", "False", "None None"]


def test_one_that_has_imported_is_kept() -> None:
    script = (
        "SERVER.begin([]); first = pid()\n"
        "wait(); print(SERVER.warming)\n"
        "SERVER.begin(['wave']); print(pid() == first)\n"
        "wait(); SERVER.leave(); print(pid() == first)"
    )
    assert said(PID + script) == ["None", "True", "True"]


def test_one_is_ended_also_where_nobody_waits_for_processes(never_ready: Path) -> None:
    script = (
        "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "SERVER.begin([]); SERVER.leave(); print(pid(), SERVER.warming)\n"
        "SERVER.begin([]); SERVER.leave(); print(pid(), SERVER.warming)"
    )
    assert said(PID + script, path=never_ready) == ["None None"] * 2


def test_a_warm_one_can_be_ended_and_begun_again() -> None:
    script = (
        "SERVER.begin([]); first = pid(); wait(); SERVER.leave(); print(pid() == first)\n"
        "SERVER.end(); print(pid())\n"
        "SERVER.begin([]); print(wait()); SERVER.end()"
    )
    assert said(PID + script) == ["True", "None", "True"]


def test_what_has_changed_in_the_environment_since_is_told() -> None:
    script = (
        "import os; os.environ.update(KEPT='1', GONE='1'); SERVER.begin([])\n"
        "del os.environ['GONE']; os.environ['NEW'] = '2'; found = SERVER.environment()\n"
        "print(found['KEPT'], found['GONE'], found['NEW'], 'PYTHONPATH' in found); SERVER.end()"
    )
    assert said(script) == ["1 None 2 False"]


def test_leaving_before_anything_began_is_nothing() -> None:
    assert said("SERVER.leave(); print(SERVER.warming)") == ["None"]
