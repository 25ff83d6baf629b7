"""A server on this machine that misbehaves in the ways that servers do."""

from __future__ import annotations

import socket
import threading
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler

from serving import StallingServer, served

CONTENT = bytes(range(256)) * 2000  # 512,000 bytes
HALF = len(CONTENT) // 2


class Handler(BaseHTTPRequestHandler):
    """Answers a request by the behaviour that its path names, and notes the Range asked for."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        name = self.path.split("/")[1]
        self.server.asked.append((name, self.headers.get("Range")))
        self.server.files.append(self.path.split("/")[-1])
        self.server.conditions.append(self.headers.get("If-Range"))
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

    def changed(self) -> None:
        """Breaks off in the middle of a version that is another one when it is asked to go on."""
        if not self.start:
            self.send(b"x" * HALF, ETag='"old"')
        elif self.headers.get("If-Range", '"new"') == '"new"':
            self.send_rest(CONTENT)
        else:
            self.send(CONTENT, ETag='"new"')

    def fails_at_second(self) -> None:
        """Stops in the middle of second.bin, and has no more of it until the server is mended."""
        if self.server.mended or not self.path.endswith("/second.bin"):
            self.send_rest(CONTENT)
        elif self.start:
            self.send(b"", status=503, of=0)
        else:
            self.stall()

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

    def large(self) -> None:
        """Says how much more than a hundred megabytes it has, and sends none of it."""
        self.send(b"", of=150_000_000)

    def endless(self) -> None:
        """Does not say how much it has."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(CONTENT)

    def hang_up(self) -> None:
        self.connection.shutdown(socket.SHUT_RDWR)


class Server(StallingServer):
    """Notes what was asked for."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str | None]] = []  # behaviour and Range
        self.files: list[str] = []
        self.conditions: list[str | None] = []  # If-Range
        self.released = threading.Event()
        self.mended = False


def serving() -> AbstractContextManager[Server]:
    """A server that runs while the block does."""
    return served(Server())
