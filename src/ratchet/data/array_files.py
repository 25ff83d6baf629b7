"""Arrays written piece by piece, so that neither memory nor a full disk is a surprise."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.lib import format as npy

from ratchet.files import open_regular

_ROWS = 256  # moved at a time


class Digest(Protocol):
    """Protocol of a hashlib hash object."""

    def update(self, data: memoryview, /) -> None:
        """Add bytes to the hash."""


class Digests:
    """Several digests that take in the same bytes."""

    def __init__(self, *digests: Digest) -> None:
        self._digests = digests

    def update(self, data: memoryview, /) -> None:
        """Add bytes to the hash."""
        for digest in self._digests:
            digest.update(data)


def write_array(
    path: Path, *, pieces: Iterable[np.ndarray], shape: tuple[int, ...], dtype: str, digest: Digest | None = None
) -> None:
    """Write `pieces`, which follow each other along the first axis, as one .npy file of `shape` and `dtype`.

    digest takes in the array's bytes (without the header). Raises OSError where the disk is full: unlike
    np.save and a writable memory map, which say nothing of the cause or end the process.
    """
    with path.open("wb") as file:
        header = {"descr": npy.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
        npy.write_array_header_1_0(file, header)
        for piece in pieces:
            data = np.ascontiguousarray(piece, dtype).reshape(-1).view(np.uint8).data
            if digest is not None:
                digest.update(data)
            file.write(data)


def kept_rows(array: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """The rows of an array that are kept, (n,) bool: of a memory map moved together in place, so that none are copied.

    Nobody reads the map that it was given any more.
    """
    if kept.all():
        return array
    if not isinstance(array, np.memmap):
        only: np.ndarray = array[kept]
        return only
    rows = np.flatnonzero(kept)
    for start in range(0, len(rows), _ROWS):
        part = rows[start : start + _ROWS]
        array[start : start + len(part)] = array[part]
    return array[: len(rows)]


def new_array(path: Path, *, shape: tuple[int, ...], dtype: str) -> np.memmap:
    """A .npy file to be filled, memory-mapped. Its room is taken at once: OSError where the disk has too little."""
    array: np.memmap = npy.open_memmap(path, mode="w+", dtype=np.dtype(dtype), shape=shape)
    if hasattr(os, "posix_fallocate"):  # a full disk would end the process later
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array


def load_array(path: Path) -> np.memmap:
    """The array of a .npy file, memory-mapped. Raises OSError, FileError or ValueError for anything else."""
    with open_regular(path, limit=sys.maxsize) as stream:
        npy.read_magic(stream)  # np.load() opens archives too
    array: np.memmap = np.load(path, mmap_mode="r", allow_pickle=False)
    return array
