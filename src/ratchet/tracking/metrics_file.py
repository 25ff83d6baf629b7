"""metrics.csv: one row for each validation, readable while the run goes on."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from typing import Any

from pytorch_lightning.loggers.logger import Logger
from pytorch_lightning.utilities import rank_zero_only

from ratchet.files import unlink_from_others
from ratchet.runs.directory import RunDirectory

_FIRST = ("epoch", "step")


def read_rows(run: RunDirectory) -> list[dict[str, float]]:
    """The rows of a run's metrics.csv, without what a row does not have; none where there is no such file."""
    if not run.metrics.is_file():
        return []
    with run.metrics.open(newline="", encoding="utf-8") as stream:
        rows = [{name: float(text) for name, text in row.items() if text} for row in csv.DictReader(stream)]
    return [{**row, "epoch": int(row["epoch"]), "step": int(row["step"])} for row in rows]


class MetricsFile(Logger):
    """Appends what Lightning logs to metrics.csv. A resumed run goes on below its rows."""

    def __init__(self, run: RunDirectory, *, resumed_at_step: int | None = None) -> None:
        super().__init__()
        self.run = run
        self._columns: list[str] = []
        if resumed_at_step is None:
            run.metrics.unlink(missing_ok=True)
        elif run.metrics.is_file():
            unlink_from_others(run.metrics)
            self._drop_rows_after(resumed_at_step)

    def _drop_rows_after(self, step: int) -> None:
        """Rows that the interrupted run wrote after its last checkpoint will be written again."""
        with self.run.metrics.open(newline="", encoding="utf-8") as stream:
            reader = csv.DictReader(stream)
            self._columns = list(reader.fieldnames or [])
            kept = [row for row in reader if int(row["step"]) <= step]
        self._rewrite(kept)

    def _rewrite(self, rows: list[dict[str, Any]]) -> None:
        with self.run.metrics.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, self._columns)
            writer.writeheader()
            writer.writerows(rows)

    @property
    def name(self) -> str:
        return "metrics"

    @property
    def version(self) -> str:
        return ""

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """config.yaml holds them."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        row = {
            "epoch": int(metrics["epoch"]),
            "step": (step or 0) + 1,  # Lightning counts from 0; this is the number of steps taken
            **{k: v for k, v in metrics.items() if k != "epoch"},
        }
        if not self._columns:
            self._columns = [*_FIRST, *sorted(set(row) - set(_FIRST))]
            self._rewrite([])
        with self.run.metrics.open("a", newline="", encoding="utf-8") as stream:
            csv.DictWriter(stream, self._columns, extrasaction="ignore").writerow(row)
