"""Runs a script's function so that a mistake ends in one clear line and the right exit status."""

from __future__ import annotations

import errno
import os
import sys
import traceback
import warnings
from collections.abc import Callable

from ratchet.errors import RatchetError

INTERRUPTED = 130  # 128 + SIGINT, as shells report it


def run_command(function: Callable[[list[str]], int | None], *, usage: str) -> None:
    """Call `function` with the command line and exit with what it returns (None is 0).

    A RatchetError, a full disk, a forbidden path and Ctrl-C end in one line on stderr. `--debug`, or
    HYDRA_FULL_ERROR=1, adds the traceback. Any other exception is a bug and always shows it.
    """
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    show_traceback = len(arguments) < len(sys.argv) - 1 or os.environ.get("HYDRA_FULL_ERROR") == "1"
    if not show_traceback:
        warnings.simplefilter("ignore")  # the libraries' own notices are not for this user
    if usage and {"-h", "--help"} & set(arguments):
        print(usage.strip())
        raise SystemExit(0)
    try:
        raise SystemExit(function(arguments) or 0)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        raise SystemExit(INTERRUPTED) from None
    except Exception as error:
        line = one_line(error)
        if line is None:
            raise
        if show_traceback:
            traceback.print_exc()
        print(f"error: {line}", file=sys.stderr)
        raise SystemExit(1) from None


def one_line(error: BaseException) -> str | None:
    """The line for a mistake that a person can mend; None for a bug."""
    if isinstance(error, RatchetError):
        return " ".join(str(error).split())
    if isinstance(error, OSError):
        where = f" {error.filename}" if error.filename else ""
        if error.errno == errno.ENOSPC:
            return f"the disk is full{where}; free some space (runs/ and wandb/ grow), then type the same command again"
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            return f"no permission to write{where}; type: ls -ld{where or ' .'}"
    return None
