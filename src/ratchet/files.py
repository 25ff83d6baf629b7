"""Files that are written whole or not at all, and never through a link."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def write_atomically(path: Path, content: bytes) -> None:
    """Write beside `path`, flush to disk, rename into place: a crash or a full disk leaves the old file."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def unlink_from_others(path: Path) -> None:
    """Make a file that is about to be written in place a file of its own.

    DVC may have linked it to its cache (cache.type hardlink or symlink), read-only: what is written into it would
    change the object that other places share. Does nothing where there is no such file, or it is nobody else's.
    """
    if not path.is_file():
        return
    status = path.lstat()
    if status.st_nlink == 1 and not path.is_symlink() and status.st_mode & 0o200:
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        shutil.copyfile(path, temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
