"""A table as raw examples: its columns as codes, its target as texts or numbers."""

from __future__ import annotations

from pathlib import Path

from ratchet.config.schema import DataConfig
from ratchet.config.tables import settings_of
from ratchet.data.examples import RawExamples
from ratchet.tables import code_table, read_frame, target_values


def read(directory: Path, config: DataConfig) -> RawExamples:
    """The rows of the one file in `directory`. Raises DataError that names file, column, row and cell."""
    assert config.table is not None
    settings = settings_of(config.table.model_dump())
    path = directory / config.files[0].name
    frame = read_frame(path, settings)
    coded = code_table(frame, path, settings)
    return RawExamples(coded.values, target_values(frame, settings, config.target_kind), table=coded)
