"""What a signal does for a while."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType

Handler = Callable[[int, FrameType | None], object] | signal.Handlers


@contextmanager
def handled_by(handler: Handler, *signals: signal.Signals) -> Iterator[None]:
    """Meanwhile these signals go to `handler`; outside of the main thread they are somebody else's."""
    try:
        before = {number: signal.signal(number, handler) for number in signals}
    except ValueError:
        yield
        return
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


@contextmanager
def blocked(number: signal.Signals) -> Iterator[None]:
    """This thread hears a signal afterwards, not meanwhile; what it starts meanwhile does not hear it at all."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def inherited_blocked(number: signal.Signals) -> Iterator[None]:
    """Processes that the main thread starts meanwhile do not hear a signal; another thread of this one has to."""
    if current_thread() is not main_thread():
        yield
        return
    with blocked(number):
        yield
