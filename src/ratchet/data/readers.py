"""Readers: from the raw files of a data set to its examples.

A reader is any function `reader(directory: Path) -> RawExamples`; conf/data names it by its dotted path.
None of them unpickles: a raw file cannot run code.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ratchet.config.data_sections import DataConfig
from ratchet.data import picture_folder, table_file
from ratchet.data.examples import RawExamples
from ratchet.dotted import function_of_data
from ratchet.errors import ConfigError, DataError, failure
from ratchet.names import short

Reader = Callable[[Path], RawExamples]

_SEPARATORS = {"semicolons": ";", "tabs": "\t", "vertical bars": "|", "blanks": " "}
# The types of the idx format: http://yann.lecun.com/exdb/mnist/
_IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read(config: DataConfig, *, directory: Path, scratch: Path | None = None) -> RawExamples:
    """The examples in `directory`, by the reader that the config names. Pictures are decoded into a file in `scratch`.

    Raises ConfigError where there is no such reader, DataError where it cannot read what is there.
    """
    try:
        if config.table is not None:
            return table_file.read(directory, config)
        if config.folder is not None:
            return picture_folder.read(directory, config, scratch=scratch or directory)
        reader: Reader = function_of_data(config.reader, setting="data.reader")
        return _checked(reader(directory), config)
    except ImportError as error:
        raise ConfigError(
            f"data.reader={config.reader} needs a package: {error}; type: pip install {error.name}"
        ) from error
    except (OSError, EOFError, ValueError, KeyError, IndexError, zlib.error, csv.Error) as error:
        raise DataError(
            f"{config.reader} cannot read {directory}: {failure(error)}; "
            f"type: python src/fetch.py {config.typed}, or mend the reader"
        ) from error


def _checked(found: object, config: DataConfig) -> RawExamples:
    if not isinstance(found, RawExamples):
        raise DataError(
            f"{config.reader} returned {type(found).__name__}; allowed: RawExamples of ratchet.data.examples"
        )
    return found


def arrays(directory: Path) -> RawExamples:
    """x.npy (n, *shape) and y.npy (n,); with x_test.npy and y_test.npy where a test split was published."""
    x, y = (_load(directory / f"{name}.npy") for name in ("x", "y"))
    if not (directory / "x_test.npy").exists():
        return RawExamples(x, y)
    return _with_test(x, y, *(_load(directory / f"{name}.npy") for name in ("x_test", "y_test")))


def idx(directory: Path) -> RawExamples:
    """MNIST's files: {train,t10k}-images-idx3-ubyte and {train,t10k}-labels-idx1-ubyte, each plain or .gz."""
    names = [
        f"{part}-{content}" for part in ("train", "t10k") for content in ("images-idx3-ubyte", "labels-idx1-ubyte")
    ]
    return _with_test(*(_load_idx(directory / name) for name in names))


def table(directory: Path) -> RawExamples:
    """Comma-separated files, plain or .gz: a row is an example, its last cell the label (index or name).

    All *.csv files are read, in the order of their names; one named test.csv is the published test split. A
    first row without a single number in front of the label is a header. A cell that is no number is read as
    NaN. Rows may differ in length: cleaning removes those that do not fit. Raises DataError where the cells are
    separated by something else than commas.
    """
    files = sorted(file for file in directory.iterdir() if file.name.endswith((".csv", ".csv.gz")))
    if not files:
        raise DataError(f"there is no .csv file in {directory}")
    x: list[np.ndarray] = []
    y: list[str] = []
    from_test: list[bool] = []
    counts: list[int] = []
    for file in files:
        rows = _rows(file).cells
        x.extend(np.array([_number(cell) for cell in row[:-1]], np.float32) for row in rows)
        y.extend(row[-1].strip() for row in rows)
        from_test.extend([file.name.startswith("test.csv")] * len(rows))
        counts.append(len(rows))
    published = np.array(from_test, bool)
    place = partial(_place, files=files, counts=counts)
    return RawExamples(x, np.array(y, np.str_), published if published.any() else None, place)


def _with_test(x: np.ndarray, y: np.ndarray, x_test: np.ndarray, y_test: np.ndarray) -> RawExamples:
    for part, xs, ys in (("training", x, y), ("test", x_test, y_test)):
        if len(xs) != len(ys):
            raise DataError(f"the {part} part has {len(xs):,} examples and {len(ys):,} labels; it needs one each")
    return RawExamples(
        np.concatenate([x, x_test]),
        np.concatenate([y, y_test]),
        np.repeat([False, True], [len(x), len(x_test)]),
    )


def _load(path: Path) -> np.ndarray:
    with path.open("rb") as file:
        array: np.ndarray = np.load(file, allow_pickle=False)
    if array.ndim == 0:
        raise DataError(f"{path} holds a single number; it must hold one entry for each example")
    return array


def _content(path: Path) -> bytes:
    """What is in the file at `path`, unpacked; in its .gz where there is no such file."""
    if path.suffix != ".gz" and path.exists():
        return path.read_bytes()
    with gzip.open(path if path.suffix == ".gz" else path.with_name(f"{path.name}.gz")) as file:
        return file.read()


def _load_idx(path: Path) -> np.ndarray:
    """The array in an idx file. Raises DataError where it is no idx file, or a part of one."""
    content = _content(path)
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _IDX_TYPES:
        raise DataError(f"{path} is no idx file: it begins with 0x{content[:4].hex()}")
    dtype, start = np.dtype(_IDX_TYPES[content[2]]), 4 + 4 * content[3]
    shape = np.frombuffer(content[4:start].ljust(start - 4, b"\0"), ">u4").astype(int)
    expected = start + int(shape.prod()) * dtype.itemsize
    if len(content) != expected:
        raise DataError(f"{path} holds {len(content):,} bytes, but by its header {expected:,}")
    return np.frombuffer(content, dtype, offset=start).reshape(shape)


class _Rows(NamedTuple):
    """The rows of a table, without empty ones, and what its header calls the columns."""

    cells: list[list[str]]
    lines: list[int]  # of the file, where each row begins
    header: list[str] | None


def _rows(path: Path) -> _Rows:
    text = io.StringIO(_content(path).decode("utf-8-sig"), newline="")  # a quoted cell may hold line ends
    reader = csv.reader(text)
    cells, lines, begins = [], [], 1
    for row in reader:
        if row:
            cells.append(row)
            lines.append(begins)
        begins = reader.line_num + 1
    _require_commas(cells, path)
    if cells and all(np.isnan(_number(cell)) for cell in cells[0][:-1]):
        return _Rows(cells[1:], lines[1:], cells[0])
    return _Rows(cells, lines, None)


def _require_commas(rows: list[list[str]], path: Path) -> None:
    """Raises DataError where something else separates the cells of the first rows; commas may stand inside numbers."""
    first = rows[:10]
    for name, separator in _SEPARATORS.items():
        if first and all(_is_inside(separator, row) for row in first):
            raise DataError(
                f"the cells of {path} are separated by {name}, such as {short(','.join(first[-1]))!r}; allowed: "
                f"commas; write it with commas, or read it by a reader of your own in src/own"
            )


def _is_inside(separator: str, row: list[str]) -> bool:
    if len(row) == 1:
        return separator in row[0].strip()
    return separator != " " and any(separator in cell for cell in row[:-1])


def _place(example: int, *, files: list[Path], counts: list[int]) -> str:
    """Return the line of an example in a table's file and its first cell that is no number. Reads the file again."""
    ends = np.cumsum(counts)
    number = int(np.searchsorted(ends, example, side="right"))
    rows, row = _rows(files[number]), example - int(ends[number]) + counts[number]
    told = f"{files[number].name} row {rows.lines[row]}"
    for column, cell in enumerate(rows.cells[row][:-1]):
        if not np.isfinite(_number(cell)):
            name = f" ({short(rows.header[column])})" if rows.header and column < len(rows.header) else ""
            what = repr(short(cell)) if cell.strip() else "nothing"
            return f"{told}, column {column + 1}{name} holds {what}; a row is numbers and, as its last cell, the label"
    return told


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return float("nan")
