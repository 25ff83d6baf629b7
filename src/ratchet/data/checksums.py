"""Is a raw file the file that the config means?"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from pathlib import Path
from typing import IO

from ratchet.config.data_sections import RawFile
from ratchet.files import not_a_directory, not_a_file
from ratchet.pictures import checksum_of, pictures_in
from ratchet.pictures.folders import SUFFIXES, TEXTS

FOLDERS = {"pictures": SUFFIXES, "texts": TEXTS}  # the ends of the names of what is looked at in a folder


def checksum(path: Path, *, like: RawFile) -> str:
    """The checksum of the file at `path`, `algorithm:hex`, by the algorithm and the part that `like` names.

    Raises OSError, EOFError or zlib.error where the file, or what is packed in it, cannot be read to its end.
    """
    algorithm = like.checksum.partition(":")[0]
    if like.checksum_of in FOLDERS:
        return f"sha256:{checksum_of(path, pictures_in(path, FOLDERS[like.checksum_of]))}"
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with _open(path, like=like) as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return f"{algorithm}:{digest.hexdigest()}"


def _open(path: Path, *, like: RawFile) -> IO[bytes]:
    if like.checksum_of == "content":
        return gzip.open(path)  # type: ignore[return-value]
    return path.open("rb")


def absence(path: Path, *, like: RawFile) -> str | None:
    """Why there is no such file, or folder of pictures, in a few words that follow its name; None where there is."""
    return not_a_directory(path) if like.checksum_of in FOLDERS else not_a_file(path)


def size_of(path: Path, *, like: RawFile) -> tuple[int, int]:
    """How many files that is, and their bytes: one, or all of a folder's pictures or texts."""
    if like.checksum_of in FOLDERS:
        sizes = [each.st_size for each in pictures_in(path, FOLDERS[like.checksum_of]).values()]
        return len(sizes), sum(sizes)
    return 1, path.stat().st_size


def complaint(path: Path, *, like: RawFile) -> str | None:
    """What is wrong with the file at `path` in a few words; None when it is the file meant."""
    if (absent := absence(path, like=like)) is not None:
        return absent
    _, size = size_of(path, like=like)
    try:
        got = checksum(path, like=like)
    except (OSError, EOFError, zlib.error) as error:
        return f"cannot be read to its end ({size:,} bytes: {error})"
    if got != like.checksum:
        return f"has the checksum {got} ({size:,} bytes), expected {like.checksum}"
    return None
