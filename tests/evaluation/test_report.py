from __future__ import annotations

import io
import json

import numpy as np
import pytest
from rich.console import Console

from ratchet.config.sections import EvaluationConfig
from ratchet.evaluation.assessment import SPLITS, assess
from ratchet.evaluation.baselines import Baseline
from ratchet.evaluation.report import Evaluation, render
from ratchet.tasks import Binary, Target
from ratchet.tasks.multiclass import MulticlassPredictions


@pytest.fixture
def evaluation(draw) -> Evaluation:
    predictions = {
        "train": draw(500, skill=4, seed=1),
        "validation": draw(200, seed=2),
        "test": draw(300, seed=3),
    }
    return assess(predictions, config=EvaluationConfig(bootstrap=50), seed=0, notes=["a note"])


def printed(evaluation: Evaluation, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(render(evaluation))
    return console.file.getvalue()


def test_dvc_sees_the_headline_and_nothing_else(evaluation):
    """DVC takes numbers and words, at any depth of mappings, and passes over lists."""

    def visible(content: dict, prefix: str = "") -> dict:
        found = {}
        for key, value in content.items():
            if isinstance(value, dict):
                found |= visible(value, f"{prefix}{key}.")
            elif isinstance(value, int | float | str):
                found[prefix + key] = value
        return found

    assert visible(json.loads(evaluation.as_json())) == {**evaluation.metrics, "verdict": evaluation.verdict.fit}


def test_the_json_holds_intervals_classes_splits_gap_and_notes(evaluation):
    content = json.loads(evaluation.as_json())
    assert set(content["intervals"]) == set(MulticlassPredictions.headline)
    assert all(low < high for low, high in content["intervals"].values())
    assert [(one["name"], one["support"]) for one in content["classes"]] == [
        (one["name"], one["support"]) for one in evaluation.classes
    ]
    assert [split["split"] for split in content["splits"]] == ["train", "validation", "test"]
    assert content["splits"][2]["accuracy"] == content["accuracy"]
    assert content["splits"][2]["log_loss"] == content["log_loss"]
    [gap] = content["gap"]
    assert gap["train_minus_test"] == content["splits"][0]["accuracy"] - content["accuracy"]
    assert gap["interval"][0] < gap["train_minus_test"] < gap["interval"][1]
    assert content["notes"][0] == "a note"


def test_the_table_fits_into_80_columns_and_says_it_all(evaluation):
    text = printed(evaluation)
    assert max(len(line) for line in text.splitlines()) <= 80
    for name in MulticlassPredictions.headline:
        assert f"{name.replace('_', ' ')}" in text
        assert f"{evaluation.metrics[name]:.4f}" in text
    assert "95% interval" in text
    assert f"verdict  {evaluation.verdict.fit}" in text
    assert "a note" in text
    assert "..." not in text
    assert "…" not in text


def test_paths_are_shown_relative_and_whole(evaluation, tmp_path, monkeypatch):
    from dataclasses import replace

    monkeypatch.chdir(tmp_path)
    far = tmp_path.parent / ("long" * 30) / "metrics.json"
    text = printed(replace(evaluation, files=[tmp_path / "out" / "metrics.json", far]))
    assert "wrote    out/metrics.json\n" in text
    assert str(far) in text.replace("\n", "")


def test_without_resamples_there_are_no_intervals(draw):
    predictions = {name: draw(100, seed=seed) for seed, name in enumerate(("train", "validation", "test"))}
    evaluation = assess(predictions, config=EvaluationConfig(bootstrap=0), seed=0)
    assert set(evaluation.intervals.values()) == {None}
    assert any("evaluation.bootstrap=0" in note for note in evaluation.notes)
    json.loads(evaluation.as_json())
    assert "[" not in printed(evaluation)


def test_an_absent_class_is_said_and_gives_no_nan(draw, of_probabilities):
    predictions = {name: draw(100, seed=seed) for seed, name in enumerate(("train", "validation"))}
    predictions["test"] = of_probabilities(
        [0, 1, 1], [[0.6, 0.2, 0.1, 0.1], [0.2, 0.6, 0.1, 0.1], [0.1, 0.1, 0.7, 0.1]], "abcd"
    )
    evaluation = assess(predictions, config=EvaluationConfig(bootstrap=50), seed=0)
    assert "no test example of class c, d: left out of the averages over classes" in evaluation.notes
    assert "NaN" not in evaluation.as_json()
    assert evaluation.metrics["recall"] == pytest.approx(0.75)


def test_a_perfect_score_is_qualified(draw):
    perfect = {name: draw(300, skill=60, seed=seed) for seed, name in enumerate(("train", "validation", "test"))}
    evaluation = assess(perfect, config=EvaluationConfig(bootstrap=50), seed=0)
    assert evaluation.metrics["accuracy"] == 1
    assert evaluation.intervals["accuracy"] == pytest.approx((0.025 ** (1 / 300), 1))  # Clopper & Pearson 1934
    for name in ("balanced_accuracy", "precision", "recall", "f1", "auroc"):
        low, high = evaluation.intervals[name]
        assert 0.9 < low < 0.99, name
        assert high == 1
    assert [score.intervals["accuracy"] for score in evaluation.splits] == [evaluation.intervals["accuracy"]] * 3


def test_a_small_class_makes_an_average_over_classes_uncertain(of_probabilities):
    labels = [0] * 16 + [1, 1]
    right = of_probabilities(labels, [[0.9, 0.1]] * 16 + [[0.1, 0.9]] * 2)
    evaluation = assess(dict.fromkeys(SPLITS, right), config=EvaluationConfig(bootstrap=50), seed=0)
    accuracy, balanced = (evaluation.intervals[name][0] for name in ("accuracy", "balanced_accuracy"))
    assert accuracy == pytest.approx(0.025 ** (1 / 18))
    assert balanced == pytest.approx(0.025 ** ((1 / 16 + 1 / 2) / 4))
    assert evaluation.metrics["balanced_accuracy"] == 1


def test_no_example_right_is_not_certain_either(of_probabilities):
    wrong = of_probabilities([0, 1, 0, 1], [[0.1, 0.9], [0.9, 0.1]] * 2)
    evaluation = assess(dict.fromkeys(SPLITS, wrong), config=EvaluationConfig(bootstrap=50), seed=0)
    assert evaluation.intervals["accuracy"] == pytest.approx((0, 1 - 0.025 ** (1 / 4)))


@pytest.mark.parametrize(("seen", "reason"), [(False, "choices fitted it"), (True, "it was trained on")])
def test_validation_far_above_test_is_said(draw, seen, reason):
    predictions = {
        "train": draw(400, skill=4, seed=0),
        "validation": draw(400, skill=4, seed=1),
        "test": draw(400, skill=1, seed=2),
    }
    config = EvaluationConfig(bootstrap=50)
    evaluation = assess(predictions, config=config, seed=0, trained_on_validation=seen)
    assert f"validation accuracy is above test accuracy by more than chance: {reason}" in evaluation.notes


@pytest.mark.parametrize("resamples", [50, 0])
def test_a_metric_that_one_split_leaves_undefined_is_said_and_gives_no_nan(resamples):
    task, rng = Binary(Target("class", ("no", "yes"))), np.random.default_rng(0)
    drawn = {
        name: task.predictions(rng.normal(size=(60, 1)), (rng.random(60) < share).astype(int))
        for name, share in {"train": 0.3, "validation": 0.3, "test": 0.0}.items()
    }
    simple = task.predictions(np.full((60, 1), -9.0), np.zeros(60, int))
    evaluation = assess(
        drawn, config=EvaluationConfig(bootstrap=resamples), seed=0, objective="auroc",
        baselines=[(Baseline("majority class", "", {}), simple)],
    )  # fmt: skip
    assert (evaluation.verdict.fit, evaluation.verdict.reason) == ("undefined", "auroc is not defined on test")
    assert evaluation.verdict.beside.startswith("the model is worse than the baseline majority class: -0.")
    assert "nats less of log loss" in evaluation.verdict.beside
    content = json.loads(evaluation.as_json())
    assert content["splits"][2]["auroc"] is None
    assert "nan" not in printed(evaluation)
