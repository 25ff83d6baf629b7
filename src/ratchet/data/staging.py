"""Work that lands whole or not at all: a scratch folder beside the target, and a rename at the end."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ratchet.errors import DataError, ran_out

_held: set[Path] = set()  # locks of this process: to take one again is no matter


@contextmanager
def scratch_beside(target: Path, *, keep: str | None = None) -> Iterator[Path]:
    """A folder on the same disk as `target`, empty at first, and gone when the block ends, however it ends.

    `keep` names a folder in it that outlives a block which fails, or whose process is killed: its files are there
    again in the next block for this target.
    """
    target = target.resolve()  # a target may be a link to another disk: a rename must not cross disks
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = target.parent / f".{target.name}.{os.getpid()}.partial"
    _take_over(target, folder, keep=keep)
    folder.mkdir(exist_ok=True)
    try:
        yield folder
    except BaseException:
        _reduce(folder, keep=keep)
        raise
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def one_process_at_a_time(lock: Path) -> Iterator[None]:
    """Wait, with a line that says so, until no other process holds `lock`, and hold it while the block runs.

    The kernel lets go of it when its process ends, however that is. A file system without locks has none.
    """
    if lock in _held:
        yield
        return
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a") as stream:
        with suppress(OSError):  # ENOLCK and the like
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                name = lock.stem.lstrip(".")
                print(f"waiting for another process, which fetches or prepares {name}", file=sys.stderr, flush=True)
                fcntl.flock(stream, fcntl.LOCK_EX)
        _held.add(lock)
        try:
            yield
        finally:
            _held.discard(lock)


def _take_over(target: Path, folder: Path, *, keep: str | None) -> None:
    """Make what an earlier process kept the beginning of `folder`; remove all else that such processes left."""
    for left in sorted(target.parent.glob(f".{target.name}.*.partial")):
        pid = left.name.split(".")[-2]
        if not pid.isdigit() or (int(pid) != os.getpid() and is_running(int(pid))):
            continue
        with suppress(FileNotFoundError):  # yet another process may take it over at this moment
            _reduce(left, keep=keep)
            if left.exists() and not folder.exists():
                left.rename(folder)
            elif left != folder:
                shutil.rmtree(left, ignore_errors=True)


def _reduce(folder: Path, *, keep: str | None) -> None:
    """Remove all but the folder `keep` in it; where that holds no file, everything."""
    kept = folder / keep if keep is not None else None
    if kept is None or not any(path.is_file() for path in kept.rglob("*")):
        shutil.rmtree(folder, ignore_errors=True)
        return
    for path in folder.iterdir():
        if path != kept:
            shutil.rmtree(path, ignore_errors=True)


def is_running(pid: int) -> bool:
    """Whether a process of this machine has this id."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # it runs and belongs to somebody else
    return True


def replace_directory(new: Path, target: Path) -> None:
    """Rename `new` to `target`. A directory already there is replaced, and stays if the rename fails.

    Of several processes that replace it at once the last one does.
    """
    target, old = target.resolve(), new.with_name(f"{new.name}.old.partial")
    while True:
        with suppress(FileNotFoundError):
            target.rename(old)
        try:
            new.rename(target)
        except BaseException as error:
            if isinstance(error, OSError) and error.errno in {errno.ENOTEMPTY, errno.EEXIST}:
                shutil.rmtree(old, ignore_errors=True)  # another process has just put its own there
                continue
            if old.exists():
                old.rename(target)
            raise
        shutil.rmtree(old, ignore_errors=True)
        return


@contextmanager
def storage_errors(path: Path, *, command: str) -> Iterator[None]:
    """Turn the operating system's refusals to write below `path` into one line that ends in what to type."""
    try:
        yield
    except OSError as error:
        raise DataError(f"{_refusal(error, path)}, then type: {command}") from error


def _refusal(error: OSError, path: Path) -> str:
    if ran_out(error) == "disk":
        return f"the disk is full: {path} was not written; free some space"
    where = error.filename or path
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"cannot write {where}: {error.strerror}; make {path} writable"
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return f"cannot write {where}: a file stands where a folder must be; move it away"
    if error.errno == errno.EISDIR:
        return f"cannot write {where}: a folder stands where a file must be; move it away"
    return f"cannot read or write {where}: {error.strerror or error}; see to it"
