"""The process that trials are forked from. To import this is quick: the server can begin before anything else."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection

from ratchet.terminal.signals import blocked

_FIRST = "ratchet.search.processes.before_preload"
_LAST = ("ratchet.search.processes.trial_process", "ratchet.search.processes.after_preload")


class TrialServer:
    """The server of this process: multiprocessing keeps one. Who begins it leaves it too; threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._users = 0
        self._preload: tuple[str, ...] = ()
        self._names: frozenset[str] = frozenset()  # of its environment
        self._probe: Connection | None = None
        self.begun = False  # and not ended: processes can be forked from it, at the latest when it has imported all

    @property
    def exists(self) -> bool:
        """Whether processes can be forked here; where not, they are spawned."""
        return "forkserver" in multiprocessing.get_all_start_methods()

    def begin(self, preload: Sequence[str]) -> None:
        """Let it begin its imports, which take seconds. One that still imports something else begins anew."""
        with self._lock:
            self._users += 1
            if not self.exists:
                return
            if self.warming is not None:
                if self._preload == tuple(preload):
                    return
                self.end()
            try:
                self._begin(tuple(preload))
            except BaseException:
                self.end()
                raise

    def _begin(self, preload: tuple[str, ...]) -> None:
        from ratchet.compat import forkserver

        self._preload, self._names = preload, frozenset(os.environ)
        atexit.register(self.end)  # one that still imports would go on, and hold the terminal, after its user has gone
        # It never hears Ctrl-C, which is between a person and the worker: it inherits that the signal is blocked. Here
        # the signal waits until it is let in again. The tracker is begun before: it would let the signal in.
        forkserver.begin_tracker()
        with importable(), blocked(signal.SIGINT):
            forkserver.begin([_FIRST, *preload, *_LAST])
        self._probe, self.begun = forkserver.probe(), True

    @property
    def warming(self) -> Connection | None:
        """What becomes readable when it has imported everything; None from then on, and before it began."""
        with self._lock:
            if self._probe is not None and self._probe.poll():
                self._probe = None  # not closed: another thread may wait for it
            return self._probe

    def leave(self) -> None:
        """Give up the server. Its last user ends it where it still imports: it would hold the terminal."""
        with self._lock:
            self._users = max(0, self._users - 1)
            if not self._users and self.warming is not None:
                self.end()

    def end(self) -> None:
        """End it, whatever it does; what is asked of it next begins it anew."""
        from ratchet.compat import forkserver

        with self._lock:
            if forkserver.process_id() is not None:
                forkserver.end()
            self._probe, self.begun = None, False

    def kill(self) -> None:
        """End it from a signal's handler, for a process that ends now: nothing is locked or waited for."""
        from ratchet.compat import forkserver

        forkserver.kill()

    def environment(self) -> dict[str, str | None]:
        """What a process of the server has to set in its environment, or None: to remove, to have this one's."""
        removed = dict.fromkeys(self._names - os.environ.keys())
        return {**removed, **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"}}


SERVER = TrialServer()


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
