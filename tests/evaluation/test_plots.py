from __future__ import annotations

import csv
from pathlib import Path

import pytest

from ratchet.evaluation.plots import write_confusion, write_learning_curves, write_reliability


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_learning_curves_come_from_the_runs_metrics(tmp_path):
    metrics = tmp_path / "metrics.csv"
    metrics.write_text(
        "epoch,step,lr,train/accuracy,train/loss,validation/accuracy,validation/f1,validation/loss\n"
        "0,10,0.1,0.5,1.5,0.4,0.3,1.75\n"
        "1,20,0.1,,,0.6,0.5,1.25\n"  # a validation before the first training epoch ended
    )
    loss, accuracy = write_learning_curves(metrics, tmp_path)
    assert read(loss) == [
        {"epoch": "0", "train": "1.5", "validation": "1.75"},
        {"epoch": "1", "train": "", "validation": "1.25"},
    ]
    assert [row["validation"] for row in read(accuracy)] == ["0.4", "0.6"]
    assert (loss.name, accuracy.name) == ("loss.csv", "accuracy.csv")


def test_a_run_without_metrics_has_no_learning_curves(tmp_path):
    assert write_learning_curves(tmp_path / "metrics.csv", tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_the_confusion_table_names_every_pair_of_classes(tmp_path, of_probabilities):
    predictions = of_probabilities([0, 0, 0, 1], [[0.9, 0.1], [0.9, 0.1], [0.1, 0.9], [0.2, 0.8]])
    write_confusion(predictions, tmp_path / "confusion.csv", classes=["a", "b"])
    assert read(tmp_path / "confusion.csv") == [
        {"actual": "a", "predicted": "a", "count": "2", "share": "0.6667"},
        {"actual": "a", "predicted": "b", "count": "1", "share": "0.3333"},
        {"actual": "b", "predicted": "a", "count": "0", "share": "0.0000"},
        {"actual": "b", "predicted": "b", "count": "1", "share": "1.0000"},
    ]


def test_a_class_without_examples_has_no_share(tmp_path, of_probabilities):
    write_confusion(of_probabilities([0], [[0.9, 0.1]]), tmp_path / "confusion.csv", classes=["a", "b"])
    assert [row["share"] for row in read(tmp_path / "confusion.csv")] == ["1.0000", "0.0000", "0.0000", "0.0000"]


def test_the_reliability_table_counts_every_example(tmp_path, draw):
    write_reliability(draw(200), tmp_path / "reliability.csv", bins=10)
    rows = read(tmp_path / "reliability.csv")
    assert sum(int(row["count"]) for row in rows) == 200
    for row in rows:
        assert float(row["low"]) <= float(row["confidence"]) <= float(row["high"])
        assert float(row["high"]) - float(row["low"]) == pytest.approx(0.1, abs=2e-6)
