"""Tables of a person's own: what is read, what is refused in one line, and what becomes of the columns."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ratchet.config.tables import completed
from ratchet.errors import ConfigError, DataError, RatchetError
from ratchet.tables import Column, TableSettings, TableTransform, code_table, describe_target_column, read_frame

ROWS = "age,city,since,bought\n" + "".join(
    f"{20 + k % 50},{['Ulm', 'Jena', 'Bonn'][k % 3]},2024-01-{1 + k % 28:02d},{['no', 'yes'][k % 2]}\n"
    for k in range(60)
)


def write(folder: Path, content: str | bytes, name: str = "orders.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def settings(**given: Any) -> TableSettings:
    return TableSettings(**{"target": ("bought",), **given})


def coded(path: Path, **given: Any) -> Any:
    return code_table(read_frame(path, settings(**given)), path, settings(**given))


# --- reading


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_separator_and_encoding_are_found_out(tmp_path, separator, encoding):
    text = ROWS.replace("Ulm", "Köln").replace(",", separator)
    frame = read_frame(write(tmp_path, text.encode(encoding)), settings())
    assert list(frame.columns) == ["age", "city", "since", "bought"]
    assert set(frame["city"]) == {"Köln", "Jena", "Bonn"}


def test_quoted_cells_may_hold_separators_and_line_ends(tmp_path):
    path = write(tmp_path, 'age,city,bought\n1,"Ulm, south\nside",yes\n2,Jena,no\n')
    assert read_frame(path, settings())["city"].tolist() == ["Ulm, south\nside", "Jena"]


def test_gzip_and_parquet_are_read_like_csv(tmp_path):
    plain = read_frame(write(tmp_path, ROWS), settings())
    packed = tmp_path / "orders.csv.gz"
    packed.write_bytes(gzip.compress(ROWS.encode()))
    pd.testing.assert_frame_equal(read_frame(packed, settings()), plain)
    plain.to_parquet(tmp_path / "orders.parquet")
    assert coded(tmp_path / "orders.parquet").columns == coded(tmp_path / "orders.csv").columns


REFUSED = {
    "a column that is not there": (
        "age,city\n1,Ulm\n",
        {},
        r"has no column bought; allowed: age, city$",
    ),
    "a column that was renamed": (
        "age,Bought\n1,x\n",
        {},
        r"has no column bought; nearest: Bought; allowed: age, Bought$",
    ),
    "two columns of one name": ("age,age,bought\n1,2,x\n", {}, r"has 2 columns called 'age'"),
    "nothing": ("", {}, r"is empty; it needs a header and rows"),
    "blanks": (" \n\n", {}, r"is empty"),
    "a header alone": ("age,bought\n", {}, r"has a header and no rows"),
    "another separator": ("age:bought\n1:x\n", {}, r"has no column bought.*data\.separator=<another>"),
    "a row too long": ("age,bought\n1,x\n2,y,z\n", {}, r"line 3.*data\.separator"),
    "one endless line": (
        "a" * (2**20 + 10),
        {},
        r"is no table: line 1 has 1,048,586 bytes; allowed: at most 1,048,576",
    ),
    "an endless cell": (
        "age,bought\n1,yes\n" + "a" * 2**22 + ",no\n2,no\n",
        {},
        r"is no table: line 3 has 4,194,308 bytes; allowed: .*; type: gzip -cdf \S+orders\.csv \| sed -n 3p",
    ),
    "an endless cell in a gzip file": (
        gzip.compress(b"age,bought\n1,yes\n" + b"a" * 2**22),
        {},
        r"line 3 has 4,194,304 bytes",
    ),
    "an endless cell in UTF-16": (("age,bought\n1,yes\n" + "a" * 2**20).encode("utf-16"), {}, r"line 3 has 2,097,153"),
    "bytes": (b"age,bought\n\0\0\0", {}, r"is no text: it holds zero bytes"),
    "two encodings": (
        "age,bought\nKöln,x\n".encode() + "Köln,y\n".encode("cp1252"),
        {},
        r"mixes encodings: line 2 and line 3",
    ),
    "no column to learn from": ("bought\nyes\nno\n", {}, r"has no column to learn from beside bought"),
    "a word among numbers": (
        "age,bought\n" + "1,yes\n" * 20 + "old,no\n",
        {},
        r"column age, row 21: 'old' is no number \(1 such\); if it means a gap type: data\.missing=\['old'\]",
    ),
    "grouped digits": (
        'age,bought\n"1,234",yes\n"5,678",no\n',
        {},
        r"column age holds numbers with commas.*data\.thousands=,",
    ),
    "decimal commas": ("age;bought\n1,5;yes\n2,5;no\n", {}, r"column age holds numbers with commas.*data\.decimal=,"),
    "infinite": ("age,bought\n1,yes\ninf,no\n", {}, r"column age, row 2: inf is infinite"),
    "a date that is none": (
        "since,bought\n" + "2024-01-05,yes\n" * 20 + "2024-13-45,no\n",
        {},
        r"column since, row 21: '2024-13-45' is no date",
    ),
    "a kind that is none": (
        "age,bought\n1,yes\n2,no\n",
        {"types": {"age": "word"}},
        r"data\.types\.age=word; allowed: number",
    ),
    "a kind of no column": ("age,bought\n1,yes\n", {"types": {"size": "number"}}, r"has no column size"),
    "ignoring no column": ("age,bought\n1,yes\n", {"ignore": ("size",)}, r"has no column size"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_is_one_clear_line(tmp_path, case):
    content, given, said = REFUSED[case]
    with pytest.raises(RatchetError, match=said) as refused:
        coded(write(tmp_path, content), **given)
    assert "\n" not in str(refused.value)
    assert "orders.csv" in str(refused.value) or "data.types" in str(refused.value)


WORDS = "w" * 5000
LONG = {
    "a cell among numbers": ("age,bought\n" + "1,yes\n" * 20 + f"{WORDS},no\n", {}),
    "a cell among dates": ("since,bought\n" + "2024-01-05,yes\n" * 20 + f"{WORDS},no\n", {}),
    "a column": (f"{WORDS},bought\n" + "1,yes\n" * 20 + "old,no\n", {}),
    "a column that is left out": (f"{WORDS},bought\n,yes\n,no\n", {}),
    "columns of one name": (f"{WORDS},{WORDS},bought\n1,1,yes\n", {}),
    "another target": (f"{WORDS},size\n1,1\n", {}),
    "a target": ("age,size\n1,1\n", {"target": (WORDS,)}),
}


@pytest.mark.parametrize("case", LONG)
def test_a_message_shows_the_beginning_of_a_long_text_and_its_length(tmp_path, case):
    content, given = LONG[case]
    with pytest.raises(RatchetError, match=r"w{60}… \(5,000 characters\)") as refused:
        coded(write(tmp_path, content), **given)
    assert len(str(refused.value)) < 600


def test_a_long_target_is_shown_by_its_beginning(tmp_path):
    path = write(tmp_path, "age,bought\n" + f"1,{WORDS}\n" * 2)
    with pytest.raises(DataError, match=r"is w{60}… \(5,000 characters\) in each of its 2 rows"):
        describe_target_column(path, settings(), asked=None)


def test_a_quoted_cell_of_many_lines_may_be_long(tmp_path):
    page = "a line of a page\n" * 20_000
    frame = read_frame(write(tmp_path, f'text,bought\n"{page}",yes\nshort,no\n'), settings())
    assert frame["text"].str.len().tolist() == [len(page), 5]


def test_a_file_that_is_missing_or_a_directory_is_named(tmp_path):
    with pytest.raises(DataError, match=r"gone\.csv is missing"):
        read_frame(tmp_path / "gone.csv", settings())
    with pytest.raises(DataError, match="is a directory"):
        read_frame(tmp_path, settings())


def test_what_is_named_is_read_otherwise(tmp_path):
    path = write(tmp_path, 'age;size;code;bought\n"1.234,5";1;7;yes\n"2.000,5";?;8;no\n')
    found = coded(path, decimal=",", thousands=".", missing=("?",), types={"code": "category"})
    assert found.columns == (Column("age", "number"), Column("size", "number"), Column("code", "category", ("7", "8")))
    assert found.values[:, 0].tolist() == pytest.approx([1234.5, 2000.5])
    assert np.isnan(found.values[1, 1])


# --- columns


def test_kinds_are_told_apart_by_values(tmp_path):
    frame = pd.DataFrame(
        {
            "number": np.arange(200) / 7,
            "whole": np.arange(200) % 5,
            "gaps": [None, 1.5] * 100,
            "flag": [True, False] * 100,
            "city": ["Ulm", "Jena"] * 100,
            "since": ["05.01.2024", "17.02.2023"] * 100,
            "at": ["2024-01-05 06:00"] * 200,
            "note": [f"words {k}" for k in range(100)] * 2,
            "id": [f"c{k}" for k in range(200)],
            "nothing": [None] * 200,
            "bought": ["yes", "no"] * 100,
        }
    )
    frame.to_csv(tmp_path / "orders.csv", index=False)
    found = coded(tmp_path / "orders.csv")
    kinds = {column.name: column.kind for column in found.columns}
    assert kinds == {
        "number": "number",
        "whole": "number",
        "gaps": "number",
        "flag": "category",
        "city": "category",
        "since": "date",
        "at": "date",
    }
    assert [note[0].split(":")[0] for note in found.notes] == [
        "column note is left out",
        "column id is left out",
        "column nothing is left out",
    ]
    days = found.values[:2, list(kinds).index("since")]
    assert days.tolist() == [(pd.Timestamp(day) - pd.Timestamp(0)).days for day in ("2024-01-05", "2023-02-17")]


# --- the target

TARGETS = [
    (["b", "a", "b"], "class", ("a", "b")),
    ([10, 9, 10], "class", ("9", "10")),
    ([1.0, 0.0, None, 1.0], "class", ("0", "1")),
    ([True, False], "class", ("False", "True")),
    ([0.5, 1.25, 3.75], "number", ()),
    (list(range(30)), "number", ()),
]


@pytest.mark.parametrize(("values", "kind", "classes"), TARGETS)
def test_the_kind_of_a_target_is_found_out(tmp_path, values, kind, classes):
    pd.DataFrame({"age": range(len(values)), "bought": values}).to_csv(tmp_path / "orders.csv", index=False)
    found = describe_target_column(tmp_path / "orders.csv", settings(), asked=None)
    assert (found.kind, found.classes) == (kind, classes)


@pytest.mark.parametrize(
    ("values", "said"), [([1, 1, 1], "is 1 in each of its 3 rows"), ([None, None], "is empty in each")]
)
def test_a_target_that_teaches_nothing_is_refused(tmp_path, values, said):
    pd.DataFrame({"age": range(len(values)), "bought": values}).to_csv(tmp_path / "orders.csv", index=False)
    with pytest.raises(DataError, match=said):
        describe_target_column(tmp_path / "orders.csv", settings(), asked=None)


# --- the transform


def fitted(frame: pd.DataFrame, tmp_path: Path, *, train: int) -> tuple[TableTransform, np.ndarray]:
    frame.to_csv(tmp_path / "orders.csv", index=False)
    found = coded(tmp_path / "orders.csv")
    transform = TableTransform.fit(found.columns, found.values[:train])
    return transform, transform.apply(found.values)


def test_gaps_are_filled_by_the_median_of_train_and_marked(tmp_path):
    frame = pd.DataFrame({"age": [1.5, 2.5, 3.5, None, 100.0], "bought": ["yes", "no", "yes", "no", "yes"]})
    transform, x = fitted(frame, tmp_path, train=4)
    assert transform.features == ["age", "age missing"]
    assert x.tolist() == [[1.5, 0], [2.5, 0], [3.5, 0], [2.5, 1], [100, 0]]


def test_a_category_that_train_has_not_is_another(tmp_path):
    frame = pd.DataFrame({"city": ["Ulm", "Jena", "Ulm", "Bonn", None], "bought": ["yes", "no", "yes", "no", "yes"]})
    transform, x = fitted(frame, tmp_path, train=3)
    assert transform.features == ["city=Jena", "city=Ulm", "city other"]
    assert x.tolist() == [[0, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1]]


def test_the_same_object_turns_a_new_row_into_the_same_numbers_after_a_round_through_json(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": np.where(rng.random(80) < 0.1, np.nan, rng.normal(40, 9, 80).round(2)),
            "city": rng.choice(["Ulm", "Jena", "Bonn"], 80),
            "at": pd.date_range("2024-01-01", periods=80, freq="7h").astype(str),
            "bought": rng.choice(["yes", "no"], 80),
        }
    )
    transform, x = fitted(frame, tmp_path, train=50)
    again = TableTransform.from_json(json.loads(json.dumps(transform.as_json())))
    raw = read_frame(tmp_path / "orders.csv", settings())
    assert again == transform
    assert again.apply(again.codes(raw.drop(columns="bought").iloc[60:], where="new.csv")).tolist() == x[60:].tolist()
    with pytest.raises(DataError, match=r"new\.csv has no column city, which the model was trained on"):
        again.codes(raw.drop(columns="city"), where="new.csv")


def test_nothing_of_the_other_splits_decides(tmp_path):
    frame = pd.DataFrame({"age": [1.0, 2.0, 3.0, 4.0], "city": ["Ulm", "Jena", "Ulm", "Jena"], "bought": list("yyny")})
    one, _ = fitted(frame, tmp_path, train=2)
    frame.loc[2:, ["age", "city"]] = [[999.0, "Bonn"], [-999.0, "Bonn"]]
    other, _ = fitted(frame, tmp_path, train=2)
    assert one.features == other.features
    assert [rule.gap for rule in one.rules] == [rule.gap for rule in other.rules]


def test_a_target_of_several_columns_is_of_labels(tmp_path):
    path = write(tmp_path, "age,a,b\n1,0,1\n2,1,1\n")
    assert describe_target_column(path, settings(target=("a", "b")), asked=None).classes == ("a", "b")


def test_a_table_needs_a_file_and_a_target():
    with pytest.raises(
        ConfigError, match=r"a table needs both; type: data=table data\.path=<file> data\.target=<column>"
    ):
        completed({"path": "orders.csv", "target": None})


def test_as_many_decimal_commas_as_semicolons_are_told_apart_by_the_header(tmp_path):
    rows = "".join(f"{k},0;{k},5;{k},25;{'yes' if k % 2 else 'no'},x;{k}\n" for k in range(9))
    frame = read_frame(write(tmp_path, f"a;b;c;bought;d\n{rows}"), settings())
    assert list(frame.columns) == ["a", "b", "c", "bought", "d"]


def test_a_target_of_grouped_digits_is_not_taken_for_classes(tmp_path):
    rows = "".join(f'{k},"{k + 1},{k * 7:03d}.50"\n' for k in range(60))
    with pytest.raises(DataError, match=r"column bought holds numbers with commas \(row 1: '1,000.50'\); type: data\."):
        describe_target_column(write(tmp_path, f"age,bought\n{rows}"), settings(), asked=None)
