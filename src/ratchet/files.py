"""Files that are written whole or not at all, never through a link, and read only where they are files that end."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from ratchet.errors import FileError

if TYPE_CHECKING:
    from pydantic import BaseModel

Structure = TypeVar("Structure", bound="BaseModel")
DOCUMENT = 2**24  # bytes of a file that is read whole, at most: those written here are hundreds of times smaller
_KINDS = {stat.S_IFIFO: "named pipe", stat.S_IFSOCK: "socket", stat.S_IFCHR: "device", stat.S_IFBLK: "device",
          stat.S_IFDIR: "directory"}  # fmt: skip


def shown(path: Path) -> str:
    """A path as a person would type it here."""
    return min(str(path), os.path.relpath(path), key=len)


def open_regular(path: Path, *, limit: int = DOCUMENT) -> BinaryIO:
    """Open a file for reading, of at most `limit` bytes. Nothing is waited for: a pipe is refused, and no device read.

    Raises FileError for what is no such file, OSError as opening does.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "special file")
        raise FileError(f"{shown(path)} is a {kind} where a file is needed; type: ls -ldL {shlex.quote(shown(path))}")
    if status.st_size > limit:
        raise FileError(
            f"{shown(path)} has {status.st_size:,} bytes, and such a file at most {limit:,}: it is another one; "
            f"type: ls -lL {shlex.quote(shown(path))}"
        )
    return path.open("rb")


def read_text(path: Path, *, limit: int = DOCUMENT) -> str:
    """The text of a file of at most `limit` bytes.

    Raises FileError for what is no regular file of UTF-8, OSError as opening does.
    """
    with open_regular(path, limit=limit) as stream:
        content = stream.read()
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise FileError(f"{shown(path)} line {line} is no UTF-8 text: byte 0x{content[error.start]:02x}") from error


def read_json(path: Path) -> Any:
    """What a JSON file holds. Raises FileError for what is none, OSError as opening does."""
    text = read_text(path)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise FileError(f"{shown(path)} line {error.lineno} is no JSON: {error.msg}") from error
    except (ValueError, RecursionError) as error:  # an integer of thousands of digits; a thousand brackets
        raise FileError(f"{shown(path)} is no JSON that can be read: {error}") from error


def read_json_as(path: Path, kind: type[Structure], *, remedy: str = "") -> Structure:
    """A JSON file as a pydantic model.

    Raises FileError, which names the key that is wrong and ends in `remedy`, and OSError as opening does.
    """
    from pydantic import ValidationError

    with open_regular(path) as stream:
        content = stream.read()
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        told = f"{where}: {first['msg']}" if where else first["msg"]
        raise FileError(f"{shown(path)} is damaged or of another version ({told}){remedy and f'; {remedy}'}") from error


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


def append_lines(path: Path, *lines: str) -> None:
    """Add lines to a file of them, which is written whole. A last line that a kill has torn swallows none of them."""
    text = read_text(path) if path.is_file() else ""
    text += "" if text.endswith("\n") or not text else "\n"
    write_atomically(path, (text + "".join(f"{line}\n" for line in lines)).encode())


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


def not_a_file(path: Path) -> str | None:
    """Why there is no file at a path, in a few words that follow its name; None where there is one."""
    if path.is_file():
        return None
    if path.is_dir():
        return "is a directory where a file is needed"
    if path.is_symlink() and not path.exists():
        return f"is a link to {path.readlink()}, which is missing"
    return "is no regular file" if path.exists() else "is missing"


def not_a_directory(path: Path) -> str | None:
    """Describe what stands where a directory is needed; None if nothing is in the way."""
    if path.is_dir():
        return None
    return "is a file where a directory is needed" if path.exists() else "is missing"
