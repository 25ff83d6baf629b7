"""A server of a test, in a thread while it is needed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from typing import TypeVar


class StallingServer(ThreadingHTTPServer):
    """May hold answers back, until it is `released`."""

    released: threading.Event


S = TypeVar("S", bound=StallingServer)


@contextmanager
def served(server: S) -> Iterator[S]:
    """The server answers while the block runs."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
