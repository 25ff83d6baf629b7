"""Groups and slices: a planted one is found and named, among equals few are told, numbers are those of the rows."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ratchet.commands.slices import main
from ratchet.deployment.slicing import Rows, groups, worst_slices
from ratchet.errors import RatchetError
from ratchet.tables import Column, TableTransform

COLUMNS = (Column("age", "number"), Column("city", "category", ("Bonn", "Jena", "Ulm")), Column("day", "date"))


def made(n: int, seed: int, *, bad: float = 0.2, number: bool = False) -> tuple[TableTransform, Rows]:
    """Rows with gaps; wrong with the chance `bad` where age is above 60 in Ulm, else 0.2."""
    rng = np.random.default_rng(seed)
    codes = np.stack([rng.uniform(20, 80, n), rng.integers(0, 3, n), rng.uniform(19000, 20000, n)], 1).astype(
        np.float32
    )
    codes[:5, 0] = np.nan
    table = TableTransform.fit(COLUMNS, codes)
    planted = (codes[:, 0] > 60) & (codes[:, 1] == 2)
    wrong = (rng.random(n) < np.where(planted, bad, 0.2)).astype(float)
    mistakes = wrong + rng.exponential(size=n) if number else wrong
    return table, Rows(table.apply(codes).astype(np.float64), codes.astype(np.float64), mistakes, shares=not number)


@pytest.mark.parametrize("number", [False, True])
def test_a_planted_slice_is_found_on_validation_and_told_on_test(number):
    table, validation = made(1500, 0, bad=0.95, number=number)
    found = worst_slices(validation, made(1500, 1, bad=0.95, number=number)[1], table)
    assert found[0].told
    assert {"city=Ulm"} < set(found[0].name.split(" and "))
    assert "age > 5" in found[0].name or "age > 6" in found[0].name
    assert found[0].wrong > 2 * found[0].elsewhere or number
    assert found[0].found > found[0].elsewhere


def test_a_group_has_the_numbers_of_its_rows():
    table, test = made(900, 2, bad=0.9)
    found = {each.name: each for each in groups(test, table, ["city", "age", "day"])}
    of_ulm = test.codes[:, 1] == 2
    ulm = found["city = Ulm"]
    assert (ulm.rows, ulm.wrong) == (of_ulm.sum(), test.mistakes[of_ulm].mean())
    assert ulm.elsewhere == test.mistakes[~of_ulm].mean()
    assert ulm.told
    assert ulm.low < ulm.wrong < ulm.high
    assert sum(each.rows for name, each in found.items() if "city" in name) == 900
    assert sum(each.rows for name, each in found.items() if "age" in name) == 895  # five gaps are too few
    assert any(name.startswith("day <= 2022") for name in found)
    assert not any("age is empty" in name for name in found)


def test_among_equals_few_tables_tell_anything():
    seen = {"groups": 0, "slices": 0}
    for seed in range(60):
        table, validation = made(300, 2 * seed)
        test = made(300, 2 * seed + 1)[1]
        seen["groups"] += any(each.told for each in groups(test, table, ["city", "age"]))
        seen["slices"] += any(each.told for each in worst_slices(validation, test, table))
    assert max(seen.values()) <= 3 + 3 * (60 * 0.05 * 0.95) ** 0.5


def test_what_is_never_wrong_has_no_worst_slice():
    table, rows = made(100, 0)
    right = Rows(rows.features, rows.codes, np.zeros(100), shares=True)
    assert worst_slices(right, right, table) == []
    assert not any(each.told for each in groups(right, table, ["city"]))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["binary", "number"])
def test_the_command_writes_both(evaluated, tmp_path, monkeypatch, capsys, name):
    project, run = evaluated(name)
    monkeypatch.chdir(project.root)
    main([f"run={run.path}", "by=[city,ward]", f"output={tmp_path}/bad.json"])
    content = json.loads((tmp_path / "bad.json").read_text())
    metrics = json.loads((run.evaluation / "metrics.json").read_text())
    if name == "binary":
        assert content["all"] == pytest.approx(1 - metrics["accuracy"], abs=1e-9)
    assert sum(each["rows"] for each in content["groups"] if each["name"].startswith("city")) <= content["rows"]
    assert "test rows; " in capsys.readouterr().out
    for words, said in [
        (["by=[citty]"], "by: there is no column citty; nearest: city"),
        (["bye=city"], "slices does not know it; nearest: by"),
    ]:
        with pytest.raises(RatchetError, match=said):
            main([f"run={run.path}", *words])


@pytest.mark.slow
def test_what_is_no_table_has_no_slices(evaluated, monkeypatch):
    project, run = evaluated("digits")
    monkeypatch.chdir(project.root)
    with pytest.raises(RatchetError, match="slices are of the columns of a table"):
        main([f"run={run.path}"])
