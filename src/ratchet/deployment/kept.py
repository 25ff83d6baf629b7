"""The requests that serve kept, read; and labels that arrived later."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ratchet.config.grammar import assignment
from ratchet.config.hints import to_type
from ratchet.deployment.keeping import PREFIX, SCHEMA
from ratchet.errors import ConfigError, DataError, first_line
from ratchet.files import not_a_directory, not_a_file, shown
from ratchet.names import listed, short, suggestion
from ratchet.tables.columns import text_column
from ratchet.tables.reading import TableSettings, read_frames

if TYPE_CHECKING:
    import pandas as pd

MOST = 50_000  # rows that are compared; of more, an even part


@dataclass(frozen=True)
class Kept:
    """Requests of one export, in their order. notes: what a person should know of them."""

    frame: pd.DataFrame  # the columns of keeping.SCHEMA
    notes: tuple[str, ...]

    @property
    def rows(self) -> list[Any]:
        """As they were sent."""
        return [json.loads(row) for row in self.frame["row"]]

    @property
    def answers(self) -> list[dict[str, Any]]:
        """What was said of each row."""
        return [json.loads(said) for said in self.frame["said"]]


def read_kept(folder: Path, *, model: str, since: datetime | None) -> Kept:
    """Every row that was kept of a model, by its checkpoint's sha256. Raises DataError where there is none."""
    import pandas as pd
    import pyarrow.parquet as pq

    begin = to_type("python", "src/serve.py", assignment("keep", str(folder)))
    if wrong := not_a_directory(folder):
        raise DataError(f"requests={folder} {wrong}; type: {begin}, which keeps them there")
    found, notes = [], []
    names = [name for name, _ in SCHEMA]
    for path in sorted(folder.glob(f"{PREFIX}*.parquet")):
        try:
            with pq.ParquetFile(path) as file:
                part = file.read(columns=names).to_pandas()
            if missing := [name for name in names if name not in part]:
                raise ValueError(f"it has no column {missing[0]}")
            found.append(part)
        except (OSError, ValueError) as error:  # those of pyarrow are ValueErrors
            notes.append(f"{shown(path)} cannot be read ({first_line(error)})")
    whole = pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=names)
    frame = whole[whole["model"] == model]
    if others := len(whole) - len(frame):
        notes.append(f"left out, as another model answered them: {others:,} of {len(whole):,} rows")
    if since is not None:
        frame = frame[pd.to_datetime(frame["at"], utc=True) >= since]
    if not len(frame):
        told = "; ".join([f"{shown(folder)} holds no request", *notes])
        of = "" if since is None else f" since {since:%Y-%m-%d %H:%M} UTC"
        raise DataError(f"{told}{of}; type: {begin}, and send some (they are written after ten seconds)")
    if len(frame) > MOST:
        notes.append(f"{MOST:,} of {len(frame):,} rows are looked at, evenly taken")
        frame = frame.iloc[np.linspace(0, len(frame) - 1, MOST).round().astype(int)]
    return Kept(frame.reset_index(drop=True), tuple(notes))


def since_when(text: str | None) -> datetime | None:
    """The moment that `since=` names: a date, a date and a time (UTC), or how long ago. Raises ConfigError."""
    import pandas as pd

    if text is None:
        return None
    try:
        if text[:1].isdigit() and text[-1:] in "smhd":
            ago: timedelta = pd.Timedelta(text).to_pytimedelta()
            return datetime.now(UTC) - ago
        found = pd.Timestamp(text)
        if found is pd.NaT:
            raise ValueError("no date")
        at: datetime = (found.tz_localize(UTC) if found.tzinfo is None else found.tz_convert(UTC)).to_pydatetime()
        return at
    except (ValueError, OverflowError) as error:
        raise ConfigError(
            f"since={text} ({first_line(error)}); allowed: a date, a date and a time (UTC), or how long ago; "
            "type: since=24h"
        ) from error


def labels_of(path: Path, kept: Kept, *, classes: Sequence[str] | None) -> tuple[list[Any], list[str]]:
    """The label of each kept row, None where none arrived, and notes. classes: None where labels are numbers.

    The file has columns `id`, of an answer or of a row, and `label`. Raises DataError for what is no such file, a label
    that is none of the classes or no number, and two labels of one id.
    """
    if wrong := not_a_file(path):
        raise DataError(f"labels={path} {wrong}; allowed: a table with the columns id, label")
    settings, known, empty = TableSettings(target=("label",), id="id"), dict[str, Any](), 0
    for frame in read_frames(path, settings, rows=8192, texts=["label"]):
        if missing := [name for name in ("id", "label") if name not in frame.columns]:
            told = suggestion(missing[0], [str(name) for name in frame.columns])
            raise DataError(f"labels={path} has no column {missing[0]}; {told}; rename it")
        ids, labels = (text_column(frame[name], f"{path}: column {name}", gaps=True) for name in ("id", "label"))
        for name, text in zip(ids.tolist(), labels.tolist(), strict=True):
            if not text:
                empty += 1
            elif known.setdefault(name, value := _label(text, name, path, classes)) != value:
                raise DataError(f"labels={path} has two labels of {short(name)}: {known[name]}, {value}; leave one")
    told = kept.frame[["answer", "id"]].to_dict("records")
    found = [known.get(each["answer"], known.get(each["id"])) for each in told]
    met = {each[key] for each in told for key in ("answer", "id")}
    notes = (
        [f"labels without a kept answer: {beyond:,} of {len(known):,}"] if (beyond := len(known.keys() - met)) else []
    )
    return found, [*notes, *([f"ids without a label: {empty:,}"] if empty else [])]


def _label(text: str, name: str, path: Path, classes: Sequence[str] | None) -> Any:
    if classes is None:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not np.isfinite(value):
            raise DataError(f"labels={path}: the label of {short(name)} is {short(text)!r}; allowed: a number")
        return value
    if text not in classes:
        raise DataError(f"labels={path}: the label of {short(name)} is {short(text)!r}; allowed: {listed(classes)}")
    return text
