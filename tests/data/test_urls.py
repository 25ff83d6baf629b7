"""Downloads, against a real server on this machine that misbehaves in the ways that servers do."""

from __future__ import annotations

import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ratchet.config.schema import RawFile, UrlSource
from ratchet.data.sources import SourceUnavailableError, urls
from ratchet.data.sources.urls import Urls

CONTENT = bytes(range(256)) * 2000  # 512,000 bytes
HALF = len(CONTENT) // 2
FILE = RawFile(name="big.bin", checksum=f"sha256:{hashlib.sha256(CONTENT).hexdigest()}")


class Handler(BaseHTTPRequestHandler):
    """Answers a request by the behaviour that its path names, and notes the Range asked for."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        name = self.path.split("/")[1]
        self.server.asked.append((name, self.headers.get("Range")))
        self.close_connection = True
        getattr(self, name)()

    def log_message(self, *_: object) -> None:
        """Keep stderr clean."""

    @property
    def start(self) -> int:
        return int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))

    def send(self, body: bytes, *, status: int = 200, of: int = len(CONTENT), **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(of))
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def send_rest(self, body: bytes) -> None:
        """From the byte asked for, as a server that knows Range does."""
        if not self.start:
            self.send(body)
        elif self.start >= len(CONTENT):
            self.send(b"", status=416, of=0)
        else:
            last = len(CONTENT) - 1
            extent = f"bytes {self.start}-{last}/{len(CONTENT)}"
            self.send(body[self.start :], status=206, of=len(CONTENT) - self.start, Content_Range=extent)

    def good(self) -> None:
        self.send_rest(CONTENT)

    def half(self) -> None:
        """Breaks off in the middle, but goes on when asked to."""
        self.send_rest(CONTENT if self.start else CONTENT[:HALF])

    def always_half(self) -> None:
        self.send(CONTENT[:HALF])

    def half_without_range(self) -> None:
        """Breaks off the first time, and sends everything from the start the second time."""
        self.send(CONTENT if self.start else CONTENT[:HALF])

    def missing(self) -> None:
        self.send(b"not here", status=404, of=8)

    def busy_once(self) -> None:
        if len(self.server.asked) == 1:
            self.send(b"", status=503, of=0)
        else:
            self.good()

    def wrong(self) -> None:
        self.send(b"x" * len(CONTENT))

    def wrong_half(self) -> None:
        self.send(b"x" * HALF)

    def labelled_gzip(self) -> None:
        """Bytes that a server calls gzip-encoded must still arrive as they are stored."""
        self.send(CONTENT, Content_Encoding="gzip")

    def other_part(self) -> None:
        if not self.start:
            self.send(CONTENT[:HALF])
        else:
            extent = f"bytes 100-{len(CONTENT) - 1}/{len(CONTENT)}"
            self.send(CONTENT[100:], status=206, of=len(CONTENT) - 100, Content_Range=extent)

    def stall(self) -> None:
        """Sends half and then nothing, with the line held open."""
        self.send(CONTENT[:HALF])
        self.wfile.flush()
        self.server.released.wait(10)

    def silent(self) -> None:
        self.server.released.wait(10)

    def hang_up(self) -> None:
        self.connection.shutdown(socket.SHUT_RDWR)


class Server(ThreadingHTTPServer):
    """Notes what was asked for."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str | None]] = []
        self.released = threading.Event()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(urls, "_PAUSE", 0.0)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.released.set()
    server.shutdown()
    thread.join()
    server.server_close()


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
    assert server.asked[: len(asked)] == asked


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
    start = time.monotonic()
    with pytest.raises(SourceUnavailableError, match=said):
        deliver(server, tmp_path, behaviour, timeout=0.2)
    assert time.monotonic() - start < 5


def test_a_stalled_download_goes_on_at_the_next_mirror(server: Server, tmp_path: Path) -> None:
    deliver(server, tmp_path, "stall", "good", timeout=0.2)
    assert (tmp_path / "big.bin").read_bytes() == CONTENT
    name, asked_from = server.asked[1]
    assert name == "good"
    assert asked_from is not None
    assert 0 < int(asked_from.removeprefix("bytes=").removesuffix("-")) <= HALF


def test_a_refusing_mirror_is_asked_once_and_one_that_breaks_off_three_times(server: Server, tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailableError):
        deliver(server, tmp_path, "missing", "always_half")
    assert [name for name, _ in server.asked] == ["missing"] + ["always_half"] * 3


def test_without_a_network_it_ends_at_once(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        source = UrlSource(kind="urls", mirrors=[f"http://127.0.0.1:{taken.getsockname()[1]}/"])
        with pytest.raises(SourceUnavailableError, match="is there a network"):
            Urls(source).deliver([FILE], into=tmp_path)


def test_an_address_that_is_none_is_told(tmp_path: Path) -> None:
    source = UrlSource(kind="urls", mirrors=["ftp://example.org/"])
    with pytest.raises(SourceUnavailableError, match="No connection adapters"):
        Urls(source).deliver([FILE], into=tmp_path)


def test_nothing_is_drawn_where_stderr_is_no_terminal(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deliver(server, tmp_path, "good")
    assert capsys.readouterr() == ("", "")
