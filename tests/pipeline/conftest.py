"""A checkout of this project in a folder of its own, small enough that its pipeline runs in seconds."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
SMALL = """\
data: digits
model: logistic
seed: 0
overrides:
  trainer: {max_epochs: 2}
  evaluation: {bootstrap: 50}
  logger: csv
"""


@dataclass(frozen=True)
class Checkout:
    """A folder with a git repository in which commands are typed."""

    root: Path

    @property
    def environment(self) -> dict[str, str]:
        """The commands of this Python's environment, and nothing of the test run."""
        binaries = str(Path(sys.executable).parent)
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "COV", "RATCHET", "GIT"))}
        return kept | {"PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}

    def type(self, *command: str, status: int | None = 0) -> str:
        """Run a command there; what it printed. Fails the test where the exit status is another than `status`."""
        done = subprocess.run(
            command, cwd=self.root, env=self.environment, capture_output=True, text=True, timeout=900, check=False
        )
        output = done.stdout + done.stderr
        assert status is None or done.returncode == status, f"{command} exited {done.returncode}:\n{output}"
        return output

    def commit(self) -> None:
        self.type("git", "add", "-A")
        self.type(
            "git", "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-qm", "a state", "--allow-empty"
        )

    def repro(self) -> list[str]:
        """The stages that `dvc repro` ran, in order."""
        output = self.type("dvc", "repro")
        lines = [line for line in output.splitlines() if line.startswith("Running stage '")]
        return [line.split("'")[1] for line in lines]

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.root / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")


def make_checkout(root: Path, params: str = SMALL) -> Checkout:
    """The tracked and the new files of this working tree as a repository of their own, with other params."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        source, target = REPOSITORY / name, root / name
        if source.is_file() and not name.startswith(("tests/", "dvc.lock", "config.lock.yaml")):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    (root / "params.yaml").write_text(params, encoding="utf-8")
    checkout = Checkout(root)
    checkout.type("git", "init", "-q", "-b", "main")
    checkout.commit()
    return checkout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A fresh checkout, shared by the tests of a module."""
    return make_checkout(tmp_path_factory.mktemp("checkout") / "project")
