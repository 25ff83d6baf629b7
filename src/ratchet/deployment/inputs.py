"""Raw examples from a file, a batch at a time: rows of a table, or arrays."""

from __future__ import annotations

import shutil
import sys
import tempfile
import zlib
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np

from ratchet.config.schema import Config
from ratchet.config.tables import settings_of
from ratchet.data.table_file import texts_of
from ratchet.data.transform import Transform
from ratchet.errors import DataError, first_line
from ratchet.files import not_a_file
from ratchet.names import listed, nearest, short
from ratchet.pictures import decode_all, is_a_picture, pictures_in
from ratchet.tables import TableError
from ratchet.tables.columns import text_column
from ratchet.tables.reading import read_frames
from ratchet.texts import Ragged

_ROWS = 8192  # of a table at a time
_VALUES = 2**24  # of arrays at a time
_PICTURES = 256  # at a time
_ARRAYS = (".npy", ".npz")
_TABLES = (".csv", ".tsv", ".txt", ".gz", ".parquet", ".pq", ".jsonl", ".ndjson")


class Batch(NamedTuple):
    """Examples that follow each other."""

    ids: list[str] | list[int]  # texts of the id column, else the numbers of the rows from 1
    x: np.ndarray | Ragged  # float32 (n, *shape), as the network takes them; texts as tokens


@dataclass
class Inputs:
    """What there is to predict. notes: what a person should know of it, with counts; filled while it is read."""

    path: Path
    config: Config
    transform: Transform
    name: str  # for a person
    notes: Counter[str] = field(default_factory=Counter)

    def batches(self) -> Generator[Batch]:
        """Every example in its order. Raises DataError for what the model cannot be given."""
        of_pictures = self.config.data.folder is not None and self.path.suffix.lower() not in _ARRAYS
        of_rows = self._texts if self.transform.text else self._rows if self.transform.table else None
        found = of_rows() if of_rows else self._pictures() if of_pictures else self._arrays()
        if (first := next(found, None)) is None:
            raise DataError(f"{self.name} holds no {'rows' if of_rows else 'examples'}; add some")
        with closing(found):
            yield first
            yield from found

    def _rows(self) -> Generator[Batch]:
        table, transform = self.config.data.table, self.transform.table
        assert table is not None
        assert transform is not None
        known = {*table.target, *table.ignore, table.id, table.group, table.split}
        known |= {rule.column.name for rule in transform.rules}
        texts = [rule.column.name for rule in transform.rules if rule.column.kind == "category"]
        settings = settings_of(table.model_dump())
        with closing(read_frames(self.path, settings, rows=_ROWS, texts=texts)) as frames:
            for frame in frames:
                if not len(frame):
                    continue
                if beside := [str(name) for name in frame.columns if name not in known]:
                    self.notes[f"the model takes nothing from {_columns(beside)}"] = 0
                try:
                    rows = frame.drop(columns=[*table.target], errors="ignore")
                    x, surprises = self.transform.of_frame(rows, where=self.name)
                except TableError as error:  # it ends in settings of data=table, which are no help here
                    told = str(error.said[0]).rpartition("; ")[0]
                    raise DataError(f"{told}; mend it, or leave the cell empty for a gap") from error
                self.notes.update(surprises)
                yield Batch(self._ids(frame, table.id), x)

    def _texts(self) -> Generator[Batch]:
        table = self.config.data.texts
        assert table is not None
        assert table.text is not None
        with closing(read_frames(self.path, settings_of(table.model_dump()), rows=_ROWS, texts=[table.text])) as frames:
            for frame in frames:
                if len(frame):
                    tokens, surprises = self.transform.of_texts(texts_of(frame, table.text, self.name))
                    self.notes.update(surprises)
                    yield Batch(self._ids(frame, table.id), tokens)

    def _ids(self, frame: object, name: str | None) -> list[str] | list[int]:
        import pandas as pd

        assert isinstance(frame, pd.DataFrame)
        if name is not None and name in frame.columns:
            return text_column(frame[name], self.name, gaps=True).tolist()  # type: ignore[no-any-return]
        if name is not None:
            self.notes[f"there is no column {short(name)}, so ids are the numbers of the rows"] = 0
        return [int(row) + 1 for row in frame.index]

    def _pictures(self) -> Generator[Batch]:
        shape = self.transform.shape
        assert shape is not None
        folder = self.path if self.path.is_dir() else self.path.parent
        names = list(pictures_in(folder)) if self.path.is_dir() else [self.path.name]
        unread: list[str] = []
        at_once = max(1, min(_PICTURES, _VALUES // prod(shape)))
        for start in range(0, len(names), at_once):
            some = names[start : start + at_once]
            x = np.empty((len(some), *shape), np.uint8)
            fit = self.config.data.prepare.fit or "crop"
            wrong = decode_all([folder / name for name in some], x, fit=fit, done=lambda _: None)
            unread += [f"{some[row]} ({why})" for row, why in wrong.items()]
            kept = [row for row in range(len(some)) if row not in wrong]
            if kept:
                yield Batch([some[row] for row in kept], self.transform.of_arrays(x[kept], where=self.name))
        if unread:
            self.notes[f"left out, as they cannot be read: {len(unread):,}, such as {unread[0]}"] = 0

    def _arrays(self) -> Generator[Batch]:
        x, ids = _loaded(self.path, self.name)
        assert self.transform.shape is not None
        rows = max(1, min(_ROWS, _VALUES // prod(self.transform.shape)))
        for start in range(0, len(x), rows):
            piece = np.asarray(x[start : start + rows])
            named = range(start + 1, start + len(piece) + 1) if ids is None else ids[start : start + rows].tolist()
            yield Batch(list(named), self.transform.of_arrays(piece, where=self.name, first=start))


@contextmanager
def open_inputs(given: str, config: Config, transform: Transform) -> Iterator[Inputs]:
    """The file that `input=` names; `-`: standard input, csv, which is copied to the disk first. Raises DataError."""
    kinds = _ARRAYS if transform.table is None and transform.text is None else _TABLES
    pictures = config.data.folder is not None
    with tempfile.TemporaryDirectory(prefix="ratchet-") as folder:
        path, name = (Path(folder) / "input.csv", "standard input") if given == "-" else (Path(given), given)
        suits = path.suffix.lower() in kinds or (pictures and (path.is_dir() or is_a_picture(path.name)))
        if (path.exists() or given == "-") and not suits:
            what = "is a table" if kinds is _TABLES else f"holds arrays of the shape {list(transform.shape or ())}"
            allowed = ".csv, .csv.gz, .parquet, .jsonl" if kinds is _TABLES else ".npy, or .npz with an array x"
            where = "" if path.is_file() or given == "-" else f", which {not_a_file(path)}"
            allowed = f"a folder of pictures, a picture, or a file {allowed}" if pictures else f"a file {allowed}"
            raise DataError(f"input={given}{where}: {config.data.name} {what}; allowed: {allowed}")
        if given == "-":
            with path.open("wb") as spooled:
                shutil.copyfileobj(sys.stdin.buffer, spooled)
        elif not path.is_dir() and (wrong := not_a_file(path)):
            beside = sorted(each.name for each in path.parent.glob("*") if each.suffix in kinds)
            near = nearest(path.name, beside)
            hint = (
                f"nearest: {near[0]}; type: input={path.with_name(near[0])}" if near else f"there is: {listed(beside)}"
            )
            raise DataError(f"input={given} {wrong}; {hint}")
        yield Inputs(path, config, transform, name)


def _loaded(path: Path, name: str) -> tuple[np.ndarray, np.ndarray | None]:
    """The array and the ids of an .npy or .npz file. Raises DataError."""
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
        ids = None
        if path.suffix.lower() == ".npz":
            if "x" not in found:
                raise ValueError(f"it holds {listed(found)}, and no array called x")
            found, ids = found["x"], found.get("ids")
        if ids is not None and ids.shape != (len(found),):
            raise ValueError(f"it holds {len(found)} examples and ids {list(ids.shape)}")
    except (OSError, ValueError, EOFError, BadZipFile, zlib.error) as error:
        raise DataError(f"{name} cannot be read as arrays: {first_line(error)}; write it by numpy.save") from error
    if not found.ndim:
        raise DataError(f"{name} holds a single number; allowed: an array of examples")
    return found, ids


def _columns(names: list[str]) -> str:
    return f"column {short(names[0])}" if len(names) == 1 else f"{len(names)} columns: {listed(map(short, names))}"
