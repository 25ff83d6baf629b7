"""A folder of pictures as raw examples: decoded once, at the wanted size, into a memory map."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ratchet.config.data_sections import DataConfig
from ratchet.data.array_files import kept_rows, new_array
from ratchet.data.examples import SPLITS, Origin, RawExamples
from ratchet.pictures import decode_all, pictures_in, places

_QUIET = 5.0  # seconds before progress is shown, and between two lines where it is no terminal
_UNPLACED = "it lies in no folder of a class"


def read(directory: Path, config: DataConfig, *, scratch: Path) -> RawExamples:
    """The pictures of the one folder in `directory`, uint8 (n, channels, size, size), mapped from a file in `scratch`.

    Those of a test split come first, those of train last: of two that are the same the earlier one stays.
    """
    assert config.folder is not None
    assert config.shape is not None
    folder = directory / config.files[0].name
    of = places(pictures_in(folder))
    order: list[str | None] = [*reversed(SPLITS), None]
    placed = {name: place for name, place in of.items() if place.label is not None and place.label in config.classes}
    names = sorted(placed, key=lambda name: (order.index(placed[name].split), name))
    x = new_array(scratch / "pictures.npy", shape=(len(names), *config.shape), dtype="uint8")
    done = _progress(len(names), config.name)
    unreadable = decode_all([folder / name for name in names], x, fit=config.prepare.fit or "crop", done=done)
    kept = ~np.isin(np.arange(len(names)), list(unreadable))
    left = [name for name, stays in zip(names, kept, strict=True) if stays]
    splits = np.array([placed[name].split or "" for name in left], np.str_)
    return RawExamples(
        kept_rows(x, kept),
        np.array([placed[name].label for name in left], np.str_),
        published_test=splits == "test",
        place=lambda row: left[row],
        origin=Origin(ids=np.array(left, np.str_), splits=splits if splits.any() else None),
        unreadable={name: _UNPLACED for name, place in of.items() if place.label is None}
        | {names[row]: why for row, why in unreadable.items()},
    )


def _progress(total: int, name: str) -> Callable[[int], None]:
    """What is told how many pictures are decoded, and says so on stderr where it takes long."""
    begin = last = time.monotonic()
    live = sys.stderr.isatty()

    def done(count: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - begin < _QUIET or (count < total and now - last < (0.2 if live else _QUIET)):
            return
        last = now
        left = (now - begin) / count * (total - count)
        end = "\r" if live and count < total else "\n"
        print(f"{name}: {count:,} of {total:,} pictures, {left:.0f} s left ", end=end, file=sys.stderr, flush=True)

    return done
