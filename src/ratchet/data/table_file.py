"""A table as raw examples: its columns as codes, its target as texts or numbers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ratchet.config.schema import DataConfig
from ratchet.config.tables import READER, settings_of
from ratchet.data.dotted import import_function
from ratchet.data.examples import RawExamples
from ratchet.errors import DataError
from ratchet.tables import code_table, read_frame, target_values

if TYPE_CHECKING:
    import pandas as pd


def read(directory: Path, config: DataConfig) -> RawExamples:
    """The rows of the one file in `directory`. Raises DataError that names file, column, row and cell."""
    assert config.table is not None
    settings = settings_of(config.table.model_dump())
    path = directory / config.files[0].name
    frame = read_frame(path, settings) if config.reader == READER else _frame_of(config, directory)
    coded = code_table(frame, path, settings)
    return RawExamples(coded.values, target_values(frame, settings, config.target_kind), table=coded)


def _frame_of(config: DataConfig, directory: Path) -> pd.DataFrame:
    """What the reader that the config names makes of the files: `reader(directory: Path) -> pandas.DataFrame`."""
    import pandas as pd

    frame = import_function(config.reader, setting="data.reader")(directory)
    if not isinstance(frame, pd.DataFrame):
        raise DataError(
            f"{config.reader} returned {type(frame).__name__}; allowed: with data.table a pandas.DataFrame, "
            "without it RawExamples of ratchet.data.examples"
        )
    return frame
