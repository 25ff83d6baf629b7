"""Data that a command needs and nobody has prepared are made once; what is there stays, a large download is refused."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from data.conftest import Dataset
from data.server import CONTENT, Server
from ratchet.config.data_sections import DataConfig
from ratchet.data.fetch import fetch
from ratchet.data.on_demand import UNASKED, prepare_if_missing
from ratchet.data.prepared import PreparedData
from ratchet.errors import DataError
from ratchet.project import Project

pytestmark = pytest.mark.slow

SOURCE = Path(__file__).parents[2] / "src"
ASKS = """
import sys
from pathlib import Path
from ratchet.config.data_sections import DataConfig
from ratchet.data import on_demand
from ratchet.project import Project

root, name, go = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
really = on_demand._fetch_and_prepare

def noted(config, *, project):
    with (root / "made_by").open("a") as stream:
        stream.write(f"{name}\\n")
    while not go.exists():
        pass
    really(config, project=project)

on_demand._fetch_and_prepare = noted
on_demand.prepare_if_missing(DataConfig.model_validate_json((root / "toy.json").read_text()), project=Project(root))
"""


@pytest.fixture
def config(toy: Dataset) -> DataConfig:
    """Of files that lie elsewhere: nothing is fetched or prepared."""
    config = toy.config()
    shutil.move(toy.raw, toy.project.root / "elsewhere")
    return config


def asks(project: Project, config: DataConfig, name: str, *, go: Path) -> subprocess.Popen[str]:
    """A process that needs the data, and goes on with making them when there is a file `go`."""
    (project.root / "toy.json").write_text(config.model_dump_json(by_alias=True))
    command = [sys.executable, "-c", ASKS, str(project.root), name, str(go)]
    with (project.root / f"{name}.said").open("w") as stream:
        return subprocess.Popen(command, env={"PYTHONPATH": str(SOURCE)}, stderr=stream, text=True)


def made_by(project: Project) -> list[str]:
    log = project.root / "made_by"
    return log.read_text().split() if log.exists() else []


def wait_until(condition: Any) -> None:
    until = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_what_is_missing_is_fetched_and_prepared_with_a_line_that_says_so(config, project, capsys) -> None:
    prepare_if_missing(config, project=project)
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "toy is not prepared: it is fetched and prepared first, once"
    assert PreparedData.open(project.prepared("toy"), reader="train", config=config).classes == ("a", "b")
    prepare_if_missing(config, project=project)
    assert capsys.readouterr().err == ""


def test_what_is_outdated_or_unknown_is_not_touched(config, project, toy) -> None:
    prepare_if_missing(config, project=project)
    card = (project.prepared("toy") / "card.json").read_bytes()
    other = DataConfig.model_validate(
        config.model_dump() | {"prepare": config.prepare.model_dump(by_alias=True) | {"seed": 7}}
    )
    prepare_if_missing(other, project=project)
    assert (project.prepared("toy") / "card.json").read_bytes() == card
    with pytest.raises(DataError, match=r"data\.prepare\.seed was 0, is now 7"):
        PreparedData.open(project.prepared("toy"), reader="train", config=other)
    (project.prepared("toy") / "card.json").unlink()
    prepare_if_missing(config, project=project)
    assert not (project.prepared("toy") / "card.json").exists()


def test_of_two_processes_one_prepares_and_the_other_waits(config, project, tmp_path) -> None:
    go = tmp_path / "go"
    first = asks(project, config, "first", go=go)
    wait_until(lambda: made_by(project) == ["first"])
    second = asks(project, config, "second", go=go)
    waits = "waiting for another process, which fetches or prepares toy\n"
    wait_until(lambda: (project.root / "second.said").read_text() == waits)
    go.touch()
    assert (first.wait(120), second.wait(120)) == (0, 0)
    assert made_by(project) == ["first"]
    assert PreparedData.open(project.prepared("toy"), reader="train", config=config)


def test_one_that_was_killed_holds_nobody_up(config, project, tmp_path) -> None:
    first = asks(project, config, "first", go=tmp_path / "never")
    wait_until(lambda: made_by(project) == ["first"])
    first.kill()
    first.wait()
    (tmp_path / "go").touch()
    assert asks(project, config, "second", go=tmp_path / "go").wait(120) == 0
    assert made_by(project) == ["first", "second"]
    assert PreparedData.open(project.prepared("toy"), reader="train", config=config)


def downloads(config: DataConfig, server: Server, behaviour: str) -> DataConfig:
    mirror = f"http://127.0.0.1:{server.server_port}/{behaviour}"
    source = {"kind": "urls", "mirrors": [mirror], "timeout": 5.0}
    return DataConfig.model_validate(config.model_dump() | {"sources": [source]})


@pytest.mark.parametrize(
    ("behaviour", "size"), [("large", r"300\.0 MB"), ("endless", "a size that its server does not tell")]
)
def test_a_large_download_is_not_begun(config, project, server, behaviour, size) -> None:
    message = f"toy is not here, and its download has {size}: above 100 MB none .*; type: python src/fetch.py data=toy,"
    with pytest.raises(DataError, match=message) as caught:
        prepare_if_missing(downloads(config, server, behaviour), project=project)
    assert "\n" not in str(caught.value)
    assert not project.raw("toy").exists()
    assert not list(project.root.rglob("*.partial"))


def test_a_small_download_is_begun_and_a_folder_serves_where_the_download_is_large(config, project, server) -> None:
    import hashlib

    file = {"name": "x.bin", "checksum": f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"}
    small = DataConfig.model_validate(downloads(config, server, "good").model_dump() | {"files": [file]})
    assert fetch(small, project=project, at_most=UNASKED).source == "urls"
    shutil.rmtree(project.raw("toy"))
    with pytest.raises(DataError, match=r"download has 0\.5 MB: above 0\.511 MB"):
        fetch(small, project=project, at_most=len(CONTENT) - 1000)

    both = [*downloads(config, server, "large").model_dump()["sources"], {"kind": "folder", "path": "elsewhere"}]
    mixed = DataConfig.model_validate(config.model_dump() | {"sources": both})
    assert fetch(mixed, project=project, at_most=UNASKED).source == "folder"


def test_a_server_that_refuses_is_told_as_by_fetch(config, project, server) -> None:
    with pytest.raises(
        DataError, match=r"could not fetch x.npy, y.npy of toy: urls: no mirror served x.npy .*HTTP 404"
    ):
        prepare_if_missing(downloads(config, server, "missing"), project=project)
