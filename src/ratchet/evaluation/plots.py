"""The tables behind the plots of `dvc plots show`: small CSV files, drawn by the templates in .dvc/plots/."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from ratchet.csv_files import csv_text, read_csv
from ratchet.evaluation.calibration import reliability
from ratchet.evaluation.predictions import Predictions


def write_learning_curves(metrics: Path, directory: Path) -> list[Path]:
    """Write loss.csv and accuracy.csv (epoch, train, validation) from a run's metrics.csv.

    The loss of train is what was minimised, label smoothing and penalties included; that of validation is the cross
    entropy. Returns the files; none where the run kept no curves.
    """
    if not metrics.is_file():
        return []
    header, cells = read_csv(metrics)
    rows = [dict(zip(header, row, strict=True)) for row in cells]
    written = []
    for name in ("loss", "accuracy"):
        path = directory / f"{name}.csv"
        values = (
            [row.get("epoch", ""), row.get(f"train/{name}", ""), row.get(f"validation/{name}", "")] for row in rows
        )
        _write(path, header=["epoch", "train", "validation"], rows=values)
        written.append(path)
    return written


def write_confusion(predictions: Predictions, path: Path, *, classes: Sequence[str]) -> None:
    """Write actual, predicted, count, share (of the actual class) for every pair of classes."""
    n = len(classes)
    counts = np.bincount(predictions.labels * n + predictions.predicted, minlength=n * n).reshape(n, n)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    rows = (
        [classes[actual], classes[predicted], counts[actual, predicted], f"{share[actual, predicted]:.4f}"]
        for actual in range(n)
        for predicted in range(n)
    )
    _write(path, header=["actual", "predicted", "count", "share"], rows=rows)


def write_reliability(predictions: Predictions, path: Path, *, bins: int) -> None:
    """Write confidence, accuracy, count, low and high of every bin of confidence that holds an example."""
    table = reliability(predictions.confidence, predictions.correct, bins=bins)
    rows = ([f"{b.confidence:.6f}", f"{b.accuracy:.6f}", b.count, f"{b.low:.6f}", f"{b.high:.6f}"] for b in table)
    _write(path, header=["confidence", "accuracy", "count", "low", "high"], rows=rows)


def _write(path: Path, *, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    path.write_text(csv_text(header, rows), encoding="utf-8", newline="")
