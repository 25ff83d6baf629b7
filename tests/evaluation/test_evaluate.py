from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from ratchet.config.sections import EvaluationConfig
from ratchet.data.prepared import PreparedData
from ratchet.errors import CheckpointError, DataError, RatchetError
from ratchet.evaluation import evaluate as module
from ratchet.evaluation.evaluate import evaluate
from ratchet.project import Project
from ratchet.runs.directory import RunDirectory
from ratchet.runs.record import RunRecord
from ratchet.training.checkpoint import load_model

pytestmark = pytest.mark.slow

CONFIG = EvaluationConfig(bootstrap=100, mistakes=2)


@pytest.fixture
def run(trained, tmp_path) -> RunDirectory:
    """A copy of the trained run, to be broken."""
    copy = RunDirectory(tmp_path / "run")
    shutil.copytree(trained[1].path, copy.path)
    return copy


def files_of(directory: Path) -> dict[str, bytes]:
    return {str(p.relative_to(directory)): p.read_bytes() for p in sorted(directory.rglob("*")) if p.is_file()}


def test_a_trained_model_is_measured_on_the_test_split(trained, tmp_path):
    project, run = trained
    evaluation = evaluate(run, output=tmp_path / "out", project=project, config=CONFIG)
    model, config = load_model(run)
    data = PreparedData.open(project.prepared("digits"), reader="evaluate", config=config.data)
    test = data.split("test")
    with torch.inference_mode():
        predicted = model(torch.from_numpy(np.array(test.x))).argmax(dim=1).numpy()
    assert evaluation.metrics["accuracy"] == (predicted == test.y).mean()
    assert 0.85 < evaluation.metrics["accuracy"] < 1
    assert [score.examples for score in evaluation.splits] == [
        len(data.split(name).y) for name in ("train", "validation", "test")
    ]
    with (tmp_path / "out" / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["predicted"] for row in rows] == [data.classes[k] for k in predicted]
    assert [row["label"] for row in rows] == [data.classes[k] for k in test.y]


def test_validation_accuracy_is_the_one_that_training_recorded(trained, tmp_path):
    project, run = trained
    evaluation = evaluate(run, output=tmp_path / "out", project=project, config=CONFIG)
    best = RunRecord.read(run).best
    assert best is not None
    assert best.metric == "validation/accuracy"
    assert evaluation.splits[1].metrics["accuracy"] == pytest.approx(best.value, abs=1e-6)


def test_everything_is_written_and_listed(trained, tmp_path):
    project, run = trained
    evaluation = evaluate(run, output=tmp_path / "out", project=project, config=CONFIG)
    names = [
        "metrics.json",
        "plots/accuracy.csv",
        "plots/confusion.csv",
        "plots/loss.csv",
        "plots/mistakes.png",
        "plots/reliability.csv",
        "predictions.csv",
    ]
    assert list(files_of(tmp_path / "out")) == names
    assert [str(path.relative_to(tmp_path / "out")) for path in evaluation.files] == names
    assert [path.name for path in tmp_path.iterdir()] == ["out"]  # and nothing beside it


def test_a_second_evaluation_writes_the_same_bytes(trained, tmp_path):
    project, run = trained
    evaluate(run, output=tmp_path / "first", project=project, config=CONFIG)
    evaluate(run, output=tmp_path / "second", project=project, config=CONFIG)
    assert files_of(tmp_path / "first") == files_of(tmp_path / "second")


def test_metrics_json_knows_no_place(trained, run, tmp_path):
    project, _ = trained
    evaluate(run, output=tmp_path / "out", project=project, config=CONFIG)
    text = (tmp_path / "out" / "metrics.json").read_text()
    assert str(tmp_path) not in text
    assert json.loads(text)["verdict"] in {"overfit", "underfit", "fits"}


def test_an_old_evaluation_is_replaced_as_a_whole(trained, tmp_path):
    project, run = trained
    out = tmp_path / "out"
    out.mkdir()
    (out / "metrics.json").write_text("{}")
    (out / "left_over.csv").write_text("")
    evaluate(run, output=out, project=project, config=CONFIG)
    assert "left_over.csv" not in files_of(out)
    assert (out / "metrics.json").read_text() != "{}"


def test_a_failure_leaves_the_old_evaluation(trained, tmp_path, monkeypatch):
    project, run = trained
    out = tmp_path / "out"
    evaluate(run, output=out, project=project, config=CONFIG)
    before = files_of(out)

    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_predictions", full)
    with pytest.raises(RatchetError, match="disk is full"):
        evaluate(run, output=out, project=project, config=CONFIG)
    assert files_of(out) == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_the_thread_count_of_the_process_is_left_as_it_was(trained, tmp_path):
    project, run = trained
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        evaluate(run, output=tmp_path / "out", project=project, config=CONFIG)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_run_without_curves_is_evaluated_and_says_so(trained, run, tmp_path):
    run.metrics.unlink()
    evaluation = evaluate(run, output=tmp_path / "out", project=trained[0], config=CONFIG)
    assert "no learning curves: the run kept no metrics.csv (logger=csv)" in evaluation.notes
    assert "plots/loss.csv" not in files_of(tmp_path / "out")


def test_an_interrupted_run_is_evaluated_and_says_so(trained, run, tmp_path):
    record = RunRecord.read(run)
    record.model_copy(update={"status": "interrupted"}).write(run)
    evaluation = evaluate(run, output=tmp_path / "out", project=trained[0], config=CONFIG)
    assert "the run is interrupted: this is its best checkpoint so far" in evaluation.notes


@pytest.mark.parametrize("train_on", ["train", "train+validation"])
def test_the_report_knows_whether_validation_was_trained_on(trained, run, tmp_path, monkeypatch, train_on):
    config = yaml.safe_load(run.config.read_text())
    config["trainer"]["train_on"] = train_on
    run.config.write_text(yaml.safe_dump(config))
    told, assess = [], module.assess
    monkeypatch.setattr(module, "assess", lambda *a, **kw: told.append(kw["trained_on_validation"]) or assess(*a, **kw))
    evaluate(run, output=tmp_path / "out", project=trained[0], config=CONFIG)
    assert told == [train_on == "train+validation"]


def test_the_page_for_dvc_is_written_in_a_dvc_project(trained, tmp_path, monkeypatch):
    project, run = trained
    drawn = []
    monkeypatch.setattr(module, "write_page", lambda path, *, cache: drawn.append((path.name, cache)))
    (project.root / ".dvc").mkdir()
    try:
        evaluate(run, output=tmp_path / "out", project=project, config=CONFIG)
    finally:
        (project.root / ".dvc").rmdir()
    assert drawn == [("page.html", project.root / ".dvc" / "tmp")]


# What a person may get wrong: each ends in one line and writes nothing.


def no_run(run: RunDirectory) -> None:
    shutil.rmtree(run.path)


def no_checkpoint(run: RunDirectory) -> None:
    run.best_checkpoint.unlink()


def damaged_checkpoint(run: RunDirectory) -> None:
    run.best_checkpoint.write_bytes(run.best_checkpoint.read_bytes()[:100])


def another_model(run: RunDirectory) -> None:
    config = yaml.safe_load(run.config.read_text())
    config["model"] = {"name": "mlp", "_target_": "ratchet.models.mlp.MLP"}
    run.config.write_text(yaml.safe_dump(config))


def other_data(run: RunDirectory) -> None:
    record = RunRecord.read(run)
    record.model_copy(update={"data": {**record.data, "hash": "0" * 64}}).write(run)


def other_preparation(run: RunDirectory) -> None:
    config = yaml.safe_load(run.config.read_text())
    config["data"]["prepare"]["seed"] += 1
    run.config.write_text(yaml.safe_dump(config))


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (no_run, RatchetError, "no run directory"),
        (no_checkpoint, CheckpointError, "no checkpoint"),
        (damaged_checkpoint, CheckpointError, "damaged"),
        (another_model, CheckpointError, "another model"),
        (other_data, DataError, "was trained on data 000000000000, but prepared is"),
        (other_preparation, DataError, "another configuration: data.prepare.seed"),
    ],
)
def test_what_does_not_belong_together_is_refused_in_one_line(trained, run, spoil, error, message):
    spoil(run)
    out = run.path.parent / "out"
    with pytest.raises(error, match=message) as caught:
        evaluate(run, output=out, project=trained[0], config=CONFIG)
    assert "\n" not in str(caught.value)
    assert not out.exists()


def test_missing_prepared_data_is_prepared_and_a_folder_that_is_none_is_refused(trained, run, tmp_path):
    empty, full = Project(tmp_path / "empty"), Project(tmp_path / "full")
    there = evaluate(run, output=tmp_path / "there", project=trained[0], config=CONFIG)
    assert evaluate(run, output=tmp_path / "out", project=empty, config=CONFIG).as_json() == there.as_json()
    full.prepared("digits").mkdir(parents=True)
    (full.prepared("digits") / "notes.txt").touch()
    with pytest.raises(DataError, match="no prepared data"):
        evaluate(run, output=tmp_path / "not", project=full, config=CONFIG)


def test_an_output_that_holds_something_else_is_refused(trained, tmp_path):
    project, run = trained
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(RatchetError, match="is not empty and holds no metrics"):
        evaluate(run, output=tmp_path, project=project, config=CONFIG)
    with pytest.raises(RatchetError, match="is a file"):
        evaluate(run, output=tmp_path / "thesis.tex", project=project, config=CONFIG)
    assert files_of(tmp_path) == {"thesis.tex": b"years of work"}
