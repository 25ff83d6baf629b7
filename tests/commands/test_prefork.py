"""The imports of a sweep's trials, begun before the command line is understood."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ratchet.commands import prefork

REPOSITORY = Path(__file__).parents[2]
NEVER_READY = """
import sys, time
if any("forkserver import main" in argument for argument in sys.orig_argv):
    time.sleep(600)
"""


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What servers were begun with; none is."""
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(prefork, "SERVER", type("Server", (), {"begin": asked.append, "leave": lambda: None}))
    return asked


@pytest.mark.parametrize("typed", [["-m"], ["--multirun", "model=cnn,gru"], ["hydra.mode=MULTIRUN", "seed=1,2"]])
def test_a_sweep_s_server_begins_at_once(begun: list[tuple[str, ...]], typed: list[str]) -> None:
    with prefork.prefork_trial_server([*typed, "hydra/launcher=basic"]):
        assert len(begun) == 1
        assert {"pytorch_lightning", "wandb"} <= set(begun[0])


@pytest.mark.parametrize(
    "typed",
    [
        ["model=cnn"], ["-m", "sweep.dry_run=true"], ["-m", "+sweep.dry_run=True"], ["-m", "hydra/launcher=joblib"],
        ["-m", "--help"], ["-m", "--cfg=job"], ["--cfg", "job", "-m"],
    ],
)  # fmt: skip
def test_what_has_no_trials_here_needs_no_server(begun: list[tuple[str, ...]], typed: list[str]) -> None:
    with prefork.prefork_trial_server(typed):
        assert begun == []


@pytest.mark.parametrize(("logger", "tracked"), [("csv", False), ("[csv,wandb]", True), ("wandb", True)])
def test_what_is_not_tracked_by_wandb_does_not_import_it(logger: str, tracked: bool) -> None:
    assert ("wandb" in prefork.preload([f"logger={logger}"])) is tracked


def test_a_mistake_does_not_wait_for_the_imports(project: Any, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(NEVER_READY, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(REPOSITORY / "src/train.py"), "-m", "model=nothing"], cwd=project.root,
        env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip # until nobody holds its pipes any more
    assert done.returncode == 1
    assert done.stderr.startswith("error: model=nothing: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_a_library_would_swallow_ends_a_sweep_all_the_same(
    number: signal.Signals, tmp_path: Path
) -> None:
    """Also the server that imports for it."""
    (tmp_path / "sitecustomize.py").write_text(NEVER_READY, encoding="utf-8")
    script = f"""
import os
from ratchet.commands.prefork import prefork_trial_server
from ratchet.terminal.command import run_command

def main(arguments):
    with prefork_trial_server(["-m", "model=cnn,mlp"]):
        try:
            os.kill(os.getpid(), {int(number)})
        except BaseException:
            pass
        print("it went on")

run_command(main, usage="")
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(REPOSITORY / "src")])},
    )  # fmt: skip # until nobody holds its pipes any more
    said = "interrupted" if number == signal.SIGINT else f"ended by {number.name}"
    assert (done.returncode, done.stdout, done.stderr) == (128 + number, "", f"{said}\n")
