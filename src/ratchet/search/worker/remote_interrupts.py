"""Ctrl-C for workers that a launcher has placed."""

from __future__ import annotations

import queue
import signal
import threading
from contextlib import ExitStack, suppress

from ratchet.errors import Interrupted
from ratchet.search.worker.worker import Worker
from ratchet.terminal.command import to_end
from ratchet.terminal.signals import handled_by, inherited_blocked


class RemoteInterrupts:
    """Ctrl-C for workers that a launcher places, told through their study, wherever they are.

    Once: each finishes what it runs. Twice, SIGTERM or SIGHUP: that is ended. Three times: nobody waits for them. What
    is launched meanwhile does not hear a terminal's Ctrl-C itself: some launchers would end their workers at once.
    """

    def __init__(self, observer: Worker) -> None:
        self._observer = observer
        self.attribute = f"ratchet:orders:{observer.name}"
        self._given: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._count = 0
        self._stack = ExitStack()

    def __enter__(self) -> RemoteInterrupts:
        threading.Thread(target=self._write, daemon=True).start()  # signals come to it
        self._stack.enter_context(inherited_blocked(signal.SIGINT))
        self._stack.enter_context(handled_by(lambda number, _: self._give(number, self._count + 1), signal.SIGINT))
        self._stack.enter_context(handled_by(lambda number, _: self._give(number, max(2, self._count + 1)), *to_end()))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _give(self, number: int, count: int) -> None:
        self._count = max(self._count, count)
        if self._count > 2:
            raise Interrupted(number)
        self._observer.pool.set_interrupts(self._count, by=number)
        self._given.put(self._count)

    def _write(self) -> None:
        """Say and write the number of interrupts, in a thread: a signal may come while the storage is in use, or while
        something is being printed.
        """
        while True:
            count = self._given.get()
            self._observer.say(
                "no new trials; the workers finish what they run (Ctrl-C again ends that)"
                if count == 1
                else "the workers end what they run; the same command runs it again (Ctrl-C again: without waiting)"
            )
            with suppress(Exception):  # the storage may be away: the next Ctrl-C tries again
                for study in self._observer.studies:
                    study.study.set_user_attr(self.attribute, count)
