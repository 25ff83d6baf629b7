"""No secret of a person reaches a file, or W&B: planted wherever W&B and its kin look for them, then looked for."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ratchet.project import Project
from ratchet.runs.provenance import without_password
from tracking.server import serving
from tracking.typing_commands import type_command

SECRETS = {
    "WANDB_API_KEY": "5ec4e7" + "0" * 34,
    "AWS_SECRET_ACCESS_KEY": "5ec4e7-of-the-cloud",
    "PGPASSWORD": "5ec4e7-of-the-database",
    "GITHUB_TOKEN": "5ec4e7-of-the-code",
}
MARK = b"5ec4e7"  # in each of them
TINY = ("model=mlp", "model.width=8", "trainer.max_epochs=2", "trainer.progress=none", "hydra.run.dir=runs/x")


def tell_tales(folder: Path) -> list[str]:
    """The files below a folder that hold a secret."""
    files = [path for path in folder.rglob("*") if path.is_file() and MARK in path.read_bytes()]
    return [str(path.relative_to(folder)) for path in files]


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["offline", "online"])
def test_planted_secrets_are_nowhere(project: Project, tmp_path: Path, mode: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / ".netrc").write_text(f"machine 127.0.0.1\n  login user\n  password {SECRETS['WANDB_API_KEY']}\n")
    for command in (
        ["git", "init", "-q"],
        ["git", "remote", "add", "origin", "https://me:5ec4e7-of-git@example.org/mine.git"],
        ["git", "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-qm", "x", "--allow-empty"],
    ):
        subprocess.run(command, cwd=project.root, check=True)
    with serving() as server:
        environment = {**SECRETS, "HOME": str(home), "WANDB_BASE_URL": server.url, "WANDB_ERROR_REPORTING": "false"}
        logger = ("logger=wandb", f"logger.mode={mode}")
        done = type_command("train", *TINY, *logger, root=project.root, environment=environment)
        assert done.status == 0
        assert type_command("evaluate", "run=runs/x", root=project.root, environment=environment).status == 0
        given = ("logger.api_key=5ec4e7-typed", "logger=wandb")
        refused = type_command("train", *TINY, *given, root=project.root, environment=environment)
    assert refused.status == 1
    assert MARK not in (done.out + done.err).encode()
    assert MARK not in server.seen
    assert bool(server.runs) == (mode == "online")
    (project.root / ".typed.err").unlink()  # the terminal may show a person what she typed
    assert tell_tales(home) == [".netrc"]
    assert tell_tales(project.root) == [".git/config"]


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("sweep.storage=postgresql://me:secret@host/studies", "sweep.storage=postgresql://me:***@host/studies"),
        ("sweep.storage=postgresql://me@host/studies", "sweep.storage=postgresql://me@host/studies"),
        ("optimizer.lr=0.1", "optimizer.lr=0.1"),
        ("sweep.storage=redis://:secret@host:6379/0", "sweep.storage=redis://:***@host:6379/0"),
        (
            "data.sources=[{kind: urls, urls: [http://host:80/a]}]",
            "data.sources=[{kind: urls, urls: [http://host:80/a]}]",
        ),
    ],
)
def test_a_url_is_kept_without_its_password(typed: str, kept: str) -> None:
    assert without_password(typed) == kept
