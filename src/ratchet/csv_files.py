"""CSV files: no cell is a formula to a spreadsheet, ids are as they were, and what was written is what is read."""

from __future__ import annotations

import csv
import io
import re
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from ratchet.errors import FileError
from ratchet.files import read_text, shown

LARGEST = 2**27  # bytes: a million rows of learning curves

# What spreadsheets run begins so (OWASP, CSV injection); apostrophes in front, so that one more can be taken off again.
_LIVE = re.compile(r"'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_ID = re.compile(r"[-+][\w.:-]*", re.A)  # -A1 and -x-7: what joins by it must find it; it calls and changes nothing
_NUMBER = re.compile(r"[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|inf|nan)")


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table as CSV. Text that a spreadsheet would run gets an apostrophe in front; numbers stay numbers."""
    return "".join(map(csv_line, (header, *rows)))


def csv_line(row: Iterable[object]) -> str:
    """A row of a table, as csv_text() writes it."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\r\n")  # what is in it is quoted
    writer.writerow([f"'{cell}" if _is_live(cell) else cell for cell in row])
    return stream.getvalue().removesuffix("\r\n") + "\n"


def _is_live(value: object) -> bool:
    if value is None or isinstance(value, int | float):
        return False
    text = str(value)
    return _LIVE.match(text) is not None and not any(plain.fullmatch(text) for plain in (_NUMBER, _ID))


def read_csv(path: Path) -> tuple[list[str], list[list[str]]]:
    """The header of a table and its rows, each as long as the header; cells as they were before they were written.

    A last row that a kill has torn is left out. Raises FileError for what is no such table, OSError as opening does.
    """
    text = read_text(path, limit=LARGEST)
    aside = shlex.quote(shown(path))
    try:
        header, *rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row] or [[]]
    except csv.Error as error:
        raise FileError(
            f"{shown(path)} is no CSV: {error}; type: mv {aside} {aside}.damaged, to do without it"
        ) from error
    if rows and len(rows[-1]) < len(header) and not text.endswith("\n"):
        rows.pop()
    for number, row in enumerate(rows, 2):
        if len(row) != len(header):
            raise FileError(
                f"{shown(path)} row {number} has {len(row)} cells, and its header {len(header)}; "
                f"type: mv {aside} {aside}.damaged, to do without it"
            )
    if "'" in text:
        header, *rows = ([_as_it_was(cell) for cell in row] for row in (header, *rows))
    return header, rows


def _as_it_was(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _LIVE.match(cell) else cell
