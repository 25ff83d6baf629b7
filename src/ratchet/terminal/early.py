"""The first thing that a script imports: from here on a signal to end is one line and its status, no traceback.

What Python does before it runs a script's first line says so in Python's own words. run_command() takes over.
"""

import _signal as signal  # type: ignore[import-not-found] # the module signal itself takes milliseconds to import
import atexit
import os

_NAMES = {getattr(signal, name): name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)}


def _end(number: int, _: object) -> None:
    """End at once: nothing has begun that would have to be put in order."""
    said = "interrupted" if number == signal.SIGINT else f"ended by {_NAMES[number]}"
    try:
        os.write(2, f"{said}\n".encode())
    finally:  # also where nobody reads it any more
        os._exit(128 + number)


def _too_late() -> None:
    """Python takes itself apart, and everything else is done: a signal would end that without a word."""
    for number in _NAMES:
        signal.signal(number, signal.SIG_IGN)


for _number in _NAMES:
    if signal.getsignal(_number) in {signal.SIG_DFL, signal.default_int_handler}:
        signal.signal(_number, _end)
atexit.register(_too_late)  # the first to be registered is the last to be called
