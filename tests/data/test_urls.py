"""Downloads, against a real server on this machine that misbehaves in the ways that servers do."""

from __future__ import annotations

import hashlib
import socket
from pathlib import Path

import pytest

from data.server import CONTENT, HALF, Server
from ratchet.config.data_sections import RawFile, UrlSource
from ratchet.data.sources import SourceUnavailableError, urls
from ratchet.data.sources.urls import Urls

FILE = RawFile(name="big.bin", checksum=f"sha256:{hashlib.sha256(CONTENT).hexdigest()}")


def deliver(server: Server, folder: Path, *behaviours: str, timeout: float = 5.0) -> None:
    mirrors = [f"http://127.0.0.1:{server.server_port}/{behaviour}/" for behaviour in behaviours]
    source = UrlSource(kind="urls", mirrors=mirrors, timeout=timeout)
    Urls(source).deliver([FILE], into=folder)


@pytest.mark.parametrize(
    ("behaviours", "asked"),
    [
        (["good"], [("good", None)]),
        (["missing", "good"], [("missing", None), ("good", None)]),
        (["half"], [("half", None), ("half", f"bytes={HALF}-")]),
        (["half", "good"], [("half", None), ("good", f"bytes={HALF}-")]),
        (["half_without_range"], [("half_without_range", None), ("half_without_range", f"bytes={HALF}-")]),
        (["busy_once"], [("busy_once", None), ("busy_once", None)]),
        (["wrong", "good"], [("wrong", None), ("good", None)]),
        (["hang_up", "good"], [("hang_up", None), ("good", None)]),
        (["labelled_gzip"], [("labelled_gzip", None)]),
        # The first half was another file's: all is thrown away, and the honest mirror asked from the start.
        (["wrong_half", "good"], [("wrong_half", None), ("good", f"bytes={HALF}-"), ("good", None)]),
        (["other_part", "good"], [("other_part", None), ("good", f"bytes={HALF}-")]),
    ],
)
def test_the_file_arrives_whole(
    server: Server, tmp_path: Path, behaviours: list[str], asked: list[tuple[str, str | None]]
) -> None:
    deliver(server, tmp_path, *behaviours)
    assert (tmp_path / "big.bin").read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["big.bin"]
    assert server.asked == asked


@pytest.mark.parametrize(
    ("behaviours", "said"),
    [
        (["missing"], "said: HTTP 404 Not Found"),
        (["always_half"], "said: the file broke off after 256,000 bytes"),
        (["wrong"], f"expected {FILE.checksum}"),
        (["hang_up"], "said: it closed the connection"),
        (["missing", "wrong"], "HTTP 404 Not Found; http"),
    ],
)
def test_when_every_mirror_fails_each_one_s_answer_is_told_in_one_line(
    server: Server, tmp_path: Path, behaviours: list[str], said: str
) -> None:
    with pytest.raises(SourceUnavailableError) as caught:
        deliver(server, tmp_path, *behaviours)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "big.bin").exists()


@pytest.mark.parametrize(
    ("behaviour", "said"), [("stall", r"stalled for 0\.2 s after \d+,\d+ bytes"), ("silent", r"no answer in 0\.2 s")]
)
def test_a_mirror_that_falls_silent_is_left(server: Server, tmp_path: Path, behaviour: str, said: str) -> None:
    with pytest.raises(SourceUnavailableError, match=said):
        deliver(server, tmp_path, behaviour, timeout=0.2)


def test_a_stalled_download_goes_on_at_the_next_mirror(server: Server, tmp_path: Path) -> None:
    deliver(server, tmp_path, "stall", "good", timeout=0.2)
    assert (tmp_path / "big.bin").read_bytes() == CONTENT
    name, asked_from = server.asked[1]
    assert name == "good"
    assert asked_from is not None
    assert 0 < int(asked_from.removeprefix("bytes=").removesuffix("-")) <= HALF


def test_a_file_that_changed_meanwhile_is_asked_for_as_a_whole(server: Server, tmp_path: Path) -> None:
    deliver(server, tmp_path, "changed")
    assert (tmp_path / "big.bin").read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["big.bin"]
    assert server.asked == [("changed", None), ("changed", f"bytes={HALF}-")]
    assert server.conditions == [None, '"old"']


def test_the_version_of_one_mirror_is_nothing_to_another(server: Server, tmp_path: Path) -> None:
    deliver(server, tmp_path, "changed", "good")
    assert server.asked[1] == ("good", f"bytes={HALF}-")
    assert server.conditions[1] is None


def test_a_refusing_mirror_is_asked_once_and_one_that_breaks_off_three_times(server: Server, tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailableError):
        deliver(server, tmp_path, "missing", "always_half")
    assert [name for name, _ in server.asked] == ["missing"] + ["always_half"] * 3


def test_without_a_network_it_ends_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paused: list[float] = []
    monkeypatch.setattr(urls, "sleep", paused.append)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        source = UrlSource(kind="urls", mirrors=[f"http://127.0.0.1:{taken.getsockname()[1]}/"])
        with pytest.raises(SourceUnavailableError, match="is there a network"):
            Urls(source).deliver([FILE], into=tmp_path)
    assert paused == []


def test_an_address_that_is_none_is_told(tmp_path: Path) -> None:
    source = UrlSource(kind="urls", mirrors=["ftp://example.org/"])
    with pytest.raises(SourceUnavailableError, match="No connection adapters"):
        Urls(source).deliver([FILE], into=tmp_path)


def test_nothing_is_drawn_where_stderr_is_no_terminal(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deliver(server, tmp_path, "good")
    assert capsys.readouterr() == ("", "")
