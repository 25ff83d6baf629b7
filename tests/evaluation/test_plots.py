from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from ratchet.evaluation.plots import write_learning_curves, write_table
from ratchet.tasks import Predictions


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def table(predictions: Predictions, name: str, folder: Path) -> list[dict[str, str]]:
    header, rows = predictions.plots()[name]
    write_table(folder / f"{name}.csv", header=header, rows=rows)
    return read(folder / f"{name}.csv")


def test_learning_curves_come_from_the_runs_metrics(tmp_path):
    metrics = tmp_path / "metrics.csv"
    metrics.write_text(
        "epoch,step,lr,train/accuracy,train/loss,validation/accuracy,validation/f1,validation/loss\n"
        "0,10,0.1,0.5,1.5,0.4,0.3,1.75\n"
        "1,20,0.1,,,0.6,0.5,1.25\n"  # a validation before the first training epoch ended
    )
    loss, accuracy = write_learning_curves(metrics, tmp_path, of="accuracy")
    assert read(loss) == [
        {"epoch": "0", "train": "1.5", "validation": "1.75"},
        {"epoch": "1", "train": "", "validation": "1.25"},
    ]
    assert [row["validation"] for row in read(accuracy)] == ["0.4", "0.6"]
    assert (loss.name, accuracy.name) == ("loss.csv", "accuracy.csv")


def test_a_run_without_metrics_has_no_learning_curves(tmp_path):
    assert write_learning_curves(tmp_path / "metrics.csv", tmp_path, of="accuracy") == []
    assert list(tmp_path.iterdir()) == []


def test_the_confusion_table_names_every_pair_of_classes(tmp_path, of_probabilities):
    predictions = of_probabilities([0, 0, 0, 1], [[0.9, 0.1], [0.9, 0.1], [0.1, 0.9], [0.2, 0.8]])
    assert table(predictions, "confusion", tmp_path) == [
        {"actual": "a", "predicted": "a", "count": "2", "share": "0.6667"},
        {"actual": "a", "predicted": "b", "count": "1", "share": "0.3333"},
        {"actual": "b", "predicted": "a", "count": "0", "share": "0.0000"},
        {"actual": "b", "predicted": "b", "count": "1", "share": "1.0000"},
    ]


def test_a_class_without_examples_has_no_share(tmp_path, of_probabilities):
    found = table(of_probabilities([0], [[0.9, 0.1]]), "confusion", tmp_path)
    assert [row["share"] for row in found] == ["1.0000", "0.0000", "0.0000", "0.0000"]


def test_the_reliability_table_counts_every_example(tmp_path, draw):
    rows = table(replace(draw(200), calibration_bins=10), "reliability", tmp_path)
    assert sum(int(row["count"]) for row in rows) == 200
    for row in rows:
        assert float(row["low"]) <= float(row["confidence"]) <= float(row["high"])
        assert float(row["high"]) - float(row["low"]) == pytest.approx(0.1, abs=2e-6)
