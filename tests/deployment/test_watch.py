"""What serve keeps, and what watch says of it: nothing among equals, an alarm where rows are shifted."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from deployment.conftest import SOURCE, client, orders
from ratchet.commands.serve import keeper_of
from ratchet.commands.watch import main
from ratchet.data.normalisation import Normalisation
from ratchet.data.transform import Transform
from ratchet.deployment.exported import ExportedModel
from ratchet.deployment.keeping import Keeper
from ratchet.deployment.kept import Kept, labels_of, read_kept
from ratchet.deployment.reference import Reference, samples, some
from ratchet.deployment.reference import said as samples_said
from ratchet.deployment.watching import read_reference, watch
from ratchet.errors import RatchetError
from ratchet.tables.columns import Column
from ratchet.tables.transform import TableTransform
from ratchet.tasks.base import Target

pytestmark = pytest.mark.slow
TRANSFORM = Transform((3,), Normalisation("none", np.zeros(1, np.float32), np.ones(1, np.float32)))


def rows_of(frame: pd.DataFrame, target: str = "churned") -> list[dict]:
    return json.loads(frame.drop(columns=target).to_json(orient="records"))


def send(directory: Path, folder: Path, rows: list, *, at_once: int = 50, **keys: str) -> list[dict]:
    """Answers to rows of a service in this process that keeps them."""
    model = ExportedModel.load(directory)
    keeper = keeper_of({"keep": str(folder), **keys}, model).start()
    http = client(directory, keeper)
    found = []
    for start in range(0, len(rows), at_once):
        answer = http.post("/predict", json={"rows": rows[start : start + at_once]})
        assert answer.status_code == 200
        found += answer.json()["predictions"]
    keeper.close()
    return found


def check(directory: Path, folder: Path, tmp_path: Path, *more: str) -> tuple[int, dict]:
    output = tmp_path / "out"
    status = main([f"requests={folder}", f"model={directory}", f"output={output}", *more])
    assert "<script" in (output / "watch.html").read_text()
    return status, json.loads((output / "watch.json").read_text())


def test_rows_that_are_not_shifted_give_no_alarm(exported, tmp_path):
    directory = exported("binary")
    dates = np.random.default_rng(1).choice(orders()["at"], 600)  # later ones would move the predictions
    send(directory, tmp_path / "kept", rows_of(orders(1200).iloc[600:].assign(at=dates)))
    status, found = check(directory, tmp_path / "kept", tmp_path)
    assert (status, found["rows"], found["requests"], found["drifted"]) == (0, 600, 12, 0)
    assert {each["name"] for each in found["findings"]} >= {"age", "city", "prediction", "largest probability"}


def test_a_service_keeps_requests_and_watch_tells_shifted_rows(exported, tmp_path):
    """The whole way, by the commands."""
    directory, frame = exported("binary"), orders(200)
    rows = rows_of(frame.assign(age=frame.age + 9, city="Ulm"))
    command = [sys.executable, str(SOURCE / "serve.py"), f"model={directory}", "port=0", f"keep={tmp_path}/kept"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as service:
        address = re.search(r"http\S+/predict", service.stdout.readline())[0]
        body = json.dumps({"rows": rows}).encode()
        request = urllib.request.Request(address, body, {"content-type": "application/json"})
        with urllib.request.urlopen(request) as answer:
            assert len(json.load(answer)["predictions"]) == 200
        service.send_signal(signal.SIGTERM)
        assert service.wait(60) in {0, 143}
    command = [sys.executable, str(SOURCE / "watch.py"), f"requests={tmp_path}/kept", f"model={directory}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "rows 200, requests 1: " in done.stdout
    found = json.loads((tmp_path / "watch/watch.json").read_text())
    assert {"age", "city"} <= {each["name"] for each in found["findings"] if each["drifted"]}
    done = subprocess.run(
        [*command[:2], "requests=a", "alpha=2"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


def test_labels_that_arrive_later_are_joined_by_the_answer(exported, tmp_path, capsys):
    directory, folder = exported("binary"), tmp_path / "kept"
    frame = orders(300)
    answers = send(directory, folder, rows_of(frame))
    truth = pd.DataFrame({"id": [each["answer"] for each in answers], "label": frame.churned})
    right = float(np.mean([each["predicted"] == true for each, true in zip(answers, frame.churned, strict=True)]))
    truth.loc[3, "label"] = None
    pd.concat([truth, pd.DataFrame({"id": ["mine"], "label": ["no"]})]).to_csv(tmp_path / "true.csv", index=False)
    _, found = check(directory, folder, tmp_path, f"labels={tmp_path / 'true.csv'}")
    assert found["quality"]["labels"] == 299
    assert found["quality"]["value"] == pytest.approx(right, abs=0.01)
    assert "labels without a kept answer: 1" in found["notes"]
    other = truth.label.map({"yes": "no", "no": "yes"})
    truth.assign(id=frame["order"], label=other).to_csv(tmp_path / "wrong.csv", index=False)  # by the row's own id
    status, found = check(directory, folder, tmp_path, f"labels={tmp_path / 'wrong.csv'}")
    assert status == 1
    assert [each["what"] for each in found["findings"] if each["drifted"]] == ["quality"]
    for content, said in [
        ("id,labell\na,no\n", "has no column label; nearest: labell"),
        ("id,label\na,maybe\n", "the label of a is 'maybe'; allowed: no, yes"),
        ("id,label\na,no\na,yes\n", "has two labels of a: no, yes"),
        ("", "is empty"),
    ]:
        (tmp_path / "bad.csv").write_text(content)
        with pytest.raises(RatchetError, match=said):
            check(directory, folder, tmp_path, f"labels={tmp_path / 'bad.csv'}")


def test_a_row_without_an_id_is_kept_without_one(exported, tmp_path):
    """Its place in the request would be the id of other rows."""
    rows = rows_of(orders(6))
    for row in rows[:5]:
        row.pop("order")
    send(exported("binary"), tmp_path / "kept", [*rows[:4], {**rows[4], "order": None}, rows[5]], at_once=3)
    frame = pd.concat(map(pd.read_parquet, (tmp_path / "kept").glob("*.parquet")))
    assert sorted(map(str, frame["id"].dropna())) == [str(rows[5]["order"])]


def test_a_reference_of_periodic_rows_has_every_phase():
    rows = np.arange(14_000) % 7
    drawn = some(rows)
    assert len(drawn) == 2000
    assert np.bincount(drawn, minlength=7).min() > 200
    assert (some(rows) == drawn).all()
    assert (some(rows[:2000]) == rows[:2000]).all()


def test_errors_of_numbers_are_compared(exported, tmp_path):
    directory, folder = exported("number"), tmp_path / "kept"
    frame = orders(200)
    answers = send(directory, folder, rows_of(frame, "worth"))
    for moved, wanted in [(0, 0), (9, 1)]:
        truth = pd.DataFrame({"id": [each["answer"] for each in answers], "label": frame.worth + moved})
        truth.to_csv(tmp_path / "true.csv", index=False)
        status, found = check(directory, folder, tmp_path, f"labels={tmp_path / 'true.csv'}")
        assert (status, found["quality"]["metric"]) == (wanted, "mean error")


def test_odd_requests_are_watched_without_a_false_alarm_or_a_traceback(exported, tmp_path):
    directory = exported("binary")
    rows = rows_of(orders(100))
    send(directory, tmp_path / "one", rows[:1])
    status, found = check(directory, tmp_path / "one", tmp_path)
    assert (status, found["findings"]) == (0, [])
    assert "too few rows to tell anything" in "".join(found["notes"])
    send(directory, tmp_path / "gaps", [{**row, "income": None, "city": None, "age": 40} for row in rows])
    status, found = check(directory, tmp_path / "gaps", tmp_path)
    drifted = {(each["name"], each["what"]) for each in found["findings"] if each["drifted"]}
    assert {("income", "gaps"), ("city", "gaps"), ("age", "values")} <= drifted
    send(directory, tmp_path / "strange", [{**row, "city": "Köln ☃"} for row in rows])
    status, found = check(directory, tmp_path / "strange", tmp_path)
    assert next(each for each in found["findings"] if each["name"] == "city")["now"] == "(any other) 100.0 %"
    assert check(directory, tmp_path / "strange", tmp_path, "ignore=[city]", "alpha=1e-9", "since=1h")[0] == 0


def test_what_is_kept_is_a_part_capped_and_redacted(exported, tmp_path, monkeypatch):
    directory, folder = exported("binary"), tmp_path / "kept"
    monkeypatch.setattr("ratchet.deployment.keeping._ROWS", 50)
    rows = rows_of(orders(400))
    send(directory, folder, rows, keep_rows="120", redact="[income,order]")
    frame = pd.concat(map(pd.read_parquet, folder.glob("*.parquet")))
    assert len(frame) == 100  # whole files, the newest
    assert frame["id"].isna().all()
    assert set(json.loads(frame["row"].iloc[0])) == set(rows[0]) - {"income", "order"}
    _, found = check(directory, folder, tmp_path)
    assert "not compared, as it was not kept: income" in found["notes"]
    send(directory, tmp_path / "part", rows, keep_share="0.25")
    assert 50 < sum(map(len, map(pd.read_parquet, (tmp_path / "part").glob("*.parquet")))) < 150


def test_where_a_disk_fails_keeping_stops_with_one_warning_and_answers_go_on(exported, tmp_path, monkeypatch, capfd):
    directory = exported("binary")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pyarrow.parquet.write_table", full)
    monkeypatch.setattr("ratchet.deployment.keeping._ROWS", 10)
    answers = send(directory, tmp_path / "kept", rows_of(orders(200)))
    assert len(answers) == 200
    assert capfd.readouterr().err.count("requests are no longer kept") == 1
    assert not list((tmp_path / "kept").iterdir())


def test_rows_before_and_after_a_column_is_redacted_raise_no_alarm_for_gaps(exported, tmp_path):
    directory, folder = exported("binary"), tmp_path / "kept"
    rows = rows_of(orders(300))
    send(directory, folder, rows[:150])
    send(directory, folder, rows[150:], redact="[age]")
    _, found = check(directory, folder, tmp_path)
    assert not [each for each in found["findings"] if each["drifted"] and each["what"] == "gaps"]
    assert {"gaps", "values"} == {each["what"] for each in found["findings"] if each["name"] == "age"}
    assert "age is compared without the 150 rows that were kept without it" in found["notes"]


def test_labels_are_joined_to_rows_that_are_not_compared_and_those_before_since_are_told_apart(
    exported, tmp_path, monkeypatch
):
    directory, folder = exported("binary"), tmp_path / "kept"
    frame = orders(120)
    early = send(directory, folder, rows_of(frame[:20]))
    since = pd.Timestamp.now("UTC")
    late = send(directory, folder, rows_of(frame[20:]))
    monkeypatch.setattr("ratchet.deployment.kept.MOST", 30)
    monkeypatch.setattr("ratchet.deployment.kept._PIECE", 200)
    ids = [*(each["answer"] for each in [*early, *late]), "mine"]
    pd.DataFrame({"id": ids, "label": [*frame.churned, "no"]}).to_csv(tmp_path / "true.csv", index=False)
    _, found = check(directory, folder, tmp_path, f"labels={tmp_path / 'true.csv'}", f"since={since.isoformat()}")
    assert (found["rows"], found["quality"]["labels"]) == (100, 100)
    assert "labels without a kept answer: 1" in found["notes"]
    assert "labels of rows before the time that since= names: 20" in found["notes"]
    assert any(note.startswith("30 of 100 rows are compared") for note in found["notes"])
    kept = read_kept(folder, model=ExportedModel.load(directory).manifest["checkpoint"]["sha256"], since=None)
    pieces = list(kept.pieces())
    assert len(pieces) > 2
    assert [row["order"] for piece in pieces for row in piece if "order" in row] == []
    assert sum(map(len, pieces)) == 30


def test_what_a_request_took_does_not_go_by_its_rows_and_refusals_and_repeated_rows_are_told(exported, tmp_path):
    """Of a tenth of the rows: ninety requests of one row, of which nine are kept, one of a hundred, ten of them."""
    directory, folder = exported("binary"), tmp_path / "kept"
    keeper = keeper_of({"keep": str(folder)}, ExportedModel.load(directory)).start()
    http = client(directory, keeper)
    rows = rows_of(orders(19))
    assert http.post("/predict", json={"rows": []}).status_code == 422
    assert http.post("/predict", json={"rows": [{**rows[0], "at": "soon"}]}).status_code == 422
    assert http.post("/predict", json={"rows": rows}).status_code == 200
    keeper.close()
    sha256 = ExportedModel.load(directory).manifest["checkpoint"]["sha256"]
    kept = read_kept(folder, model=sha256, since=None)
    assert kept.notes == ("requests that serve refused: 2",)
    large = np.arange(19) < 10
    frame = kept.frame.assign(
        answer=np.where(large, "large-", "small") + kept.frame["answer"].to_numpy() * ~large,
        of_rows=np.where(large, 100, 1), milliseconds=np.where(large, 900.0, 1.0),
    )  # fmt: skip
    model = ExportedModel.load(directory)
    reference = replace(read_reference(directory, model), repeated=7)
    found = watch(replace(kept, frame=frame), model, Reference.from_json(reference.as_json()))
    assert found.milliseconds == {"50": 1.0, "95": 1.0, "99": 900.0}
    assert any(note.startswith("the reference is without 7 rows that prepare took out") for note in found.notes)


@pytest.mark.parametrize(("classes", "label"), [(["0", "1"], "1.0"), (["true", "false"], "True"), (["7", "8"], "007")])
def test_labels_are_classes_however_they_are_written(tmp_path, classes, label):
    kept = Kept(pd.DataFrame({"answer": ["a"], "id": [None]}), ())
    (tmp_path / "true.csv").write_text(f"id,label\na,{label}\n")
    found, notes = labels_of(tmp_path / "true.csv", kept, classes=classes)
    assert found[0] in classes
    assert not notes


@pytest.mark.parametrize("values", [np.arange(20) / 30, 1e6 + 1e7 * np.tan(np.arange(20) / 15), 1e-9 * np.arange(20)])
def test_equal_numbers_of_the_reference_and_of_requests_stay_equal_and_others_apart(values):
    codes = np.repeat(values.astype(np.float32), 20)[:, None]
    table = TableTransform.fit([Column("size", "number")], codes)
    x = table.apply(codes)
    mean, std = (np.array([value], np.float32) for value in (x.mean(), x.std()))
    transform = Transform(None, Normalisation("feature", mean, std), table)
    old, new = (
        next(samples(transform.normalisation.apply(x), transform, *more)).values for more in ((), (codes[::-1],))
    )
    assert (old == new).all()
    assert len(np.unique(old)) >= 19


def keeper_in(folder: Path, **more: object) -> Keeper:
    return Keeper(folder, "0" * 64, **more).start()


def kept_in(folder: Path) -> pd.DataFrame:
    return pd.concat(map(pd.read_parquet, sorted(folder.glob("*.parquet"))))


def answers_to(rows: list) -> list[dict]:
    return [{"id": k, "answer": f"a-{k}", "predicted": "no"} for k in range(len(rows))]


def test_wide_rows_are_written_as_soon_as_there_is_enough_of_them(tmp_path, monkeypatch, capfd):
    """A quarter of what may wait is not left lying for the seconds that few rows wait."""
    monkeypatch.setattr("ratchet.deployment.keeping._SECONDS", 300.0)
    monkeypatch.setattr("ratchet.deployment.keeping._WAITING", 40_000)
    keeper, rows = keeper_in(tmp_path), [[0.5] * 3000]  # 15,000 bytes
    for number in range(1, 6):
        keeper.keep(rows, answers_to(rows), milliseconds=1.0)
        until(lambda number=number: len(list(tmp_path.glob("*.parquet"))) == number)
    rows = [[0.5] * 30_000]  # more than may wait: alone it is let in
    until(lambda: not keeper._waiting)
    keeper.keep(rows, answers_to(rows), milliseconds=1.0)
    keeper.close()
    assert len(kept_in(tmp_path)) == 6
    assert not capfd.readouterr().err


def until(true: Callable[[], bool]) -> None:
    for _ in range(3000):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError("it has not come to be")


def test_after_a_failure_it_is_tried_again_and_the_rows_between_are_counted(tmp_path, monkeypatch, capfd):
    import pyarrow.parquet as pq

    monkeypatch.setattr("ratchet.deployment.keeping._SECONDS", 0.01)
    monkeypatch.setattr("ratchet.deployment.keeping._AGAIN", 300.0)
    keeper = keeper_in(tmp_path)
    with monkeypatch.context() as broken:
        broken.setattr(pq, "write_table", lambda *_: 1 / 0)
        keeper.keep([[1.0]] * 3, answers_to([0] * 3), milliseconds=1.0)
        until(lambda: keeper._since["dropped"] == 3)
    keeper.keep([[1.0]] * 4, answers_to([0] * 4), milliseconds=1.0)  # not yet
    assert keeper._since["dropped"] == 7
    keeper._until = 0.0
    for number in (1, 2):
        keeper.keep([[1.0]] * 5, answers_to([0] * 5), milliseconds=1.0)
        until(lambda number=number: len(list(tmp_path.glob("*.parquet"))) == number)
    keeper.close()
    kept = read_kept(tmp_path, model="0" * 64, since=None)
    assert len(kept.frame) == 10
    assert kept.notes == ("rows that serve answered and could not keep: 7",)
    assert capfd.readouterr().err.count("warning") == 1


def test_that_nothing_was_kept_of_late_is_said(tmp_path):
    keeper = keeper_in(tmp_path)
    keeper.keep([[1.0]], answers_to([0]), milliseconds=1.0)
    keeper.close()
    assert not read_kept(tmp_path, model="0" * 64, since=None).notes
    path = next(tmp_path.glob("*.parquet"))
    frame = pd.read_parquet(path)
    frame.assign(at=frame["at"] - pd.Timedelta(days=2)).to_parquet(path)
    assert "nothing was kept since" in read_kept(tmp_path, model="0" * 64, since=None).notes[0]


def test_where_few_rows_come_files_are_written_more_seldom_and_old_unfinished_ones_are_removed(tmp_path, monkeypatch):
    monkeypatch.setattr("ratchet.deployment.keeping._SECONDS", 0.001)
    old, new = (tmp_path / f".kept-{name}-3.parquet.77" for name in "ab")
    for path in (old, new):
        path.touch()
    os.utime(old, (0, 0))
    keeper = keeper_in(tmp_path)
    assert [path for path in (old, new) if path.exists()] == [new]
    for rows, quiet in [(1, 1), (2, 2), (500, 0)]:
        keeper.keep([[1.0]] * rows, answers_to([0] * rows), milliseconds=1.0)
        until(lambda quiet=quiet: keeper._quiet == quiet)
    keeper.close()


def test_of_a_request_that_is_too_large_any_rows_are_kept(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr("ratchet.deployment.keeping._WAITING", 10_000)
    keeper, rows = keeper_in(tmp_path), [["x" * 60] for _ in range(1000)]
    keeper.keep(rows, answers_to(rows), milliseconds=1.0)  # long texts: their size counts, not their number
    keeper.close()
    places = kept_in(tmp_path)["answer"].str.rpartition("-")[2].astype(int)
    assert 50 < len(places) < 150
    assert places.max() > 500
    assert capfd.readouterr().err.count("rows come faster") == 1


@pytest.mark.parametrize("rows", [1, 50, 120])
def test_fewer_rows_than_a_file_holds_are_kept_all_the_same(tmp_path, rows, monkeypatch):
    monkeypatch.setattr("ratchet.deployment.keeping._ROWS", 100)
    keeper = keeper_in(tmp_path, rows=rows)
    for _ in range(3):
        keeper.keep([[1.0]] * 350, answers_to([0] * 350), milliseconds=1.0)
    keeper.close()
    assert 0 < len(kept_in(tmp_path)) <= rows


def test_arrays_are_kept_and_watched(exported, tmp_path, digits):
    directory = exported("digits")
    rng = np.random.default_rng(0)
    send(directory, tmp_path / "kept", rng.uniform(0, 16, (60, 8, 8)).tolist())
    status, found = check(directory, tmp_path / "kept", tmp_path)
    assert status == 1
    assert {each["name"] for each in found["findings"]} >= {"spread of the input", "prediction"}


def test_what_cannot_be_watched_or_kept_is_one_line(exported, tmp_path):
    directory = exported("binary")
    model = ExportedModel.load(directory)
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/kept-1-2-3.parquet").write_bytes(b"x")
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "broken/kept-2-2-3.parquet")
    send(exported("number"), tmp_path / "other", rows_of(orders(30), "worth"))
    here = f"model={directory}"
    for words, said in [
        ([], "watch needs what serve kept; type: python src/watch.py requests=<folder>"),
        (["requests=nowhere", here], "requests=nowhere is missing; type: python src/serve.py keep=nowhere"),
        ([f"requests={tmp_path}/empty", here], "empty holds no request; type: "),
        ([f"requests={tmp_path}/broken", here], r"holds no request; .*cannot be read.*it has no column answer"),
        ([f"requests={tmp_path}/other", here], "another model answered them: 30 of 30 rows"),
        (["requests=a", here, "alpha=2"], "alpha=2; allowed: a number between 0 and 1"),
        (["requests=a", here, "since=soon"], "since=soon .*; type: since=24h"),
        (["requests=a", here, "ignore=[aeg]"], "ignore: there is no aeg; nearest: age"),
        (["requests=a", here, f"output={tmp_path}"], "requests=a is missing"),
    ]:
        with pytest.raises(RatchetError, match=said):
            main(words)
    send(directory, tmp_path / "some", rows_of(orders(30)))
    with pytest.raises(RatchetError, match=r"labels=no\.csv is missing"):
        main([f"requests={tmp_path}/some", here, "labels=no.csv"])
    for words, said in [
        ({"keep_rows": "9"}, "keep_rows=9 has no effect without keep="),
        ({"keep": "x", "keep_share": "2"}, "keep_share=2; allowed: a number above 0, at most 1"),
        ({"keep": "x", "keep_rows": "many"}, "keep_rows=many; allowed: a whole number"),
        ({"keep": "x", "redact": "[agee]"}, "there is no column agee; nearest: age"),
    ]:
        with pytest.raises(RatchetError, match=said):
            keeper_of(words, model)
    if os.geteuid():
        (tmp_path / "empty").chmod(0o500)
        with pytest.raises(OSError, match="denied"):
            keeper_of({"keep": str(tmp_path / "empty")}, model).start()


def test_a_reference_that_was_changed_is_not_used(exported, tmp_path):
    import shutil

    shutil.copytree(exported("binary"), tmp_path / "export")
    with (tmp_path / "export/reference.json").open("a") as file:
        file.write(" ")
    with pytest.raises(RatchetError, match=r"reference\.json is not what export wrote: it was changed"):
        main(["requests=a", f"model={tmp_path}/export"])
    manifest = json.loads((tmp_path / "export/manifest.json").read_text())
    content = json.loads((tmp_path / "export/reference.json").read_text())
    del content["repeated"]
    (tmp_path / "export/reference.json").write_text(json.dumps(content))
    sha256 = hashlib.sha256(json.dumps(content).encode()).hexdigest()
    changed = {**manifest, "files": {**manifest["files"], "reference.json": sha256}}
    (tmp_path / "export/manifest.json").write_text(json.dumps(changed))
    with pytest.raises(
        RatchetError, match=r"reference\.json is of another kind: an older version exported it; type: python"
    ):
        main(["requests=a", f"model={tmp_path}/export"])
    del manifest["files"]["reference.json"]
    (tmp_path / "export/manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(RatchetError, match=r"has no reference\.json: an older version exported it; type: python"):
        main(["requests=a", f"model={tmp_path}/export"])


def test_a_column_that_is_called_prediction_is_no_prediction(exported, tmp_path):
    """Pairs are of one kind, whatever their names."""
    model = ExportedModel.load(exported("binary"))
    rows = rows_of(orders(60))
    frame = pd.DataFrame(
        {
            "answer": [f"a-{k}" for k in range(60)], "id": None, "at": pd.Timestamp("2026-01-01", tz="UTC"),
            "row": [json.dumps(row) for row in rows], "said": [json.dumps(each) for each in model.answers(rows)],
            "milliseconds": 1.0, "memory_mb": 1.0, "model": "m", "of_rows": 60,
        }
    )  # fmt: skip
    reference = read_reference(exported("binary"), model)
    rules = tuple(
        replace(rule, column=replace(rule.column, name="prediction")) if rule.column.name == "city" else rule
        for rule in model.transform.table.rules
    )
    columns = tuple(replace(each, name="prediction") if each.name == "city" else each for each in reference.columns)
    renamed = replace(model, transform=replace(model.transform, table=replace(model.transform.table, rules=rules)))
    frame["row"] = frame["row"].str.replace('"city"', '"prediction"')
    frame.to_parquet(tmp_path / "kept-1-1-60.parquet")
    found = watch(read_kept(tmp_path, model="m", since=None), renamed, replace(reference, columns=columns))
    assert {("column", "prediction"), ("answer", "prediction")} <= {(each.of, each.name) for each in found.findings}
    assert not found.drifted


def test_answers_of_every_task_have_samples():
    probabilities = {"a": 0.9, "b": 0.6}
    several = [
        {"predicted": ["a", "b"], "probabilities": probabilities},
        {"predicted": [], "probabilities": {"a": 0.1}},
    ]
    target = Target("labels", ("a", "b"))
    counts, largest = samples_said(several, target)
    assert (counts.name, counts.levels, list(counts.values)) == ("number of labels", ("0", "1", "2"), [1, 0, 1])
    assert list(largest.values) == [0.1, 0.9]
    (numbers,) = samples_said([{"predicted": 2.0}, {"predicted": 1.0}], Target("number", ("x",), std=0.001))
    assert (list(numbers.values), numbers.levels) == ([1, 2], None)
    found = Reference.of(np.zeros((2, 3)), several, [["a"], []], transform=TRANSFORM, target=target)
    assert Reference.from_json(json.loads(json.dumps(found.as_json()))).right is None
