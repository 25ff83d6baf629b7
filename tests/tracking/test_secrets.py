"""No secret of a person reaches a file, or W&B: planted wherever W&B and its kin look for them, then looked for."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ratchet.config.composition import compose, load_config
from ratchet.config.environment import text_or_none
from ratchet.config.validation import validate
from ratchet.errors import ConfigError
from ratchet.project import Project
from ratchet.redaction import said_of, without_password
from ratchet.search.processes.outcomes import Outcome
from ratchet.terminal.command import report
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
@pytest.mark.parametrize("mode", ["online", pytest.param("offline", marks=pytest.mark.nightly)])
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
        ("sweep.storage=postgresql://me:se@cr/et@host/x", "sweep.storage=postgresql://me:***@host/x"),
        (
            "sweep.storage=postgresql://host/x?user=me&password=secret",
            "sweep.storage=postgresql://host/x?user=me&password=***",
        ),
        ("sweep.storage=postgresql://me:${oc.env:PW}@host/x", "sweep.storage=postgresql://me:${oc.env:PW}@host/x"),
        ("sweep.storage=redis://:secret@host:6379/0", "sweep.storage=redis://:***@host:6379/0"),
        (
            "data.sources=[{kind: urls, urls: [http://host:80/a]}]",
            "data.sources=[{kind: urls, urls: [http://host:80/a]}]",
        ),
    ],
)
def test_a_url_is_kept_without_its_password(typed: str, kept: str) -> None:
    assert without_password(typed) == kept


NAMED = "data.sources=[{kind: urls, mirrors: ['http://me:${oc.env:CANARY}@host/x']}]"
CANARY = "5ec4e7-of-the-mirror"


def test_a_config_keeps_the_reference_and_uses_the_value(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY", CANARY)
    monkeypatch.setenv("EPOCHS", "7")
    config = load_config(project, [NAMED, "trainer.max_epochs='${oc.decode:${oc.env:EPOCHS}}'"])
    (source,) = config.data.sources
    assert source.model_dump()["mirrors"] == [f"http://me:{CANARY}@host/x"]
    assert config.trainer.max_epochs == 7
    plain = config.plain()
    assert plain["data"]["sources"][0]["mirrors"] == ["http://me:${oc.env:CANARY}@host/x"]
    assert plain["trainer"]["max_epochs"] == 7  # a number is on record
    assert validate(plain) == config
    assert validate(config.model_copy(update={"seed": 3}).plain()).plain() == {**plain, "seed": 3}
    compose(project, [NAMED])
    assert "${oc.env:CANARY}" in project.lock.read_text()
    assert CANARY not in project.lock.read_text()
    monkeypatch.delenv("CANARY")
    assert validate(plain).plain() == plain  # evaluate and compare need no value


def test_what_came_from_the_environment_is_in_no_message(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CANARY", CANARY)
    load_config(project, [NAMED])
    error = RuntimeError(f"{CANARY} was refused at postgresql://me:5ec4e7@host")
    monkeypatch.setenv("RATCHET_DEBUG", "1")
    report(error)
    outcome = Outcome.of_error(error)
    said = f"{capsys.readouterr().err} {outcome.error} {outcome.traceback}"
    assert said.count("${oc.env:CANARY}") >= 3
    assert "postgresql://me:***@host" in said
    assert "5ec4e7" not in said


def test_an_error_is_said_in_one_redacted_line() -> None:
    assert said_of(OSError("no answer\nfrom http://me:5ec4e7@host")) == "OSError: no answer from http://me:***@host"
    assert said_of(ConfigError("a mistake\nof a person")) == "a mistake of a person"
    assert said_of(TimeoutError()) == "TimeoutError: TimeoutError"


def test_a_reference_of_a_record_is_followed_where_its_variable_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM", "crew")
    assert [text_or_none(each) for each in ("${oc.env:TEAM}/a", "plain", None, "")] == ["crew/a", "plain", None, None]
    monkeypatch.delenv("TEAM")
    assert text_or_none("${oc.env:TEAM}") is None


@pytest.mark.slow
@pytest.mark.parametrize("command", ["run", pytest.param("sweep", marks=pytest.mark.nightly)])
def test_a_value_of_the_environment_is_nowhere_and_its_reference_is_enough(
    project: Project, tmp_path: Path, command: str
) -> None:
    database = tmp_path / "5ec4e7.db"
    environment = {"CANARY": CANARY, "STORAGE": f"sqlite:///{database}"}
    single = (*TINY, "logger=wandb", "logger.mode=offline", "logger.tags=['${oc.env:CANARY}']", NAMED)
    study = (
        *TINY[:4],
        "logger=csv",
        "-m",
        "optimizer.lr=0.1,0.01",
        "sweep.study=s",
        "sweep.storage=${oc.env:STORAGE}",
        NAMED,
    )
    done = type_command("train", *(single if command == "run" else study), root=project.root, environment=environment)
    assert done.status == 0, done.err
    if command == "run":
        again = ("resume=runs/x", "trainer.max_epochs=3")
        assert type_command("train", *again, root=project.root, environment=environment).status == 0
        assert type_command("evaluate", "run=runs/x", root=project.root, environment={}).status == 0
        assert "${oc.env:CANARY}" in (project.root / "runs/x/run.json").read_text()
    else:
        assert "storage: ${oc.env:STORAGE}" in (project.root / "runs/sweeps/s/multirun.yaml").read_text()
        assert MARK not in database.read_bytes()
    assert MARK not in (done.out + done.err).encode()
    assert tell_tales(project.root) == []


@pytest.mark.slow
@pytest.mark.nightly
def test_a_password_that_was_typed_is_kept_nowhere(project: Project, tmp_path: Path) -> None:
    typed = (*TINY[:4], "logger=csv", "-m", "optimizer.lr=0.1,0.01", "sweep.study=s")
    url = f"sqlite:///{tmp_path}/studies.db?timeout=9&password=5ec4e7"
    done = type_command("train", *typed, f"sweep.storage='{url}'", root=project.root, environment={})
    assert done.status == 0, done.err
    assert "password=***" in (project.root / "runs/sweeps/s/multirun.yaml").read_text()
    assert MARK not in (done.out + done.err).encode()
    (project.root / ".typed.err").unlink(missing_ok=True)
    assert tell_tales(project.root) == []
