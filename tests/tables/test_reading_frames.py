"""A table in pieces, as a trained model reads it: every row comes, and every cell in its column."""

import gzip
import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ratchet.data.transform import prepared_transform
from ratchet.errors import DataError
from ratchet.tables import TableTransform
from ratchet.tables.columns import UNKNOWN, Column, code_column
from ratchet.tables.reading import TableSettings, frame_of_rows, read_frame, read_frames

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


def test_texts_that_mean_a_gap_are_gaps_in_lines_of_json_as_in_csv(tmp_path: Path) -> None:
    settings = TableSettings(target=(), missing=("?", "-9"))
    (csv := tmp_path / "rows.csv").write_text("age,town\n31,NA\n-9,null\n-9.0,?\n33,Rome\n")
    ages, towns = [31, -9, -9.0, 33], ["NA", "null", "?", "Rome"]
    rows = [{"age": age, "town": town} for age, town in zip(ages, towns, strict=True)]
    (lines := tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    one, other = (next(read_frames(path, settings, rows=8)) for path in (csv, lines))
    assert one.isna().to_numpy().tolist() == other.isna().to_numpy().tolist()
    assert other["age"].isna().tolist() == [False, True, True, False]
    assert other["town"].isna().tolist() == [True, True, True, False]


def test_an_empty_row_is_a_row(tmp_path: Path) -> None:
    (lines := tmp_path / "rows.jsonl").write_text('{"age": 31}\n{}\n\n{"age": 33}\n')
    (csv := tmp_path / "rows.csv").write_text("age\n31\n\n33\n")
    for path in (lines, csv):
        assert next(read_frames(path, SETTINGS, rows=8))["age"].isna().tolist() == [False, True, False]


def test_a_column_that_one_piece_of_lines_of_json_does_not_name_is_empty_there(tmp_path: Path) -> None:
    (lines := tmp_path / "rows.jsonl").write_text('{"age": 31, "town": "Rome"}\n{"age": 32}\n{}\n')
    first, second, third = read_frames(lines, SETTINGS, rows=1)
    assert list(first) == list(second) == list(third) == ["age", "town"]
    assert second["town"].isna().all()
    assert third.isna().all(axis=None)


def test_a_row_of_json_that_is_no_object_is_refused() -> None:
    with pytest.raises(TypeError, match="object of columns"):
        frame_of_rows([{"age": 31}, [31]])  # type: ignore[list-item]


def test_a_parquet_file_s_named_index_is_a_column(tmp_path: Path) -> None:
    frame = pd.DataFrame({"order": [7, 9, 8], "age": [31, 32, 33]})
    frame.set_index("order").to_parquet(path := tmp_path / "rows.parquet")
    for read in (read_frame(path, SETTINGS), next(read_frames(path, SETTINGS, rows=8))):
        assert read["order"].tolist() == [7, 9, 8]
    frame.iloc[[0, 2, 1]].to_parquet(path)
    assert sorted(read_frame(path, SETTINGS)) == ["age", "order"]


def test_a_packed_file_that_is_broken_is_said_to_be_unreadable(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(b"age,income\n" + b"31,50000\n" * 100))
    packed[12:20] = b"\xff" * 8
    (path := tmp_path / "rows.csv.gz").write_bytes(packed)
    with pytest.raises(DataError, match="cannot be read as a table"):
        list(read_frames(path, SETTINGS, rows=8))


def test_cells_of_any_type_are_told_to_be_no_numbers_and_large_ones_are_categories() -> None:
    number, category = Column("age", "number"), Column("age", "category", ("1e+20",))
    assert code_column(pd.Series([Decimal("1.5"), None], name="age"), number, "rows")[0] == 1.5
    with pytest.raises(DataError, match="is no number"):
        code_column(pd.Series([date(2020, 1, 2)], name="age"), number, "rows")
    assert code_column(pd.Series([1e20, float("nan")]), category, "rows")[0] == 0


@pytest.mark.parametrize("day_first", [False, True])
def test_a_prepared_table_that_does_not_say_how_its_dates_are_written_has_no_transform(
    tmp_path: Path, *, day_first: bool
) -> None:
    column = Column("day", "date", day_first=day_first)
    content = TableTransform.fit([column], np.zeros((2, 1), np.float32)).as_json()
    card = {
        "config": {"table": {}, "prepare": {}},
        "normalisation": {"kind": "none", "mean": [0.0], "std": [1.0]},
    }
    (path := tmp_path / "transform.json").write_text(json.dumps(content))
    assert (found := prepared_transform(tmp_path, card, typed="data=x")) is not None
    assert found.table is not None
    assert found.table.rules[0].column == column
    del content["columns"][0]["day_first"]
    path.write_text(json.dumps(content))
    assert prepared_transform(tmp_path, card, typed="data=x") is None
    with pytest.raises(
        DataError, match=r"transform\.json is not what prepare wrote; type: python src/prepare\.py data=x"
    ):
        prepared_transform(tmp_path, {**card, "transform_sha256": "0"}, typed="data=x")


def test_the_code_of_a_category_does_not_depend_on_the_piece_that_it_is_in(tmp_path: Path) -> None:
    (path := tmp_path / "rows.csv").write_text("code,age\n007,1\n7,1\nA,1\n8.0,1\n")
    column = Column("code", "category", ("007", "7", "8", "A"))
    for rows in (1, 2, 4):
        frames = read_frames(path, SETTINGS, rows=rows, texts=["code"])
        codes = [code for frame in frames for code in code_column(frame["code"], column, "rows")]
        assert codes == [0, 1, 3, 2]


def test_long_whole_numbers_and_underscores_are_levels_of_their_own() -> None:
    column = Column("code", "category", ("12345678901234567", "10"))
    texts = pd.Series(["012345678901234567", "12345678901234568", "1_0", "10.0"])
    assert code_column(texts, column, "rows").tolist() == [
        0, UNKNOWN, UNKNOWN, 1,
    ]  # fmt: skip
