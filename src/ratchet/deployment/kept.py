"""The requests that serve kept, read; and labels that arrived later."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ratchet.config.grammar import assignment
from ratchet.config.hints import to_type
from ratchet.deployment.keeping import DROPPED, PREFIX, REFUSED, SCHEMA
from ratchet.errors import ConfigError, DataError, first_line
from ratchet.files import not_a_directory, not_a_file, shown
from ratchet.names import listed, short, suggestion
from ratchet.tables.columns import by_meaning, meaning_of, text_column
from ratchet.tables.reading import TableSettings, read_frames

if TYPE_CHECKING:
    import pandas as pd

MOST = 50_000  # rows that are compared; of more, an even part
_PIECE = 2**24  # characters of rows at a time
_OLD = timedelta(days=1)  # of the newest row: it is said


@dataclass(frozen=True)
class Kept:
    """Requests of one export, in their order. notes: what a person should know of them."""

    frame: pd.DataFrame  # the columns of keeping.SCHEMA without `row`; the file and the place in it where a row lies
    notes: tuple[str, ...]
    earlier: frozenset[str] = frozenset()  # ids of answers and rows before the time that was asked for

    @property
    def compared(self) -> pd.DataFrame:
        """MOST of the frame at most, evenly."""
        places = np.linspace(0, len(self.frame) - 1, min(MOST, len(self.frame)))
        return self.frame.iloc[places.round().astype(int)]

    def pieces(self) -> Iterator[list[Any]]:
        """The rows that are compared, as they were sent. Raises DataError for a file that is gone."""
        import pyarrow.parquet as pq

        rows, size = list[Any](), 0
        for path, part in self.compared.groupby("file", sort=False):
            try:
                texts = pq.read_table(path, columns=["row"], partitioning=None)["row"].take(part["place"].tolist())
            except (OSError, ValueError) as error:
                raise DataError(f"{path} cannot be read ({first_line(error)}); type the same again") from error
            for text in map(str, texts):
                rows.append(json.loads(text))
                size += len(text)
                if size >= _PIECE:
                    yield rows
                    rows, size = [], 0
        if rows:
            yield rows


def read_kept(folder: Path, *, model: str, since: datetime | None) -> Kept:
    """Every row that was kept of a model, by its checkpoint's sha256. Raises DataError where there is none."""
    import pandas as pd
    import pyarrow.parquet as pq

    begin = to_type("python", "src/serve.py", assignment("keep", str(folder)))
    if wrong := not_a_directory(folder):
        raise DataError(f"requests={folder} {wrong}; type: {begin}, which keeps them there")
    found, notes, earlier, whole, others, counts = [], list[str](), set[str](), 0, 0, Counter[str]()
    names = [name for name, _ in SCHEMA]
    for path in sorted(folder.glob(f"{PREFIX}*.parquet")):
        try:
            with pq.ParquetFile(path) as file:
                if missing := [name for name in names if name not in file.schema_arrow.names]:
                    raise ValueError(f"it has no column {missing[0]}")
                part = file.read(columns=[name for name in names if name != "row"]).to_pandas()
                part["at"] = pd.to_datetime(part["at"], utc=True)
                beside = file.schema_arrow.metadata or {}
                since_before = {what: int(beside.get(what.encode(), 0)) for what in (DROPPED, REFUSED)}
        except (OSError, ValueError) as error:  # those of pyarrow are ValueErrors
            notes.append(f"{shown(path)} cannot be read ({first_line(error)})")
            continue
        part = part.assign(file=str(path), place=np.arange(len(part)))
        ours = part[part["model"] == model]
        whole, others = whole + len(part), others + len(part) - len(ours)
        late = ours["at"] >= (since or pd.Timestamp(0, tz="UTC"))
        earlier |= {*ours["answer"][~late], *ours["id"][~late].dropna()}
        if late.any():
            found.append(ours[late])
            counts.update(since_before)
    if others:
        notes.append(f"left out, as another model answered them: {others:,} of {whole:,} rows")
    if not found:
        told = "; ".join([f"{shown(folder)} holds no request", *notes])
        of = "" if since is None else f" since {since:%Y-%m-%d %H:%M} UTC"
        raise DataError(f"{told}{of}; type: {begin}, and send some (they are written after ten seconds)")
    frame = pd.concat(found, ignore_index=True)
    if len(frame) > MOST:
        notes.append(f"{MOST:,} of {len(frame):,} rows are compared, evenly taken; quality and latency are of all")
    for what, told in (
        (DROPPED, "rows that serve answered and could not keep"),
        (REFUSED, "requests that serve refused"),
    ):
        if counts[what]:
            notes.append(f"{told}: {counts[what]:,}")
    if datetime.now(UTC) - (newest := frame["at"].max()) > _OLD:
        notes.append(f"nothing was kept since {newest:%Y-%m-%d %H:%M} UTC: does serve still run with keep={folder}?")
    return Kept(frame, tuple(notes), frozenset(earlier))


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
    alike = by_meaning(classes or ())
    settings, known, empty = TableSettings(target=("label",), id="id"), dict[str, Any](), 0
    for frame in read_frames(path, settings, rows=8192, texts=["label"]):
        if missing := [name for name in ("id", "label") if name not in frame.columns]:
            told = suggestion(missing[0], [str(name) for name in frame.columns])
            raise DataError(f"labels={path} has no column {missing[0]}; {told}; rename it")
        ids, labels = (text_column(frame[name], f"{path}: column {name}", gaps=True) for name in ("id", "label"))
        for name, text in zip(ids.tolist(), labels.tolist(), strict=True):
            if not text:
                empty += 1
            elif known.setdefault(name, value := _label(text, name, path, classes, alike)) != value:
                raise DataError(f"labels={path} has two labels of {short(name)}: {known[name]}, {value}; leave one")
    told = kept.frame[["answer", "id"]].to_dict("records")
    found = [known.get(each["answer"], known.get(each["id"])) for each in told]
    met = {each[key] for each in told for key in ("answer", "id")}
    beyond = known.keys() - met
    counts = {
        "labels without a kept answer": len(beyond - kept.earlier), "ids without a label": empty,
        "labels of rows before the time that since= names": len(beyond & kept.earlier),
    }  # fmt: skip
    return found, [f"{what}: {count:,}" for what, count in counts.items() if count]


def _label(text: str, name: str, path: Path, classes: Sequence[str] | None, alike: Mapping[str, int]) -> Any:
    if classes is None:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not np.isfinite(value):
            raise DataError(f"labels={path}: the label of {short(name)} is {short(text)!r}; allowed: a number")
        return value
    if text not in classes and (code := alike.get(meaning_of(text))) is not None:
        return classes[code]
    if text not in classes:
        raise DataError(f"labels={path}: the label of {short(name)} is {short(text)!r}; allowed: {listed(classes)}")
    return text
