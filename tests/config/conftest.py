"""A project whose conf/ is only read: one copy serves every test."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from ratchet.config.request import Request
from ratchet.config.schema import Config
from ratchet.project import Project

CONF = Path(__file__).parents[2] / "conf"


@pytest.fixture(scope="session")
def conf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of conf/, not to be written to."""
    copy = tmp_path_factory.mktemp("shared") / "conf"
    shutil.copytree(CONF, copy, ignore=shutil.ignore_patterns("tuned"))
    return copy


@pytest.fixture
def settings(tmp_path: Path, conf: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project without data, and the working directory; params.yaml chooses digits, cnn and csv."""
    (tmp_path / "conf").symlink_to(conf)
    (tmp_path / "params.yaml").write_text("data: digits\nmodel: cnn\nlogger: csv\nseed: 0\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path)


def notified(project: Project, typed: Sequence[str] = ()) -> Config:
    """The config as a training composes it, which notes on stderr what it sets aside."""
    request = Request.of(project, typed)
    config = request.compose()
    request.notify()
    return config
