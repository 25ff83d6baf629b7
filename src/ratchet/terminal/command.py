"""Runs a script's function so that a mistake ends in one clear line and the right exit status."""

from __future__ import annotations

import errno
import io
import os
import re
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

from ratchet.config.hints import to_type
from ratchet.errors import TO_SEE, Interrupted, RatchetError, failure, first_line, own_code, ran_out
from ratchet.redaction import redacted
from ratchet.terminal.signals import handled_by

BROKEN_PIPE = 141  # as shells report SIGPIPE
PATIENCE = 3  # signals to end after which a command ends at once, whatever it still has to write
DEBUG = "RATCHET_DEBUG"  # set: mistakes show their traceback too


def run_command(function: Callable[[list[str]], int | None], *, usage: str, failed: int = 1) -> None:
    """Call `function` with the command line and exit with what it returns (None is 0), `failed` after an error.

    A RatchetError, a full disk, a forbidden path and a signal to end (SIGINT, SIGTERM, SIGHUP) end in one line on
    stderr; the status of a signal is 128 and its number. `--debug`, or
    HYDRA_FULL_ERROR=1, adds the traceback. Any other exception is a bug and always shows it.
    """
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    if len(arguments) < len(sys.argv) - 1 or os.environ.get("HYDRA_FULL_ERROR") == "1":
        os.environ[DEBUG] = "1"
    if DEBUG not in os.environ:
        warnings.simplefilter("ignore")  # the libraries' own notices are not for this user
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that is not UTF-8 shows ? for what it lacks
            stream.reconfigure(errors="replace")
    outlive_reader(sys.stderr)
    if usage and {"-h", "--help"} & set(arguments):
        print(usage.strip())
        raise SystemExit(0)
    heard: list[int] = []
    try:
        with interruptible(heard):
            status = function(arguments) or 0
            sys.stdout.flush()
    except KeyboardInterrupt as error:
        status = _interrupted(error, error.number if isinstance(error, Interrupted) else signal.SIGINT)
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = BROKEN_PIPE
    except Exception as error:  # noqa: BLE001 - the last place that can say it
        if heard and one_line(error) is None:  # a signal's exception can come out as another one, of what it broke off
            status = _interrupted(error, heard[0])
        else:
            report(error)
            status = failed
    raise SystemExit(status)


def outlive_reader(stream: TextIO) -> None:
    """Let a stream lose its reader: a terminal that is closed, `tee` that hears the same Ctrl-C.

    What is written from then on goes nowhere, and the command ends as it should.
    """
    if not isinstance(stream, io.TextIOWrapper) or getattr(stream, "outlives", False):
        return
    for name in ("write", "flush"):
        setattr(stream, name, _unheard(stream, getattr(stream, name)))
    setattr(stream, "outlives", True)  # noqa: B010 - it has no such attribute of its own


def _unheard(stream: TextIO, method: Callable[..., Any]) -> Callable[..., Any]:
    def call(*text: str) -> Any:
        try:
            return method(*text)
        except OSError as error:
            if error.errno not in {errno.EPIPE, errno.EIO}:
                raise
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            return len(text[0]) if text else None

    return call


def _interrupted(error: BaseException, number: int) -> int:
    """Say it, and what was noted on the way. Returns the status."""
    ended = Interrupted(number)
    print("; ".join([ended.said, *getattr(error, "__notes__", [])]), file=sys.stderr)
    return ended.status


def to_end() -> list[signal.Signals]:
    """The signals, beside Ctrl-C, that ask a process to end: not SIGHUP where it is ignored, as nohup has it."""
    asked = [signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        asked.append(signal.SIGHUP)
    return asked


@contextmanager
def interruptible(heard: list[int]) -> Iterator[None]:
    """Meanwhile the first signal to end raises Interrupted; later ones leave the time to write what happened.

    `heard` gets them all. The third ends the process at once. SIGINT counts too where the process was started with it
    ignored, as a script's background jobs are; SIGHUP does not, for that is what nohup is for. Handlers stay as they
    are when an exception passes: the next signal must not meet the default while the command ends.
    """

    def hear(number: int, _: FrameType | None) -> None:
        heard.append(number)
        if len(heard) == 1:
            raise Interrupted(number)
        if len(heard) >= PATIENCE:
            os._exit(Interrupted(number).status)

    before = {number: signal.signal(number, hear) for number in (signal.SIGINT, *to_end())}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@contextmanager
def signals_later() -> Iterator[None]:
    """Hear a signal to end after this context, not within it: what is written there is written whole."""
    heard: list[int] = []
    try:
        with handled_by(lambda number, _: heard.append(number), signal.SIGINT, *to_end()):
            yield
    finally:
        for number in heard:
            signal.raise_signal(number)


def report(error: Exception) -> None:
    """Say on stderr what went wrong: one line for a mistake, the traceback for a bug or when it was asked for."""
    line = one_line(error)
    if line is None or DEBUG in os.environ:
        print(redacted("".join(traceback.format_exception(error))), end="", file=sys.stderr)
    if line is not None:
        print(f"error: {redacted(line)}", file=sys.stderr)


def _is_of_a_package(error: ModuleNotFoundError) -> bool:
    return (error.name or "").partition(".")[0] not in {"", "ratchet", "own", "hydra_plugins"}


def _environment() -> str:
    """What to type where a package is missing: the project's environment, if it is another one than this."""
    root = Path(__file__).resolve().parents[3]
    here = Path(sys.prefix).resolve() == (root / ".venv").resolve()
    if here or not (root / "Makefile").is_file():
        return "make setup"
    return "source .venv/bin/activate" if (root / ".venv" / "bin" / "activate").is_file() else "make setup"


def note_without_effect(overrides: Sequence[str], *, script: str, reads: str) -> None:
    """Say on stderr which of these valid overrides a script does not read: one that reads a single section."""
    for text in overrides:
        if text.lstrip("+~").partition("=")[0].partition(".")[0] not in {reads, "experiment", "debug", "params"}:
            print(f"note: {text} has no effect: {script} reads {reads} alone", file=sys.stderr)


def one_line(error: BaseException) -> str | None:  # noqa: PLR0911 - one for each kind
    """The line for a mistake that a person can mend; None for a bug."""
    if isinstance(error, RatchetError):
        return re.sub(r"\s*[\r\n]+\s*", " ", str(error)).strip()  # blanks inside of quotes are what was meant
    if isinstance(error, ModuleNotFoundError) and _is_of_a_package(error):
        return f"Python has no package {error.name} here ({sys.executable}); type: {_environment()}"
    if own_code(error) is not None:
        return f"{failure(error)}; {TO_SEE}"
    if ran_out(error) == "memory":
        said = f"out of memory ({first_line(error)}); allowed: what this machine's memory holds"
        return f"{said}; type: free -h, to see how much"
    if isinstance(error, RecursionError):
        return "a file or a value is nested too deeply to be read; type: the same with --debug, to see which"
    if isinstance(error, OSError):
        where = f" {error.filename}" if error.filename else ""
        if ran_out(error) == "disk":
            return f"the disk is full{where}; free some space (runs/ and wandb/ grow), then type the same command again"
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            return f"no permission to write{where}; type: {to_type('ls', '-ld', str(error.filename or '.'))}"
        if error.errno == errno.ENOENT and where:
            return f"there is no{where}, and it cannot be made; name another path"
        if error.errno in {errno.ENOTDIR, errno.EEXIST}:
            return f"there is a file where a directory is needed{where and ':'}{where}; name another directory"
    return None
