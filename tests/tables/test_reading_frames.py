"""A table in pieces, as a trained model reads it: every row comes, and every cell in its column."""

from pathlib import Path

import pytest

from ratchet.errors import DataError
from ratchet.tables.reading import TableSettings, read_frame, read_frames

SETTINGS = TableSettings(target=())


def test_rows_that_end_in_a_separator_are_refused_and_names_of_rows_are_not(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("age,income\n31,50000,\n32,60000,\n")
    with pytest.raises(DataError, match="end in a separator"):
        list(read_frames(path, SETTINGS, rows=8))
    with pytest.raises(DataError, match="end in a separator"):
        read_frame(path, SETTINGS)
    path.write_text("age,income\nanna,31,50000\nbert,32,\n")
    assert next(read_frames(path, SETTINGS, rows=8))["age"].tolist() == [31, 32]
