"""New rows through a run: the same numbers as evaluate's, and one line for what cannot be predicted."""

from __future__ import annotations

import io
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from deployment.conftest import orders
from ratchet.commands.predict import main
from ratchet.config.composition import load_config
from ratchet.data.readers import read
from ratchet.deployment.predict import predict
from ratchet.errors import RatchetError
from ratchet.project import Project
from ratchet.runs import RunDirectory


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(run, given, project, **more) -> tuple[pd.DataFrame, dict]:
    predict(run, str(given), output=Path("predictions.csv"), project=project, **more)
    return pd.read_csv("predictions.csv", keep_default_na=False), json.loads(Path("predictions.json").read_text())


@pytest.mark.parametrize("name", ["class", "number", "binary", "digits"])
def test_the_raw_rows_of_the_test_split_get_the_numbers_of_evaluate(evaluated, here, name):
    project, run = evaluated(name)
    expected = pd.read_csv(run.evaluation / "predictions.csv").drop(columns=["index", "label"])
    if name == "digits":
        config = load_config(project, ["params=null", "data=digits"]).data
        raw = read(config, directory=project.raw("digits"), scratch=here)
        np.savez(here / "new.npz", x=np.stack([raw.x[k] for k in expected.id]), ids=expected.id)
        given = "new.npz"
    else:
        rows = orders().set_index("order").loc[expected.id].reset_index()
        rows.drop(columns="worth" if name == "number" else "churned").to_csv("new.csv", index=False)
        given = "new.csv"
    found, record = written(run, given, project)
    assert list(found.columns) == list(expected.columns)
    assert (found.id == expected.id).all()
    if name != "number":
        assert (found.predicted == expected.predicted).all()
    numbers = found.columns[2:] if name != "number" else ["predicted"]
    np.testing.assert_allclose(found[numbers], expected[numbers], atol=1.5e-6)
    assert record["rows"] == len(expected)
    assert record["data"]["hash"] == json.loads((run.path / "run.json").read_text())["data"]["hash"]
    if name == "binary":
        assert record["threshold"]["from"] == "validation, by f1"


def test_every_kind_of_file_and_standard_input_give_the_same_in_the_order_of_the_rows(evaluated, here, monkeypatch):
    project, run = evaluated("class")
    frame = orders().iloc[::-1]
    frame.to_csv("new.csv", index=False)
    frame.to_parquet("new.parquet")
    frame.to_json("new.jsonl", orient="records", lines=True)
    expected, _ = written(run, "new.csv", project)
    assert list(expected.id) == list(frame.order)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(Path("new.csv").read_bytes())))
    frame.to_json("new.jsonl.gz", orient="records", lines=True)
    frame.set_index("order").to_parquet("named.parquet")
    frame.set_index(frame.index[::-1]).to_parquet("index.parquet")
    for given in ("new.parquet", "new.jsonl", "new.jsonl.gz", "named.parquet", "index.parquet", "-"):
        assert written(run, given, project)[0].equals(expected)


def test_a_row_is_predicted_alike_whatever_stands_beside_it(evaluated, here, monkeypatch):
    """Types are those of training: days stand first, 7 and 7.0 are one level, though a single row does not say so."""
    project, run = evaluated("class")
    frame = orders()
    frame.to_csv("new.csv", index=False)
    whole, _ = written(run, "new.csv", project)

    def same(given: str, expected: pd.DataFrame) -> None:
        found, _ = written(run, given, project)
        pd.testing.assert_frame_equal(found, expected.reset_index(drop=True), atol=1.5e-6, rtol=0)  # a batch's sums

    for row in (0, 3, 31):
        frame.iloc[[row]].to_csv("one.csv", index=False)
        same("one.csv", whole.iloc[[row]])
    frame.assign(ward=frame.ward.astype(str) + ".0").to_csv("other.csv", index=False)
    same("other.csv", whole)
    monkeypatch.setattr("ratchet.deployment.inputs._ROWS", 7)
    same("new.csv", whole)


def test_a_run_that_is_not_complete_is_said(evaluated, here):
    project, run = evaluated("class")
    orders(5).to_csv("new.csv", index=False)
    shutil.copytree(run.path, here / "run")
    record = json.loads((here / "run/run.json").read_text())
    for status, said in [("completed", ()), ("interrupted", ("the run is not complete (interrupted): ",))]:
        (here / "run/run.json").write_text(json.dumps({**record, "status": status}))
        notes = predict(RunDirectory(here / "run"), "new.csv", output=Path("out.csv"), project=project).notes
        assert [note for note in notes if "run" in note] == [f"{each}its best checkpoint so far" for each in said]


def test_a_copied_run_predicts_without_a_project_s_data(evaluated, here):
    project, run = evaluated("class")
    orders(5).to_csv("new.csv", index=False)
    expected, _ = written(run, "new.csv", project)
    shutil.copytree(run.path, here / "run")
    shutil.copytree(project.conf, here / "conf")
    assert main(["input=new.csv", "run=run"]).rows == 5
    assert pd.read_csv("predictions.csv").equals(expected)
    with pytest.raises(RatchetError, match=r"there is no prepared data in .*; type: python src/fetch.py data=table "):
        main(["input=new.csv", "run=run", "abstain=true"])


def test_surprises_are_counted_and_the_rows_predicted(evaluated, here):
    project, run = evaluated("class")
    frame = orders(6).drop(columns="order").assign(colour="red")
    frame.loc[1, "city"], frame.loc[2:3, "income"] = "Paris", np.nan
    frame.to_csv("new.csv", index=False)
    found, record = written(run, "new.csv", project)
    assert list(found.id) == [1, 2, 3, 4, 5, 6]
    assert record["notes"] == [
        "the model takes nothing from column colour",
        "column city: a category that the data did not have, taken as other (1 row)",
        next(note for note in record["notes"] if "income: empty, as no training row was; taken as" in note),
        "there is no column order, so ids are the numbers of the rows",
    ]


ROW = "age,city,ward,new,at,income,worth\n"
GOOD = "30,Ulm,1,True,01/02/2024 10:00,3000,5\n"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("new.csv", "", "new.csv is empty; it needs a header and rows"),
        ("new.csv", ROW, "new.csv holds no rows; add some"),
        ("new.csv", ROW.replace("income", "incom") + GOOD, "new.csv has no column income, .*; nearest: incom; rename"),
        ("new.csv", "age\n1\n", r"new.csv has no column city, which the model was trained on \(6 such\); add it"),
        ("new.csv", ROW + GOOD + GOOD.replace("3000", "much"), "column income, row 2: 'much' is no number .*; mend it"),
        ("new.csv", ROW + GOOD.replace("3000", "inf"), "column income, row 1: inf is infinite or too large"),
        ("new.csv", ROW + GOOD.replace("01/02/2024", "31/31/2024"), "column at, row 1: '31/31/2024 10:00' is no date"),
        ("new.csv", ROW + GOOD + "1,2," + GOOD, "Expected 7 fields in line 3, saw 9; .*; mend the row"),
        ("new.csv", GOOD * 2, "has no column age"),
        ("new.jsonl", '{"age": 1}\n[2]\n', "new.jsonl line 2 is no row"),
        ("new.jsonl", '{"age": \n', "new.jsonl line 1 is no JSON"),
        ("new.jsonl", "\n", "new.jsonl holds no rows"),
        ("new.parquet", "PAR1", "new.parquet cannot be read as a table: "),
        ("new.npy", "x", "input=new.npy: orders is a table; allowed: a file .csv, .csv.gz, .parquet, .jsonl"),
        ("newer.csv", "x", "input=new.csv is missing; nearest: newer.csv; type: input=newer.csv"),
    ],
)
def test_what_cannot_be_predicted_is_one_line_and_nothing_is_written(evaluated, here, name, content, said):
    project, run = evaluated("class")
    (here / name).write_text(content)
    with pytest.raises(RatchetError, match=said):
        predict(run, "new.csv" if name == "newer.csv" else name, output=here / "out.csv", project=project)
    assert sorted(path.name for path in here.iterdir()) == [name]


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((3, 9, 9)), r"holds an array \[3, 9, 9\]; allowed: \[n, 1, 8, 8\], n examples"),
        (np.array(1.0), "holds a single number"),
        (np.full((2, 64), [[0.0], [np.nan]]), "example 2 holds NaN, infinity or a number too large for float32"),
        (np.array([["a"] * 64]), "they must be numbers"),
        (np.zeros((0, 64)), "new.npy holds no examples; add some"),
    ],
)
def test_arrays_that_cannot_be_predicted_are_one_line(evaluated, here, array, said):
    project, run = evaluated("digits")
    np.save("new.npy", array)
    with pytest.raises(RatchetError, match=said):
        predict(run, "new.npy", output=here / "out.csv", project=project)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], r"type: python src/predict\.py input=<file>$"),
        (
            ["input=new.csv", "abstian=true"],
            "abstian=true: predict does not know it; nearest: abstain; allowed: ",
        ),
        (["input="], "input= names nothing"),
        (["input=new.csv", "abstain=yes"], "abstain=yes; allowed: true, false; type: abstain=true"),
        (["input=new.csv", "coverage=0.8"], "no effect without abstain=true; type: abstain=true coverage=0.8"),
        (["input=new.csv", "abstain=true", "coverage=90"], "coverage=90; allowed: a number between 0 and 1"),
        (["input=new.csv", "output=new.csv"], "output=new.csv: allowed: a file .csv that is not the input"),
        (["input=new.csv", "run=nowhere"], "nowhere is no run directory"),
    ],
)
def test_a_command_that_is_not_understood_is_one_line(project, words, said):
    Path("new.csv").write_text("a\n1\n")
    with pytest.raises(RatchetError, match=said):
        main(words)


def test_a_run_without_checkpoint_is_one_line(evaluated, here):
    project, run = evaluated("class")
    shutil.copytree(run.path, here / "run", ignore=shutil.ignore_patterns("checkpoints"))
    with pytest.raises(RatchetError, match=r"there is no checkpoint .*best\.ckpt; type: "):
        predict(RunDirectory(here / "run"), "new.csv", output=here / "out.csv", project=project)


def test_a_folder_of_pictures_gets_the_numbers_of_evaluate(evaluated, here):
    project, run = evaluated("pictures")
    expected = pd.read_csv(run.evaluation / "predictions.csv").drop(columns=["index", "label"])
    for number, name in enumerate(expected.id):
        shutil.copy(project.root / "photos" / name, here / f"{number:03d}.png")
    (here / "broken.png").write_bytes(b"no picture")
    found, record = written(run, ".", project)
    assert list(found.id) == [f"{number:03d}.png" for number in range(len(expected))]
    assert (found.predicted == expected.predicted).all()
    np.testing.assert_allclose(found[found.columns[2:]], expected[expected.columns[2:]], atol=1.5e-6)
    assert record["notes"] == ["left out, as they cannot be read: 1, such as broken.png (no picture)"]
    with pytest.raises(RatchetError, match=r"broken\.png holds no examples"):
        predict(run, "broken.png", output=here / "out.csv", project=project)


def test_a_checkpoint_of_an_older_version_takes_the_transform_of_its_prepared_data(evaluated, here):
    project, run = evaluated("class")
    orders(5).to_csv("new.csv", index=False)
    expected, _ = written(run, "new.csv", project)
    old = RunDirectory(here / "run")
    shutil.copytree(run.path, old.path)
    contents = torch.load(old.best_checkpoint, weights_only=True)
    del contents["ratchet"]["transform"]
    torch.save(contents, old.best_checkpoint)
    assert written(old, "new.csv", project)[0].equals(expected)
    with pytest.raises(RatchetError, match=r"keeps no transform of raw examples, .* there is no prepared data in"):
        predict(old, "new.csv", output=here / "out.csv", project=Project(here))


@pytest.mark.parametrize("output", ["predictions.csv", "new.parquet", "package.csv", "new.csv"])
def test_nothing_is_written_over_that_is_no_earlier_prediction(evaluated, here, output):
    project, run = evaluated("binary")
    orders(5).to_csv("new.csv", index=False)
    Path("predictions.csv").symlink_to("new.csv")
    Path("package.json").write_text('{"name": "mine"}')
    Path("new.parquet").write_text("mine")
    before = {path.name: path.read_bytes() for path in Path().iterdir()}
    with pytest.raises(RatchetError, match=r"; type: output=.*_predicted\.csv$"):
        predict(run, f"{Path.cwd()}/new.csv", output=Path(output), project=project)
    assert {path.name: path.read_bytes() for path in Path().iterdir()} == before
    for _ in range(2):
        predict(run, "new.csv", output=Path("out.csv"), project=project)
