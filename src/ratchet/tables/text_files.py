"""A table as text: how its bytes are packed and encoded, what separates its cells, where its header is."""

from __future__ import annotations

import csv
import io
import re
import shlex
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from ratchet.errors import DataError

SEPARATORS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}
LONGEST_LINE = 2**20  # bytes: what is longer is no row of a table, and is not read into memory
_LOOKED_AT = 2**20  # bytes from the beginning, by which separator and header are judged
_UTF8 = re.compile(rb"[\xc2-\xf4][\x80-\xbf]+")


def beginning_of(path: Path) -> bytes:
    """The first bytes of a file, unpacked. Raises DataError for what is no text, or empty."""
    with opened(path) as file:
        beginning: bytes = file.read(_LOOKED_AT)
    if beginning.startswith(b"PK\x03\x04"):
        raise DataError(f"{path} is a zip archive, as workbooks of Excel are, and no table; save it as CSV (UTF-8)")
    if not beginning.strip():
        raise DataError(f"{path} is empty; it needs a header and rows")
    if b"\0" in beginning and not beginning.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{path} is no text: it holds zero bytes; save it as CSV (UTF-8) or parquet")
    return beginning


def opened(path: Path) -> IO[bytes]:
    """The file's bytes, unpacked where it is a gzip file, whatever it is called."""
    import gzip

    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return cast("IO[bytes]", gzip.open(path)) if packed else path.open("rb")


def encoding_of(path: Path, beginning: bytes) -> str:
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
    with opened(path) as file:
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


def separator_of(text: str) -> str:
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


def header_of(text: str, separator: str) -> list[str]:
    """The names of the columns: the first row that is not empty."""
    rows = csv.reader(io.StringIO(text), delimiter=separator, skipinitialspace=True)
    return next((row for row in rows if row), [])
