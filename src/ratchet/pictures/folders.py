"""A folder of pictures: which files it has, one checksum for all of them, and the class and the split of each."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff")
TEXTS: Final = (".txt",)
SPLIT_NAMES: Final = {
    "train": "train", "training": "train", "val": "validation", "valid": "validation", "validation": "validation",
    "confirm": "confirm", "test": "test", "testing": "test",
}  # fmt: skip

Listed = dict[str, os.stat_result]  # of a picture's path within the folder, with / between its parts


class Place(NamedTuple):
    """Where a picture belongs by its path."""

    label: str | None  # None: it lies in no folder of a class
    split: str | None  # None where the folder does not say


def is_a_picture(name: str) -> bool:
    """Whether a file's name is that of a picture."""
    return not name.startswith(".") and name.lower().endswith(SUFFIXES)


def holds_pictures(folder: Path) -> bool:
    """Whether there is a picture in a folder, or in one of those in it."""
    return folder.is_dir() and any(is_a_picture(each.name) for each in (*folder.glob("*"), *folder.glob("*/*")))


def pictures_in(folder: Path, suffixes: tuple[str, ...] = SUFFIXES) -> Listed:
    """Every picture, or file whose name ends so, at any depth of a folder, in the order of names; hidden ones are none.

    Links are followed, but for those that lead in a circle. Raises OSError for a folder that cannot be read.
    """
    return dict(sorted(_walk(folder, "", frozenset(), suffixes)))


def _walk(
    folder: Path, prefix: str, above: frozenset[tuple[int, int]], suffixes: tuple[str, ...]
) -> Iterator[tuple[str, os.stat_result]]:
    own = folder.stat()
    if (own.st_dev, own.st_ino) in above:
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                yield from _walk(
                    folder / entry.name, f"{prefix}{entry.name}/", above | {(own.st_dev, own.st_ino)}, suffixes
                )
            elif entry.name.lower().endswith(suffixes) and entry.is_file():
                yield prefix + entry.name, entry.stat()


def checksum_of(folder: Path, names: Iterable[str]) -> str:
    """Sha256 (hex) over the names and contents of pictures: the same in whatever order they are listed."""
    lines = []
    for name in names:
        with (folder / name).open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
        lines.append(f"{content} {name}\n".encode("utf-8", "surrogateescape"))
    return hashlib.sha256(b"".join(sorted(lines))).hexdigest()


def places(names: Iterable[str]) -> Mapping[str, Place]:
    """The class and the split of each picture: <class>/..., or <split>/<class>/... where there is a folder train.

    A folder train that holds pictures itself is a class.
    """
    paths = {name: name.split("/") for name in names}
    splits = _has_splits(paths.values())
    found = {}
    for name, parts in paths.items():
        split = SPLIT_NAMES.get(parts[0].lower()) if splits else None
        within = parts if split is None else parts[1:]
        found[name] = Place(within[0] if len(within) > 1 else None, split)
    return found


def stray_picture(names: Iterable[str]) -> str | None:
    """A picture beside the folders of classes in a folder train, where another split has such folders too; or None."""
    split_of = {name: SPLIT_NAMES.get(name.split("/")[0].lower()) for name in names}
    beside = [name for name, split in split_of.items() if split == "train" and name.count("/") == 1]
    deeper = {split for name, split in split_of.items() if split is not None and name.count("/") > 1}
    return min(beside) if beside and "train" in deeper and len(deeper) > 1 else None


def _has_splits(paths: Iterable[list[str]]) -> bool:
    train = [path for path in paths if SPLIT_NAMES.get(path[0].lower()) == "train"]
    return bool(train) and all(len(path) > 2 for path in train)
