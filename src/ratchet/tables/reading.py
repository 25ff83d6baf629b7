"""A table's file as a pandas frame: its separator and encoding are found out; what cannot be read is one clear line."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
import shlex
import zlib
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from ratchet.errors import ConfigError, DataError, first_line
from ratchet.names import listed, nearest, short, suggestion
from ratchet.tables.r_package import read_r_frame

if TYPE_CHECKING:
    import pandas as pd

SEPARATORS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}
LONGEST_LINE = 2**20  # bytes: what is longer is no row of a table, and is not read into memory
_PARQUET = {".parquet", ".pq"}
_JSON_LINES = {".jsonl", ".ndjson"}
_NUMBER = re.compile(r"[-+]?[\d.,]+(e[-+]?\d+)?", re.I)
_JSON_ROWS = 8192  # at a time
_WHOLE = "<all of it>"
_LOOKED_AT = 2**20  # bytes from the beginning, by which separator and header are judged
_UTF8 = re.compile(rb"[\xc2-\xf4][\x80-\xbf]+")
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
        if path.suffix in _JSON_LINES:
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
        elif path.suffix in _JSON_LINES:
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


def _json_frames(path: Path, settings: TableSettings, rows: int) -> Generator[pd.DataFrame]:
    def lines() -> Iterator[dict[str, Any]]:
        with path.open(encoding="utf-8-sig") as file:
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
        with _opened(path) as file, pd.read_csv(file, chunksize=rows, dtype=as_texts, **options) as frames:
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
        if path.suffix in _JSON_LINES:
            return list(next(_json_frames(path, TableSettings(()), 1)).columns)
        text = (beginning := _beginning(path)).decode(_encoding(path, beginning), errors="replace")
        return _header(text, separator or _separator(text))
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
        with _opened(path) as file:
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
    beginning = _beginning(path)
    encoding = _encoding(path, beginning)
    text = beginning.decode(encoding, errors="replace")
    separator = settings.separator or _separator(text)
    header = _header(text, separator)
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


def _beginning(path: Path) -> bytes:
    with _opened(path) as file:
        beginning: bytes = file.read(_LOOKED_AT)
    if beginning.startswith(b"PK\x03\x04"):
        raise DataError(f"{path} is a zip archive, as workbooks of Excel are, and no table; save it as CSV (UTF-8)")
    if not beginning.strip():
        raise DataError(f"{path} is empty; it needs a header and rows")
    if b"\0" in beginning and not beginning.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{path} is no text: it holds zero bytes; save it as CSV (UTF-8) or parquet")
    return beginning


def _opened(path: Path) -> IO[bytes]:
    """The file's bytes, unpacked where it is a gzip file, whatever it is called."""
    import gzip

    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return cast("IO[bytes]", gzip.open(path)) if packed else path.open("rb")


def _encoding(path: Path, beginning: bytes) -> str:
    """utf-8, utf-16 by its mark, else cp1252. Raises DataError for lines of two encodings, and one that is endless."""
    utf16 = beginning.startswith((b"\xff\xfe", b"\xfe\xff"))
    utf8 = other = 0
    for before, lines in _blocks(path):
        if utf16 or lines.isascii():
            continue
        for number, line in enumerate(lines.split(b"\n"), before + 1):
            if line.isascii():
                continue
            try:
                line.decode("utf-8")
                utf8 = utf8 or number
            except UnicodeDecodeError:
                other = other or number
                if _UTF8.search(line):
                    utf8 = utf8 or number
            if utf8 and other:
                raise DataError(
                    f"{path} mixes encodings: line {min(utf8, other)} and line {max(utf8, other)} are not of one "
                    "(UTF-8 and another); save it as CSV UTF-8"
                )
    return "utf-16" if utf16 else "cp1252" if other else "utf-8-sig"


def _blocks(path: Path) -> Iterator[tuple[int, bytes]]:
    """The file in pieces of whole lines, and how many lines come before each. Raises DataError for an endless line."""
    before = 0
    with _opened(path) as file:
        while block := file.read(LONGEST_LINE):
            block += file.readline(LONGEST_LINE)
            start = block.rfind(b"\n", 0, -1) + 1  # of the last line, the only one that can be too long
            if len(block) - start > LONGEST_LINE and b"\r" not in block[start:]:
                number, length, piece = before + block.count(b"\n", 0, start) + 1, len(block) - start, block
                while not piece.endswith(b"\n") and (piece := file.readline(LONGEST_LINE)):
                    length += len(piece)
                raise DataError(
                    f"{path} is no table: line {number:,} has {length:,} bytes; allowed: at most {LONGEST_LINE:,}; "
                    f"shorten its long cell; type: gzip -cdf {shlex.quote(str(path))} | sed -n {number}p | "
                    "head -c 200, to see how it begins"
                )
            yield before, block
            before += block.count(b"\n")


def _separator(text: str) -> str:
    """The one that cuts the header and the first rows into equally many fields, the most of them."""
    lines = text.splitlines()[:100]
    lines = lines[:-1] if len(lines) > 1 and not text.endswith("\n") and len(text) >= _LOOKED_AT else lines
    best, most = ",", 1
    for separator in SEPARATORS:
        rows = [len(row) for row in csv.reader(io.StringIO("\n".join(lines)), delimiter=separator) if row]
        widths = Counter(rows)
        width, count = widths.most_common(1)[0]
        if width > most and rows[0] == width and count >= 0.8 * sum(widths.values()):
            best, most = separator, width
    return best


def _header(text: str, separator: str) -> list[str]:
    rows = csv.reader(io.StringIO(text), delimiter=separator, skipinitialspace=True)
    return next((row for row in rows if row), [])


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
