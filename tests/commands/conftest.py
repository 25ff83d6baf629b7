"""train.py in this process."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from ratchet.commands.train import main
from ratchet.project import Project
from ratchet.terminal.command import run_command

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def untouched(tmp_path_factory, digits: Path) -> Project:
    """A project for everything that must not leave a trace: one is enough."""
    root = tmp_path_factory.mktemp("untouched")
    shutil.copytree(REPOSITORY / "conf", root / "conf", ignore=shutil.ignore_patterns("tuned"))
    shutil.copytree(REPOSITORY / "sweeps", root / "sweeps")
    shutil.copytree(digits, root / "data")
    (root / "params.yaml").write_text("data: digits\nmodel: cnn\nlogger: csv\n", encoding="utf-8")
    (root / "runs").mkdir()
    return Project(root)


@pytest.fixture
def train(monkeypatch, capsys):
    """Runs the command line in this process: (exit status, stdout, stderr)."""

    def command(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["train.py", *arguments])
        with pytest.raises(SystemExit) as caught:
            run_command(main, usage="")
        printed = capsys.readouterr()
        return caught.value.code, printed.out, printed.err

    return command
