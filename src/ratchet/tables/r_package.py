"""The data frames of an installed R package, read without R: nothing of them is run.

The format is that of R's lazy loading (R Internals, 1.3; `lazyLoadDBfetch`): an index Rdata.rdx of places in
Rdata.rdb, where each object is compressed by itself.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import warnings
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ratchet.errors import ConfigError, DataError
from ratchet.names import nearest, suggestion

if TYPE_CHECKING:
    import pandas as pd

_LZMA2 = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME}]


def read_r_frame(path: Path, name: str | None) -> pd.DataFrame:
    """The data frame `name` of the package whose data are in `path`, Rdata.rdb, beside Rdata.rdx.

    Dates arrive as days since 1970. Raises ConfigError for a name that is not there, DataError for what is no data
    frame, and ValueError for files that are damaged.
    """
    index = {
        str(key): place for key, place in _object(gzip.decompress(_beside(path).read_bytes()))["variables"].items()
    }
    if name not in index:
        near, told = nearest(str(name), index) or list(index), suggestion(str(name), index)
        raise ConfigError(f"data.object={name}: {path} has no such object; {told}; type: data.object={near[0]}")
    start, length = map(int, index[name])
    with path.open("rb") as file:
        file.seek(start)
        packed = file.read(length)
    frame = _object(_unpacked(packed))
    if not hasattr(frame, "columns"):
        raise DataError(f"{path}: {name} is no data frame; type: data.object=<another>")
    return frame.reset_index(drop=True)


def _beside(path: Path) -> Path:
    index = path.with_suffix(".rdx")
    if not index.is_file():
        raise DataError(f"{index} is missing: it says what {path.name} holds; copy it beside it")
    return index


def _unpacked(packed: bytes) -> bytes:
    """Four bytes of length, and from R 4 on how it is compressed: Z lzma, 2 bzip2, 0 not at all; else zlib."""
    try:
        match packed[4:5]:
            case b"Z":
                return lzma.decompress(packed[5:], format=lzma.FORMAT_RAW, filters=_LZMA2)
            case b"2":
                return bz2.decompress(packed[5:])
            case b"0":
                return packed[5:]
        return zlib.decompress(packed[4:])
    except (lzma.LZMAError, zlib.error) as error:
        raise ValueError(f"it is damaged ({error})") from error


def _object(serialised: bytes) -> Any:
    try:
        from rdata import conversion, parser
    except ModuleNotFoundError as error:
        raise ConfigError("data of an R package needs the package rdata; type: pip install 'rdata>=1.1'") from error
    with warnings.catch_warnings(action="ignore"):  # it is not told that this is no whole file
        return conversion.convert(parser.parse_data(serialised))
