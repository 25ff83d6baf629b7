"""The process that trials are forked from. To import this is quick: the server can begin before anything else."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

from ratchet.search.signals import handled_by

_FIRST = "ratchet.search.before_preload"
_LAST = ("ratchet.search.trial_process", "ratchet.search.preload")


class TrialServer:
    """The server of this process: multiprocessing keeps one."""

    def __init__(self) -> None:
        self._preload: tuple[str, ...] = ()
        self._warming: Connection | None = None

    @property
    def exists(self) -> bool:
        """Whether processes can be forked here; where not, they are spawned."""
        return "forkserver" in multiprocessing.get_all_start_methods()

    def begin(self, preload: Sequence[str]) -> None:
        """Let it begin its imports, which take seconds. One that still imports something else begins anew."""
        if not self.exists:
            return
        from multiprocessing import forkserver

        if self.warming is not None:
            if self._preload == tuple(preload):
                return
            self.leave()
        self._preload = tuple(preload)
        forkserver.set_forkserver_preload([_FIRST, *preload, *_LAST])
        # what it starts ignores Ctrl-C while it imports: that is between a person and the worker
        with importable(), handled_by(signal.SIG_IGN, signal.SIGINT):
            forkserver.ensure_running()
        forked, orders = forkserver.connect_to_new_process([])  # the first fork comes after the imports
        with os.fdopen(orders, "wb") as stream:
            stream.write(pickle.dumps({}) + pickle.dumps(_Probe()))
        self._warming = Connection(forked, writable=False)

    @property
    def warming(self) -> Connection | None:
        """What becomes readable when it has imported everything; None from then on, and before it began."""
        if self._warming is not None and self._warming.poll():
            self._warming.close()
            self._warming = None
        return self._warming

    def leave(self) -> None:
        """One that still imports would go on with it, and hold on to the terminal, after everybody has left."""
        if self.warming is None:
            return
        from multiprocessing import forkserver

        server: Any = forkserver._forkserver
        os.kill(server._forkserver_pid, signal.SIGKILL)
        server._stop()
        assert self._warming is not None
        self._warming.close()
        self._warming = None


SERVER = TrialServer()


class _Probe:
    """What multiprocessing takes for a process; it ends at once."""

    def _bootstrap(self, parent_sentinel: int) -> int:
        return 0


@contextmanager
def importable() -> Iterator[None]:
    """The server and what it forks find the modules that this process finds."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(
        dict.fromkeys(filter(None, [*sys.path, *(before or "").split(os.pathsep)]))
    )
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
