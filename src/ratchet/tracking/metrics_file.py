"""metrics.csv: a row for each validation, readable while the run goes on; what training logs apart has its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytorch_lightning.loggers.logger import Logger
from pytorch_lightning.utilities import rank_zero_only

from ratchet.csv_files import csv_line, csv_text, read_csv
from ratchet.errors import FileError
from ratchet.files import unlink_from_others, write_atomically
from ratchet.runs.directory import RunDirectory

_FIRST = ("epoch", "step")


def read_rows(run: RunDirectory) -> list[dict[str, float]]:
    """The rows of a run's metrics.csv, without what a row does not have; none where there is no such file.

    Raises FileError for what is no table of numbers.
    """
    if not run.metrics.exists():
        return []
    header, rows = read_csv(run.metrics)
    try:
        read = [{name: float(text) for name, text in zip(header, row, strict=True) if text} for row in rows]
        return [{**row, "epoch": int(row["epoch"]), "step": int(row["step"])} for row in read]
    except (ValueError, KeyError) as error:
        raise FileError(f"{run.metrics} holds no learning curves ({type(error).__name__}: {error})") from error


class MetricsFile(Logger):
    """Appends what Lightning logs to metrics.csv. A resumed run goes on below its rows."""

    def __init__(self, run: RunDirectory, *, resumed_at_step: int | None = None) -> None:
        super().__init__()
        self.run = run
        self._columns: list[str] = []
        if resumed_at_step is None:
            run.metrics.unlink(missing_ok=True)
        elif run.metrics.exists():
            unlink_from_others(run.metrics)
            self._drop_rows_after(resumed_at_step)

    def _drop_rows_after(self, step: int) -> None:
        """Rows that the interrupted run wrote after its last checkpoint will be written again."""
        self._columns, rows = read_csv(self.run.metrics)
        read_rows(self.run)  # or FileError, before anything is changed
        place = self._columns.index("step") if rows else 0
        self._rewrite([row for row in rows if int(row[place]) <= step])

    def _rewrite(self, rows: Sequence[Sequence[object]]) -> None:
        write_atomically(self.run.metrics, csv_text(self._columns, rows).encode())

    @property
    def name(self) -> str:
        return "metrics"

    @property
    def version(self) -> str:
        return ""

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Do nothing: config.yaml holds the hyperparameters."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        if "epoch" not in metrics:
            return  # a callback's own, of any step: for services, not for a table of epochs
        row = {
            "epoch": int(metrics["epoch"]),
            "step": (step or 0) + 1,  # Lightning counts from 0; this is the number of steps taken
            **{k: v for k, v in metrics.items() if k != "epoch"},
        }
        if new := sorted(row.keys() - {*_FIRST, *self._columns}):  # a person's module logs what it likes, when it likes
            rows = read_csv(self.run.metrics)[1] if self._columns else []
            self._columns = [*(self._columns or _FIRST), *new]
            self._rewrite([[*each, *[None] * (len(self._columns) - len(each))] for each in rows])
        with self.run.metrics.open("a", newline="", encoding="utf-8") as stream:
            stream.write(csv_line([row.get(name) for name in self._columns]))
