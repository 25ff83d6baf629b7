"""What needs no network, beside a model: fitted on train, measured as the task measures, computed once."""

from __future__ import annotations

import numpy as np
import pytest

from ratchet.config.sections import EvaluationConfig
from ratchet.data.folds import Fold
from ratchet.data.prepared import PreparedData, Split
from ratchet.errors import SplitGuardError
from ratchet.evaluation import baselines as module
from ratchet.evaluation.baselines import baselines_measured, baselines_of
from ratchet.evaluation.bootstrap import Bootstrap, bootstrap_gain
from ratchet.evaluation.evaluate import evaluate, render
from ratchet.tasks import Binary, Multiclass, Multilabel, Regression, Target, Task

RNG = np.random.default_rng(0)
X = {
    split: RNG.normal(size=(n, 4)).astype(np.float32)
    for split, n in {"train": 300, "validation": 80, "test": 90}.items()
}


class Prepared(PreparedData):
    """Prepared data without files of its own."""

    def __init__(self, directory, target: Target, y, layout: str = "table") -> None:
        card = {"target": target.as_json(), "layout": layout, "shape": [4], "data_hash": "f" * 64}
        super().__init__(directory, "evaluate", card, "data=some")
        object.__setattr__(self, "targets", y)

    def split(self, name: str) -> Split:
        return Split(X[name], self.targets(X[name]))


TARGETS = {
    "class": (Target("class", ("a", "b", "c")), lambda x: (x[:, 0] > 0.3) + (x[:, 0] > 0.8).astype(np.int64)),
    "labels": (Target("labels", ("l", "m")), lambda x: (x[:, :2] > [0.2, 5]).astype(np.float32)),
    "number": (Target("number", ("y",), 1.0, 3.0), lambda x: 3 * x[:, 0] + 1),
}


@pytest.fixture(params=TARGETS)
def prepared(request, tmp_path) -> Prepared:
    return Prepared(tmp_path / "some", *TARGETS[request.param])


def task_of(target: Target) -> Task:
    return {"class": Multiclass, "labels": Multilabel, "number": Regression}[target.kind](target)


def test_each_kind_of_target_has_the_simplest_a_linear_model_and_trees(prepared) -> None:
    found = baselines_measured(prepared, task_of(prepared.target), "test")
    simplest = {"class": "majority class", "labels": "label frequencies", "number": "mean"}[prepared.target.kind]
    linear = "ridge regression" if prepared.target.kind == "number" else "logistic regression"
    assert [each.name for each, _ in found] == [simplest, linear, "gradient boosting"]
    metric = {"class": "accuracy", "labels": "accuracy", "number": "r2"}[prepared.target.kind]
    low, *higher = (said.metrics([metric])[metric] for _, said in found)
    assert all(value > 0.9 > low for value in higher)


def test_pictures_have_no_trees(tmp_path) -> None:
    data = Prepared(tmp_path / "some", *TARGETS["class"], layout="image")
    assert [each.name for each in baselines_of(data, ["validation"])] == ["majority class", "logistic regression"]


def test_they_are_fitted_once_and_again_where_the_file_is_damaged(prepared, monkeypatch) -> None:
    fits, fit = [], module._fitted
    monkeypatch.setattr(module, "_fitted", lambda *args: fits.append(1) or fit(*args))
    first = baselines_of(prepared, ["validation", "test"])
    second = baselines_of(prepared, ["validation", "test"])
    assert len(fits) == 1
    [kept] = prepared.directory.parent.glob(".some.baselines.test.*.npz")
    kept.write_bytes(kept.read_bytes()[:50])
    third = baselines_of(prepared, ["validation", "test"])
    assert len(fits) == 2
    for one, two, three in zip(first, second, third, strict=True):
        for split in ("validation", "test"):
            assert (one.said[split] == two.said[split]).all()
            assert (one.said[split] == three.said[split]).all()
    assert len(list(prepared.directory.parent.iterdir())) == 2


def test_other_data_are_fitted_anew_and_the_old_files_go(prepared) -> None:
    baselines_of(prepared, ["validation"])
    prepared.card["data_hash"] = "e" * 64
    baselines_of(prepared, ["validation"])
    assert len(list(prepared.directory.parent.iterdir())) == 1


def test_each_fold_of_the_same_data_is_kept(prepared, monkeypatch) -> None:
    fits, fit = [], module._fitted
    monkeypatch.setattr(module, "_fitted", lambda *args: fits.append(1) or fit(*args))
    for number in (0, 1, 0):
        object.__setattr__(prepared, "fold", Fold(number, 5, 0))
        baselines_of(prepared, ["validation"])
    assert len(fits) == len(list(prepared.directory.parent.iterdir())) == 2


def test_data_of_a_data_module_are_fitted_each_time(prepared, monkeypatch) -> None:
    class Module:
        target, split = prepared.target, prepared.split

    fits, fit = [], module._fitted
    monkeypatch.setattr(module, "_fitted", lambda *args: fits.append(1) or fit(*args))
    for _ in range(2):
        assert len(baselines_measured(Module(), task_of(prepared.target), "test")) == 2
    assert len(fits) == 2
    assert list(prepared.directory.parent.iterdir()) == []


def test_of_large_data_a_part_is_fitted_and_said(prepared, monkeypatch) -> None:
    outputs = {"class": 3, "labels": 2, "number": 1}[prepared.target.kind]
    monkeypatch.setattr(module, "BOOSTING_CELLS", 4 * 100 * outputs)
    monkeypatch.setattr(module, "FEWEST", 10)
    notes = [each.note for each in baselines_of(prepared, ["validation"])]
    assert notes == ["", "", "fitted on 100 of 300 examples"]


def test_a_class_that_train_does_not_have_is_improbable_and_one_alone_is_said(tmp_path) -> None:
    data = Prepared(tmp_path / "some", Target("class", ("a", "b")), lambda x: np.zeros(len(x), np.int64))
    for _, said in baselines_measured(data, Multiclass(data.target), "test"):
        assert said.metrics(["accuracy"])["accuracy"] == 1
    for _, said in baselines_measured(data, Binary(data.target), "test"):
        assert said.metrics(["accuracy", "log_loss"])["accuracy"] == 1


def test_a_threshold_is_chosen_for_them_too(tmp_path) -> None:
    data = Prepared(tmp_path / "some", Target("class", ("a", "b")), lambda x: (x[:, 0] > 1).astype(np.int64))
    task = Binary(data.target, threshold="f1")
    linear = {each.name: said for each, said in baselines_measured(data, task, "test")}["logistic regression"]
    assert linear.threshold != 0
    assert task.cut == 0


def test_a_task_that_cannot_tell_has_none(prepared) -> None:
    class Other(type(task_of(prepared.target))):
        outputs_saying = Task.outputs_saying

    assert baselines_measured(prepared, Other(prepared.target), "test") == []
    assert list(prepared.directory.parent.iterdir()) == []


def test_the_splits_of_others_stay_closed(trained) -> None:
    project, _ = trained
    data = PreparedData.open(project.prepared("digits"), reader="train")
    with pytest.raises(SplitGuardError):
        baselines_of(data, ["validation", "test"])


def test_a_gain_is_of_the_same_examples() -> None:
    """Two models with one mistake between them: whatever is drawn, they never differ by more."""
    target = Target("class", ("a", "b"))
    labels = RNG.integers(0, 2, 200)
    right = np.where(labels[:, None] == [0, 1], 0.0, -2.0)
    wrong = right.copy()
    wrong[:100] = wrong[:100, ::-1]
    once = wrong.copy()
    once[0] = once[0, ::-1]
    task, draws = Multiclass(target), Bootstrap(resamples=200, confidence=0.95, seed=0)
    gain, interval = bootstrap_gain(
        task.predictions(once, labels), task.predictions(wrong, labels), "accuracy", bootstrap=draws
    )
    assert gain == pytest.approx(1 / 200)
    assert interval is not None
    assert interval[0] == 0
    assert interval[1] <= 0.02
    worse, _ = bootstrap_gain(
        task.predictions(wrong, labels), task.predictions(once, labels), "log_loss", bootstrap=draws
    )
    assert worse < 0  # a loss is better where it is smaller


def test_a_report_has_them_as_rows_and_in_its_verdict(trained, tmp_path) -> None:
    import io
    import json

    from rich.console import Console

    project, run = trained
    evaluation = evaluate(run, output=tmp_path / "out", project=project, config=EvaluationConfig(bootstrap=100))
    content = json.loads((tmp_path / "out" / "metrics.json").read_text())
    majority, linear = content["baselines"]
    assert (majority["name"], linear["name"]) == ("majority class", "logistic regression")
    assert majority["gain_of_the_model"] == pytest.approx(content["accuracy"] - majority["accuracy"])
    assert majority["gain_interval"][0] > 0.5
    stream = io.StringIO()
    Console(file=stream, width=80).print(render(evaluation))
    text = stream.getvalue()
    assert "baseline on test" in text
    assert f"baseline {evaluation.verdict.beside.split(';')[0].split(':')[0]}" in " ".join(text.split())
