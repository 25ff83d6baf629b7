"""A table as raw examples: its columns as codes, its target as texts or numbers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ratchet.config.data_sections import DataConfig
from ratchet.config.tables import READER, as_typed, settings_of
from ratchet.data.examples import SPLITS, Origin, RawExamples
from ratchet.dotted import function_of_data
from ratchet.errors import DataError
from ratchet.names import listed, short
from ratchet.tables import TableError, TableSettings, code_table, read_frame, target_values
from ratchet.tables.columns import text_column, time_column
from ratchet.texts.tokens import clean

if TYPE_CHECKING:
    import pandas as pd


def read(directory: Path, config: DataConfig) -> RawExamples:
    """The rows of the one file in `directory`. Raises DataError that names file, column, row and cell."""
    assert config.table is not None
    table = config.table.model_dump()
    settings = settings_of(table)
    path = directory / config.files[0].name
    frame = read_frame(path, settings) if config.reader == READER else _frame_of(config, directory)
    try:
        coded = code_table(frame, path, settings) if settings.text is None else None
        origin = _origin(frame, path, settings)
    except TableError as error:
        raise DataError(as_typed(error.said, table)) from error
    target = target_values(frame, settings, config.target_kind)

    def place(row: int) -> str:
        found = {name: frame[name].iloc[[row]].dropna().tolist() for name in settings.target}
        cells = (
            f"column {short(name)} {f'holds {short(cell[0])}' if cell else 'is empty'}" for name, cell in found.items()
        )
        return f"{path.name}, row {row + 1}, {', '.join(cells)}"

    x = texts_of(frame, settings.text, str(path)) if coded is None else coded.values
    return RawExamples(x, target, place=place, table=coded, origin=origin)


def texts_of(frame: pd.DataFrame, column: str | None, where: str) -> np.ndarray:
    """(n,) cleaned texts of a column, "" for a gap. Raises DataError for no such column, and a cell that is no text."""
    if column not in frame.columns:
        raise DataError(f"{where} has no column {short(column)}; its columns: {listed(map(short, frame.columns))}")
    cells = frame[column]
    texts = np.empty(len(cells), object)
    said = f"{where}: column {short(column)}"
    texts[:] = ["" if gap else clean(_as_text(cell, said)) for cell, gap in zip(cells, cells.isna(), strict=True)]
    return texts


def _as_text(cell: Any, said: str) -> str:
    """A cell as it is written elsewhere: bytes as UTF-8, a whole number without a point."""
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "replace")
    if isinstance(cell, list | tuple | dict | set | np.ndarray):
        kind = type(cell).__name__
        raise DataError(f"{said} holds a {kind}, {short(str(cell))}; allowed: texts; write one text into each cell")
    return str(int(cell)) if isinstance(cell, float | np.floating) and float(cell).is_integer() else str(cell)


def _origin(frame: pd.DataFrame, path: Path, settings: TableSettings) -> Origin:
    """Raises DataError for a row that lacks what the splits are made by."""
    ways = [f"data.{name}" for name in ("group", "time", "split") if getattr(settings, name)]
    if len(ways) > 1:
        raise DataError(f"{' and '.join(ways)} are two ways to split; allowed: one of them; type: {ways[0]}=null")
    known: dict[str, Any] = {"ids": np.arange(1, len(frame) + 1)}
    for name, column in (("ids", settings.id), ("groups", settings.group), ("splits", settings.split)):
        if column is not None:
            known[name] = text_column(frame[column], f"{path}: column {short(column)}", gaps=name == "ids")
    if settings.time is not None:
        known["times"] = time_column(frame[settings.time], f"{path}: column {short(settings.time)}")
    if "splits" in known:
        wrong = np.flatnonzero(~np.isin(known["splits"], SPLITS))
        if len(wrong):
            raise DataError(
                f"{path}: column {short(settings.split)}, row {wrong[0] + 1}: {short(known['splits'][wrong[0]])!r} is "
                f"no split ({len(wrong):,} such); allowed: {', '.join(SPLITS)}"
            )
    return Origin(**known)


def _frame_of(config: DataConfig, directory: Path) -> pd.DataFrame:
    """What the reader that the config names makes of the files: `reader(directory: Path) -> pandas.DataFrame`."""
    import pandas as pd

    frame = function_of_data(config.reader, setting="data.reader")(directory)
    if not isinstance(frame, pd.DataFrame):
        raise DataError(
            f"{config.reader} returned {type(frame).__name__}; allowed: with data.table a pandas.DataFrame, "
            "without it RawExamples of ratchet.data.examples"
        )
    return frame.reset_index(drop=True)
