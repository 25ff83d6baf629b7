"""The mistakes a person can mend. Each is printed as one line; a bug is any other exception."""

import errno
import os
import signal
import traceback
from pathlib import Path
from typing import Literal

TO_SEE = "type: the same with --debug, for the traceback"


class RatchetError(Exception):
    """Something the user can put right. The message says what was got, what is allowed and what to type."""


class FileError(RatchetError, ValueError):
    """A file is no regular one, too large, no text, or not of the structure that its name stands for."""


class ConfigError(RatchetError):
    """The configuration cannot be composed, or asks for something that is not allowed."""


class DataError(RatchetError):
    """Raw or prepared data is missing, damaged, or belongs to another configuration."""


class SplitGuardError(RatchetError):
    """A reader asked for a split of the data that it may never see."""


class CheckpointError(RatchetError):
    """A checkpoint is missing, damaged, or belongs to another model."""


class EvidenceError(RatchetError):
    """Numbers that cannot be compared: none, not finite, or of tables that do not fit together."""


class TrainingError(RatchetError):
    """Training cannot go on: the loss is no longer finite, or memory or disk ran out."""


class NonFiniteLossError(TrainingError):
    """The loss or the objective is NaN or infinite."""


class OutOfMemoryError(TrainingError):
    """The machine's memory, or the device's, is too small."""


class TrialTimeout(KeyboardInterrupt):
    """The time that a search gives a trial is over; the trial hears of it as of Ctrl-C."""


class TrialPruned(BaseException):
    """The pruner's verdict, inside a trial. No Exception: a task that catches those ends all the same."""


class Interrupted(KeyboardInterrupt):
    """A signal asked the process to end: Ctrl-C, a closed terminal, or whoever ends processes."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = signal.Signals(number)

    @property
    def said(self) -> str:
        """What a person reads of it."""
        return "interrupted" if self.number == signal.SIGINT else f"ended by {self.number.name}"

    @property
    def status(self) -> int:
        """The exit status, as shells report a signal."""
        return 128 + self.number


def first_line(error: object) -> str:
    """The first line of what an exception says that has something in it, else the name of its class."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def own_code(error: BaseException) -> str | None:
    """Return the file and line of src/own that an exception came through; None without one."""
    frames = traceback.extract_tb(error.__traceback__)
    inside = [frame for frame in frames if "own" in Path(frame.filename).parts[-3:-1]]
    return f"{os.path.relpath(inside[-1].filename)} line {inside[-1].lineno}" if inside else None


def failure(error: BaseException) -> str:
    """The class of an exception, its place in src/own where it has been there, and what it says."""
    place = own_code(error)
    where = f" in your code, {place}" if place else ""
    said = " ".join(str(error).split())[:200]
    return f"{type(error).__name__}{where}" + (f": {said}" if said else "")


_MEMORY = ("allocate memory", "out of memory", "not enough memory", "ALLOC_FAILED", "size calculation overflowed")
_DISK = ("No space left on device", "file write failed", "Disk quota exceeded")


def ran_out(error: BaseException) -> Literal["memory", "disk"] | None:
    """What there was too little of. Python, numpy, torch and the system each have an exception of their own for it."""
    number = error.errno if isinstance(error, OSError) else None
    words = str(error) if isinstance(error, RuntimeError) else ""  # torch has no class for these
    named = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    if named or number == errno.ENOMEM or any(each in words for each in _MEMORY):
        return "memory"
    if isinstance(error, OSError) and number is None and "requested and" in str(error):
        return "disk"  # np.save says how much it could write, and not why
    if number in {errno.ENOSPC, errno.EDQUOT} or any(each in words for each in _DISK):
        return "disk"
    return None
