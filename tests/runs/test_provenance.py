"""Where a number came from."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ratchet.runs.provenance import device, git_state


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for name in ("src/a.py", "conf/a.yaml", "params.yaml", ".gitignore"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("*.pyc\n", encoding="utf-8")
    identity = ["-c", "user.name=t", "-c", "user.email=t@localhost"]
    for command in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-qm", "a state"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return tmp_path


@pytest.mark.parametrize(
    ("written", "dirty"),
    [
        ("src/a.py", True),
        ("src/new.py", True),
        ("conf/model/new.yaml", True),
        ("src/a.pyc", False),  # git is told to pass it over
        ("notes.txt", False),  # no number depends on it
    ],
)
def test_changed_and_new_code_is_dirty(repository: Path, written: str, dirty: bool) -> None:
    before = git_state(repository)
    assert before["dirty"] is False
    (repository / written).parent.mkdir(exist_ok=True)
    (repository / written).write_text("changed\n", encoding="utf-8")
    assert git_state(repository) == {**before, "dirty": dirty}


def test_outside_git_nothing_is_said(tmp_path: Path) -> None:
    assert git_state(tmp_path) == {"revision": None, "dirty": None}


def test_a_gpu_has_its_makers_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda which: f"GPU number {which.index}")
    assert [device(torch.device(which)) for which in ("cpu", "cuda:1")] == ["cpu", "GPU number 1"]


def test_looking_at_git_takes_no_lock_from_who_commits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = tmp_path / "asked"
    (tmp_path / "git").write_text(f'#!/bin/sh\necho "$@" >> {asked}\n', encoding="utf-8")
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    git_state(tmp_path)
    calls = asked.read_text(encoding="utf-8").splitlines()
    assert any("status" in call for call in calls)
    assert all(call.startswith("--no-optional-locks ") for call in calls)


def test_code_that_changed_since_it_was_imported_is_that_of_the_import_and_dirty(repository: Path) -> None:
    code = (
        "import subprocess, sys; from pathlib import Path; import ratchet.runs.imported_code; "
        "from ratchet.runs.provenance import device, git_state; before = git_state(Path()); "
        "assert before['dirty'] is False; Path('src/a.py').write_text('changed'); "
        "identity = ['-c', 'user.name=t', '-c', 'user.email=t@localhost']; "
        "subprocess.run(['git', *identity, 'commit', '-qam', 'b'], check=True); "
        "assert git_state(Path()) == {**before, 'dirty': True}; print('told')"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=repository, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout == "told\n", done.stderr
    assert git_state(repository)["dirty"] is False
