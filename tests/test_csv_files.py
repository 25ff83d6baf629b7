"""No cell of a table is a formula to a spreadsheet, numbers stay numbers, and what was written is what is read."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from ratchet.csv_files import csv_line, csv_text, read_csv
from ratchet.errors import FileError

LIVE = [
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("http://a")',
    "-x()",
    "-A1+B1",
    "＝1",
]
NUMBERS = ["-0.5", "+1", "-1e-4", "-1E+05", "-.5", "-3.", "-inf", "+nan", "0", "1e5", "-A1", "+49.170-5", "-x_7:b"]
PLAIN = ["", "cnn", "a=b", "1+1", "'", "'a", "it's", "a,b", 'a"b', "a\nb", "é", "[1, -2]"]
ESCAPED = ["'=1", "''=1", "'-0.5", "''''@a"]


@pytest.mark.parametrize("text", LIVE)
def test_text_that_a_spreadsheet_would_run_is_text(text: str) -> None:
    (row,) = csv.reader(io.StringIO(csv_line([text, "a"]), newline=""))
    assert row == [f"'{text}", "a"]


@pytest.mark.parametrize("number", [*NUMBERS, -0.5, -3, float("-inf"), True, None])
def test_numbers_stay_as_they_are(number: object) -> None:
    assert csv_line([number, "a"]) == f"{'' if number is None else number},a\n"


def test_what_was_written_is_read(tmp_path: Path) -> None:
    texts = [*LIVE, *NUMBERS, *PLAIN, *ESCAPED]
    path = tmp_path / "table.csv"
    path.write_text(csv_text(["=head", "b"], [[text, "x"] for text in texts]), encoding="utf-8", newline="")
    assert read_csv(path) == (["=head", "b"], [[text, "x"] for text in texts])


def test_a_row_that_a_kill_has_torn_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("a,b\n1,2\n3", encoding="utf-8")
    assert read_csv(path) == (["a", "b"], [["1", "2"]])
    path.write_text("a,b\n1\n3,4\n", encoding="utf-8")
    with pytest.raises(FileError, match=r"table.csv row 2 has 1 cells, and its header 2; type: mv "):
        read_csv(path)
