"""Ctrl-C for workers that a launcher has placed, where the storage that brings it to them fails."""

from __future__ import annotations

import os
import signal
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from ratchet.errors import Interrupted, RatchetError
from ratchet.search.worker.remote_interrupts import RemoteInterrupts


@pytest.fixture
def observer() -> Any:
    """Its storage fails the first time, and notes what it is given from then on."""
    written: list[int] = []
    done = threading.Semaphore(0)

    def write(_: str, count: int) -> None:
        written.append(count)
        done.release()
        if len(written) == 1:
            raise RatchetError("the storage has not answered for 60 seconds")

    study = SimpleNamespace(study=SimpleNamespace(set_user_attr=write))
    return SimpleNamespace(
        name="observer", studies=[study], written=written, done=done,
        pool=SimpleNamespace(set_interrupts=lambda *_, **__: None), say=lambda _: None,
    )  # fmt: skip


def test_ctrl_c_is_heard_again_after_a_storage_that_failed(observer: Any) -> None:
    with RemoteInterrupts(observer) as orders:
        for count in (1, 2):
            orders._give(signal.SIGINT, count)
            assert observer.done.acquire(timeout=10)
    assert observer.written == [1, 2]


def test_whoever_asks_twice_to_end_is_not_made_to_wait(observer: Any) -> None:
    with RemoteInterrupts(observer):
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(Interrupted):
            os.kill(os.getpid(), signal.SIGTERM)
