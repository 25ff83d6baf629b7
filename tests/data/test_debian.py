"""The Debian source with stand-ins for apt-get and dpkg-deb, so that it is tested on any system, offline."""

from __future__ import annotations

from pathlib import Path

import pytest

from ratchet.config.data_sections import DebianSource, RawFile
from ratchet.data.sources import SourceUnavailableError
from ratchet.data.sources.debian import Debian

FILES = [RawFile(name="a.txt", checksum="md5:" + "0" * 32)]


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of PATH beside the system's basics."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/bin")
    return folder


def tool(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def deliver(tmp_path: Path, path: Path) -> Path:
    into = tmp_path / "into"
    into.mkdir()
    Debian(DebianSource(kind="debian", package="some-data", path=str(path))).deliver(FILES, into=into)
    return into


def test_an_installed_package_is_read_where_it_lies(tmp_path: Path, tools: Path) -> None:
    installed = tmp_path / "share"
    installed.mkdir()
    (installed / "a.txt").write_text("installed")
    tool(tools, "apt-get", "exit 1")
    assert (deliver(tmp_path, installed) / "a.txt").read_text() == "installed"


def test_an_absent_package_is_downloaded_and_unpacked(tmp_path: Path, tools: Path) -> None:
    tool(tools, "apt-get", 'test "$*" = "--quiet download some-data" && touch some-data_1_all.deb')
    tool(tools, "dpkg-deb", 'mkdir -p "$3/usr/share/some" && echo downloaded > "$3/usr/share/some/a.txt"')
    into = deliver(tmp_path, Path("/usr/share/some"))
    assert (into / "a.txt").read_text() == "downloaded\n"
    assert [path.name for path in into.iterdir()] == ["a.txt"]


@pytest.mark.parametrize(
    ("apt_get", "message"),
    [
        (None, "some-data is not installed and there is no apt-get here"),
        ("echo 'E: Unable to locate package some-data' >&2; exit 100", "E: Unable to locate package some-data"),
        ("exit 7", "exit status 7"),
        ("true", "brought 0 archives"),
    ],
)
def test_where_it_cannot_be_had_the_reason_is_told(
    tmp_path: Path, tools: Path, monkeypatch: pytest.MonkeyPatch, apt_get: str | None, message: str
) -> None:
    monkeypatch.setenv("PATH", str(tools))
    tool(tools, "dpkg-deb", "exit 0")
    if apt_get is not None:
        tool(tools, "apt-get", apt_get)
    with pytest.raises(SourceUnavailableError, match=message):
        deliver(tmp_path, Path("/usr/share/some"))


@pytest.mark.parametrize(("told", "size"), [("'http://a/b.deb' b.deb 30900652 SHA256:0", 30_900_652), ("Ign:1", None)])
def test_the_size_of_a_download_is_asked_of_apt(tmp_path: Path, tools: Path, told: str, size: int | None) -> None:
    tool(tools, "dpkg-deb", "exit 1")
    tool(tools, "apt-get", f"""test "$*" = "--quiet --print-uris download some-data" && echo "{told}" """)
    source = Debian(DebianSource(kind="debian", package="some-data", path=str(tmp_path / "share")))
    assert source.download_size(FILES) == size
    (tmp_path / "share").mkdir()
    (tmp_path / "share" / "a.txt").write_text("installed")
    assert source.download_size(FILES) == 0
