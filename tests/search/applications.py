"""Applications as a person starts them, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import optuna
from optuna.storages.journal import JournalStorage
from optuna.trial import FrozenTrial

from ratchet.search.storage.journal import Journal

QUADRATIC = Path(__file__).parent / "apps" / "quadratic.py"
SOURCE = Path(__file__).parents[2] / "src"


def start(script: Path, *arguments: str, cwd: Path | None = None) -> subprocess.Popen[str]:
    """A script in a process group of its own."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "RATCHET"))}
    return subprocess.Popen(
        [sys.executable, str(script), *arguments], cwd=cwd, env=kept | {"PYTHONPATH": str(SOURCE)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def sweep(directory: Path, *arguments: str, name: str = "study", **settings: object) -> subprocess.Popen[str]:
    """A search of the quadratic app for its x, named `name`."""
    values = {"study": name, **settings}
    given = [f"+hydra.sweeper.sweeps.grid.{key}={value}" for key, value in values.items()]
    return start(QUADRATIC, "-m", "x=interval(-1,1)", f"hydra.sweep.dir={directory}", *given, *arguments)


def end(process: subprocess.Popen[str], status: int = 0) -> str:
    """Wait for it. Fails the test where it ends otherwise; returns what it printed."""
    out, err = process.communicate(timeout=300)
    assert process.returncode == status, out + err
    return out + err


def trials(directory: Path, *, name: str | None = None) -> list[FrozenTrial]:
    """Of the study whose journal lies in a directory; its name where the journal holds several."""
    storage = JournalStorage(Journal(directory / "study.journal"))
    return optuna.load_study(storage=storage, study_name=name).get_trials()
