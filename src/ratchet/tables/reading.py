"""A table's file as a pandas frame: its separator and encoding are found out; what cannot be read is one clear line."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
import zlib
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ratchet.errors import ConfigError, DataError, first_line
from ratchet.names import listed, nearest, short, suggestion
from ratchet.tables.r_package import read_r_frame
from ratchet.tables.text_files import (
    LONGEST_LINE,
    SEPARATORS,
    beginning_of,
    encoding_of,
    header_of,
    opened,
    separator_of,
)

if TYPE_CHECKING:
    import pandas as pd

_PARQUET = {".parquet", ".pq"}
_JSON_LINES = {".jsonl", ".ndjson"}
_NUMBER = re.compile(r"[-+]?[\d.,]+(e[-+]?\d+)?", re.I)
_JSON_ROWS = 8192  # at a time
_WHOLE = "<all of it>"
_GAPS = frozenset(  # the texts that pandas takes for gaps in csv
    ("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
     "NULL", "NaN", "None", "n/a", "nan", "null")
)  # fmt: skip
csv.field_size_limit(LONGEST_LINE)  # a quoted cell of several lines may be longer than Python's own 128 KiB


@dataclass(frozen=True)
class TableSettings:
    """How a table is read. None: it is found out.

    target: the column to predict, or several columns of 0 and 1. ignore: columns that are left out. types: the kind
    of a column where it is not to be found out: number, category, date. missing: texts that mean a gap, beside the
    usual ones (empty, NA, NaN, null). thousands: what groups the digits of a number. object: the name of a data frame,
    where the file is an R package's Rdata.rdb. id, group, time, split: columns that name a row, that rows of one split
    share, by which the splits follow each other, and that says the split. text: a column that is read as it is written.
    """

    target: tuple[str, ...]
    ignore: tuple[str, ...] = ()
    types: Mapping[str, str] = field(default_factory=dict)
    separator: str | None = None
    decimal: str = "."
    thousands: str | None = None
    missing: tuple[str, ...] = ()
    object: str | None = None
    id: str | None = None
    group: str | None = None
    time: str | None = None
    split: str | None = None
    text: str | None = None

    @property
    def aside(self) -> tuple[str, ...]:
        """Columns that nothing is learnt from, and which are no target. A time is learnt from, unless ignored."""
        return (*self.ignore, *filter(None, (self.id, self.group, self.split)))


@dataclass(frozen=True)
class Setting:
    """A setting of a table that is to be typed. column: the one it is about.

    What is in a list or a mapping comes beside what was asked before; anything else takes its place.
    """

    name: str
    value: Any
    column: str = ""

    @property
    def typed(self) -> Any:
        """The value, with another word for a name or a cell that is too long to be typed."""
        if isinstance(self.value, dict):
            return {short(key, _WHOLE): value for key, value in self.value.items()}
        if isinstance(self.value, list):
            return [short(each, _WHOLE) for each in self.value]
        return short(self.value, _WHOLE) if isinstance(self.value, str) else self.value

    def __str__(self) -> str:
        return f"data.{self.name}={self.typed}"


class TableError(DataError):
    """What a table's file holds cannot be read as it was asked. said: a sentence, with the settings to type in it."""

    def __init__(self, *said: str | Setting) -> None:
        super().__init__("".join(map(str, said)))
        self.said = said


class NoColumnError(ConfigError):
    """A column that is named and not there. nearest: those that may be meant."""

    def __init__(self, said: str, column: str, nearest: Sequence[str]) -> None:
        super().__init__(said)
        self.column, self.nearest = column, nearest


def read_frame(path: Path, settings: TableSettings, *, only: Sequence[str] | None = None) -> pd.DataFrame:
    """The table at `path`, csv (also .gz), lines of JSON, parquet or an R package's data; `only`: the columns wanted.

    Raises DataError for a file that is missing, empty, or no table, and NoColumnError for a column that it lacks.
    """
    if not path.is_file():
        what = "is a directory" if path.is_dir() else "is missing"
        allowed = ".csv, .csv.gz, .jsonl or .parquet"
        raise DataError(f"{path} {what}; data.path names one file, {allowed}; type: data.path=<file>")
    named = [*settings.target, *settings.aside, *settings.types, *filter(None, [settings.time, settings.text])]
    try:
        if path.suffix in _PARQUET:
            return _read_parquet(path, named, only)
        if _is_json_lines(path):
            return _read_json(path, settings, named, only)
        if path.suffix == ".rdb":
            frame = read_r_frame(path, settings.object)
            _require_columns(path, list(frame.columns), named)
            return frame if only is None else frame[list(only)]
        return _read_csv(path, settings, named, only)
    except (OSError, ValueError, EOFError, zlib.error) as error:  # those of pandas and pyarrow are ValueErrors
        raise DataError(f"{path} cannot be read as a table: {first_line(error)}") from error


def read_frames(
    path: Path, settings: TableSettings, *, rows: int, texts: Sequence[str] = ()
) -> Generator[pd.DataFrame]:
    """The table at `path` in pieces of so many rows, whose index goes on: csv (also .gz), parquet or lines of JSON.

    texts: columns of categories, whose cells are not to be read as numbers where a piece has no letter in them.
    No column is asked for. Raises DataError for a file that is empty, or no table.
    """
    try:
        if path.suffix in _PARQUET:
            yield from _parquet_frames(path, rows)
        elif _is_json_lines(path):
            yield from _json_frames(path, settings, rows)
        else:
            yield from _csv_frames(path, settings, rows, texts)
    except (OSError, ValueError, EOFError, zlib.error) as error:  # those of pandas and pyarrow are ValueErrors
        raise DataError(f"{path} cannot be read as a table: {first_line(error)}") from error


def _parquet_frames(path: Path, rows: int) -> Generator[pd.DataFrame]:
    import pyarrow.parquet as pq

    start = 0
    with pq.ParquetFile(path) as file:
        _require_columns(path, file.schema_arrow.names, ())
        for batch in file.iter_batches(rows):
            frame = batch.to_pandas(ignore_metadata=True)  # else columns that were an index are none
            frame = frame.drop(columns="__index_level_0__", errors="ignore")  # an index without a name
            yield frame.set_axis(range(start, start + len(frame)))
            start += len(frame)


def frame_of_rows(rows: Sequence[Mapping[str, Any]], start: int = 0, missing: Sequence[str] = ()) -> pd.DataFrame:
    """Rows as JSON has them, as csv would be read: a cell that is missing, null or a text that means a gap is one.

    missing: such texts, beside the usual ones; of a number too, however it is written.
    """
    import pandas as pd

    if wrong := [row for row in rows if not isinstance(row, Mapping)]:
        raise TypeError(f"a row is an object of columns, and not {short(str(wrong[0]))}")
    numbers = pd.to_numeric(pd.Series(list(missing), dtype=object), errors="coerce").dropna().astype(float)
    gaps = _GAPS.union(missing, map(str, numbers))
    known = [{key: None if str(cell).lstrip() in gaps else cell for key, cell in row.items()} for row in rows]
    frame = pd.DataFrame(known, index=range(start, start + len(rows)))
    for name in frame.columns[[kind.kind == "O" for kind in frame.dtypes]]:  # of several types, or texts
        known = frame[name].notna().any()
        frame[name] = frame[name].map(str, na_action="ignore") if known else float("nan")
    return frame


def _is_json_lines(path: Path) -> bool:
    """Packed or not."""
    return Path(path.name.removesuffix(".gz")).suffix in _JSON_LINES


def _json_frames(path: Path, settings: TableSettings, rows: int) -> Generator[pd.DataFrame]:
    def lines() -> Iterator[dict[str, Any]]:
        with io.TextIOWrapper(opened(path), encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                try:
                    row = json.loads(line)
                except (ValueError, RecursionError) as error:
                    raise DataError(f"{path} line {number} is no JSON ({first_line(error)}); mend it") from error
                if not isinstance(row, dict):
                    raise DataError(f"{path} line {number} is no row; allowed: an object of columns, {{...}}")
                yield row

    start, rest = 0, lines()
    seen: dict[str, None] = {}  # in order: a column that a piece does not name is empty there
    while piece := list(itertools.islice(rest, rows)):
        seen.update(dict.fromkeys(key for row in piece for key in row))
        yield frame_of_rows(piece, start, settings.missing).reindex(columns=list(seen))
        start += len(piece)


def _csv_frames(path: Path, settings: TableSettings, rows: int, texts: Sequence[str]) -> Generator[pd.DataFrame]:
    import pandas as pd

    options, start = _csv_options(path, settings, ()), 0
    plain = settings.decimal == "." and settings.thousands is None  # else levels that are numbers are written otherwise
    as_texts = dict.fromkeys([*filter(None, [settings.id]), *(texts if plain else ())], "str")
    try:
        with opened(path) as file, pd.read_csv(file, chunksize=rows, dtype=as_texts, **options) as frames:
            for frame in frames:
                yield frame.set_axis(range(start, start + len(frame)))  # R's row names are no column
                start += len(frame)
    except pd.errors.ParserError as error:
        raise DataError(f"{path}: {_said_of_fields(error, options['sep'])}; mend the row") from error


def _read_json(path: Path, settings: TableSettings, named: Sequence[str], only: Sequence[str] | None) -> pd.DataFrame:
    import pandas as pd

    pieces = list(_json_frames(path, settings, _JSON_ROWS))
    if not pieces:
        raise DataError(f"{path} is empty; it needs rows")
    frame = pd.concat(pieces)
    _require_columns(path, list(frame.columns), named)
    return frame if only is None else frame[list(only)]


def columns_of(path: Path, separator: str | None = None) -> list[str]:
    """The names of a table's columns; none where it cannot be read."""
    try:
        if path.suffix in _PARQUET:
            import pyarrow.parquet as pq

            return list(pq.read_schema(path).names)
        if _is_json_lines(path):
            return list(next(_json_frames(path, TableSettings(()), 1)).columns)
        text = (beginning := beginning_of(path)).decode(encoding_of(path, beginning), errors="replace")
        return header_of(text, separator or separator_of(text))
    except (OSError, ValueError, EOFError, StopIteration, zlib.error, DataError):
        return []


def _read_parquet(path: Path, named: Sequence[str], only: Sequence[str] | None) -> pd.DataFrame:
    import pyarrow.parquet as pq

    _require_columns(path, pq.read_schema(path).names, named)
    with pq.ParquetFile(path) as file:
        table = file.read(columns=None if only is None else list(only))
    frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)  # else columns that were an index are none
    return frame.drop(columns="__index_level_0__", errors="ignore")  # an index without a name


def _read_csv(path: Path, settings: TableSettings, named: Sequence[str], only: Sequence[str] | None) -> pd.DataFrame:
    import pandas as pd

    options = _csv_options(path, settings, named)
    as_texts = dict.fromkeys(filter(None, [settings.text]), "str")
    try:
        with opened(path) as file:
            frame = pd.read_csv(file, usecols=None if only is None else list(only), dtype=as_texts, **options)
    except pd.errors.ParserError as error:
        said = _said_of_fields(error, options["sep"])
        raise DataError(f"{path}: {said}; mend the row, or type: data.separator=<another>") from error
    if not len(frame):
        raise DataError(f"{path} has a header and no rows; add some")
    return frame.reset_index(drop=True)  # R's row names are no column


def _refuse_trailing_separator(path: Path, text: str, separator: str) -> None:
    """Raises DataError where rows have one empty field more than the header: each cell would move to another column.

    R's rows begin with such a field, their names, and end in a cell.
    """
    reader = csv.reader(io.StringIO(text, newline=None), delimiter=separator, skipinitialspace=True)
    header, *rows = [*itertools.islice((row for row in reader if row), 1000)] or [[]]
    wide = [row for row in rows if len(row) == len(header) + 1]
    if wide and wide[0] == rows[0] and not any(row[-1].strip() for row in wide):
        raise DataError(f"{path}: its rows end in a separator and its header does not; take it off the end of each row")


def _csv_options(path: Path, settings: TableSettings, named: Sequence[str]) -> dict[str, Any]:
    """What pandas is told of a csv file whose header has the columns named."""
    beginning = beginning_of(path)
    encoding = encoding_of(path, beginning)
    text = beginning.decode(encoding, errors="replace")
    separator = settings.separator or separator_of(text)
    header = header_of(text, separator)
    _require_columns(path, header, named, separator=separator)
    _refuse_trailing_separator(path, text, separator)
    return {
        "sep": separator, "encoding": encoding, "decimal": settings.decimal, "thousands": settings.thousands,
        "na_values": list(settings.missing), "low_memory": False, "skipinitialspace": True,
        "skip_blank_lines": len(header) > 1 or not text.splitlines()[0].strip(),  # of one column they are gaps
    }  # fmt: skip


def _said_of_fields(error: Exception, separator: str) -> str:
    said = first_line(error).removeprefix("Error tokenizing data. C error: ")
    return f"{said}; fields are told apart by {SEPARATORS.get(separator, repr(separator))}"


def _require_columns(path: Path, header: Sequence[str], named: Sequence[str], *, separator: str = ",") -> None:
    """Raises DataError for two columns of one name, NoColumnError for a column that is named and not there."""
    twice = [name for name, count in Counter(header).items() if count > 1]
    if header and all(_NUMBER.fullmatch(name) for name in header):
        raise DataError(
            f"{path}: its first line holds numbers, {listed(map(short, header))}, where the names of the columns "
            "belong; write them above it"
        )
    if twice:
        raise DataError(
            f"{path} has {Counter(header)[twice[0]]} columns called {short(twice[0])!r}; each needs a name of its own"
        )
    missing = [name for name in named if name not in header]
    if missing:
        cut = (
            ""
            if len(header) > 1
            else f" (told apart by {SEPARATORS.get(separator, separator)}: data.separator=<another>?)"
        )
        said = f"{path} has no column {short(missing[0])}; {suggestion(missing[0], map(short, header))}{cut}"
        raise NoColumnError(said, missing[0], nearest(missing[0], header))
