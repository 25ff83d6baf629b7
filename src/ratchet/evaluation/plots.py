"""The tables behind the plots of `dvc plots show`: small CSV files, drawn by the templates in .dvc/plots/."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from ratchet.csv_files import csv_text, read_csv


def write_learning_curves(metrics: Path, directory: Path, *, of: str) -> list[Path]:
    """Write loss.csv and that of the training metric `of` (epoch, train, validation) from a run's metrics.csv.

    The loss of train is what was minimised, label smoothing and penalties included; that of validation is the
    plain one. Returns the files; none where the run kept no curves.
    """
    if not metrics.is_file():
        return []
    header, cells = read_csv(metrics)
    rows = [dict(zip(header, row, strict=True)) for row in cells]
    written = []
    for name in ("loss", of):
        path = directory / f"{name}.csv"
        short = f"val/{name}" in header and f"validation/{name}" not in header  # a person's module calls it as it likes
        columns = [f"train/{name}", f"val/{name}" if short else f"validation/{name}"]
        values = ([row.get("epoch", ""), *(row.get(column, "") for column in columns)] for row in rows)
        write_table(path, header=["epoch", "train", "validation"], rows=values)
        written.append(path)
    return written


def write_table(path: Path, *, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file."""
    path.write_text(csv_text(header, rows), encoding="utf-8", newline="")
