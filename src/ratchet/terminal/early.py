"""The first thing that a script imports: from here on a signal to end is one line and its status, no traceback.

What Python does before it runs a script's first line says so in Python's own words. run_command() takes over.
"""

import os
import signal
from types import FrameType

from ratchet.errors import Interrupted


def _end(number: int, _: FrameType | None) -> None:
    """End at once: nothing has begun that would have to be put in order."""
    ended = Interrupted(number)
    os.write(2, f"{ended.said}\n".encode())
    os._exit(ended.status)


for _name in ("SIGINT", "SIGTERM", "SIGHUP"):
    _number = getattr(signal, _name, None)
    if _number is not None and signal.getsignal(_number) in {signal.SIG_DFL, signal.default_int_handler}:
        signal.signal(_number, _end)
