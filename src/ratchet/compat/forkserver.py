"""What Ratchet needs of multiprocessing's fork server beyond its public interface: to see it, and to end it."""

from __future__ import annotations

import os
import pickle
import signal
from contextlib import suppress
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection
from typing import Any


class _Probe:
    """What multiprocessing takes for a process; it ends at once."""

    def _bootstrap(self, parent_sentinel: int) -> int:
        return 0


def begin_tracker() -> None:
    """Begin the resource tracker, which the server would begin with signals let in again."""
    resource_tracker.ensure_running()


def begin(preload: list[str]) -> None:
    """Begin the server, which imports these modules before it forks."""
    forkserver.set_forkserver_preload(preload)
    forkserver.ensure_running()


def probe() -> Connection:
    """Return what becomes readable at the first fork, which comes after the imports."""
    forked, orders = forkserver.connect_to_new_process([])
    with os.fdopen(orders, "wb") as stream:
        stream.write(pickle.dumps({}) + pickle.dumps(_Probe()))
    return Connection(forked, writable=False)


def process_id() -> int | None:
    """Return the server's process id; None where there is none."""
    server: Any = forkserver._forkserver
    return server._forkserver_pid  # type: ignore[no-any-return]


def kill() -> None:
    """Kill the server, from a signal's handler too."""
    if (pid := process_id()) is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def end() -> None:
    """Kill the server, and let multiprocessing begin another one when it is asked for a process."""
    server: Any = forkserver._forkserver
    kill()
    try:
        server._stop()
    except (ChildProcessError, FileNotFoundError):  # SIGCHLD is ignored; at exit its socket may be gone
        server._forkserver_pid = server._forkserver_address = None
