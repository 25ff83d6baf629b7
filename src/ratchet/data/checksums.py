"""Is a raw file the file that the config means?"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from pathlib import Path
from typing import IO

from ratchet.config.data_sections import RawFile
from ratchet.files import not_a_file


def checksum(path: Path, *, like: RawFile) -> str:
    """The checksum of the file at `path`, `algorithm:hex`, by the algorithm and the part that `like` names.

    Raises OSError, EOFError or zlib.error where the file, or what is packed in it, cannot be read to its end.
    """
    algorithm = like.checksum.partition(":")[0]
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with _open(path, like=like) as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return f"{algorithm}:{digest.hexdigest()}"


def _open(path: Path, *, like: RawFile) -> IO[bytes]:
    if like.checksum_of == "content":
        return gzip.open(path)  # type: ignore[return-value]
    return path.open("rb")


def complaint(path: Path, *, like: RawFile) -> str | None:
    """What is wrong with the file at `path` in a few words; None when it is the file meant."""
    if (absent := not_a_file(path)) is not None:
        return absent
    size = path.stat().st_size
    try:
        got = checksum(path, like=like)
    except (OSError, EOFError, zlib.error) as error:
        return f"cannot be read to its end ({size:,} bytes: {error})"
    if got != like.checksum:
        return f"has the checksum {got} ({size:,} bytes), expected {like.checksum}"
    return None
