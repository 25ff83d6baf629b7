"""The comparison as files: table.json and table.csv with the rows, runs.csv with every run."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ratchet.comparison.gather import Run
from ratchet.comparison.measures import COSTS
from ratchet.comparison.settings import differing, what_matters
from ratchet.comparison.tables import Row, Table
from ratchet.csv_files import csv_text
from ratchet.files import write_atomically

HEAD = ("data", "data_hash", "edition", "metric", "direction")  # what tells tables apart
ROW_COLUMNS = (
    *HEAD, "row", "mean", "low", "high", "n", "worst", "gap", "half_width",
    "verdict", "settings", "seconds", "parameters", "completed", "failed", "pruned", "interrupted", "running",
)  # fmt: skip


def write_files(tables: Sequence[Table], folder: Path) -> list[Path]:
    """Write all three, whole or not at all. Returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [record for table in tables for record in records_of(table)]
    written = {
        "table.json": (json.dumps([_table_record(table) for table in tables], indent=2) + "\n").encode(),
        "table.csv": _csv(ROW_COLUMNS, rows),
        "runs.csv": _runs(tables),
    }
    for name, content in written.items():
        write_atomically(folder / name, content)
    return [folder / name for name in written]


def records_of(table: Table) -> list[dict[str, Any]]:
    """The rows under ROW_COLUMNS, and below them the baselines."""
    empty = dict.fromkeys(ROW_COLUMNS) | dict.fromkeys(("n", "settings", *ROW_COLUMNS[-5:]), 0)
    beside = [
        {**empty, **_head(table), "row": each.name, "mean": each.value, "verdict": "baseline"}
        for each in table.baselines
    ]
    return [*(row_record(table, row) for row in table.rows), *beside]


def row_record(table: Table, row: Row) -> dict[str, Any]:
    """A row under ROW_COLUMNS. None: there is no such number."""
    group = row.group
    figures = ("mean", "low", "high", "n", "worst", "gap", "half_width")
    return {
        **_head(table), "row": row.name, **{name: getattr(group, name) if group else None for name in figures},
        "n": group.n if group else 0, "verdict": row.verdict, "settings": len(row.settings),
        "seconds": row.seconds, "parameters": row.parameters,
        **{status: row.statuses.get(status, 0) for status in ROW_COLUMNS[-5:]},
    }  # fmt: skip


def _head(table: Table) -> dict[str, Any]:
    told = (table.dataset, table.data_hash, table.edition, table.metric, table.direction)
    return dict(zip(HEAD, told, strict=True))


def _table_record(table: Table) -> dict[str, Any]:
    rows = []
    for row in table.rows:
        record = row_record(table, row)
        rows.append({
            **{key: record[key] for key in ROW_COLUMNS[len(HEAD) :]},
            "values": {str(seed): value for seed, value in row.settings[0].values.items()},
            "runs": [os.path.relpath(run.directory.path) for run in row.runs],
        })  # fmt: skip
    baselines = [asdict(each) for each in table.baselines]
    return {**_head(table), "verdict": table.verdict, "notes": list(table.notes), "rows": rows, "baselines": baselines}


def _runs(tables: Sequence[Table]) -> bytes:
    """A line for each run: what it was, its number, and the keys of the configs that differ."""
    recorded = [run for table in tables for run in table.runs if run.record is not None]
    keys = differing([what_matters(run.config) for run in recorded])
    head = ["id", "status", "row", "data", "study", "trial", "seed", "value", *COSTS, "failure", "error", "directory"]
    lines = []
    for table in tables:
        for row in table.rows:
            lines += [run_record(table, row, run) | {key: run.config.get(key) for key in keys} for run in row.runs]
    return _csv([*head, *keys], lines)


def run_record(table: Table, row: Row, run: Run) -> dict[str, Any]:
    """A run in plain values."""
    record = run.record
    return {
        "id": run.id, "status": run.status, "row": row.name, "data": table.dataset, "study": run.study,
        "trial": run.trial, "seed": record.seed if record else None, "value": table.values[run],
        "seconds": run.seconds, "parameters": record.parameters if record else None, "failure": run.failure,
        "error": " ".join(run.message.split()) or None, "directory": os.path.relpath(run.directory.path),
    }  # fmt: skip


def _csv(columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> bytes:
    return csv_text(columns, ([row.get(name) for name in columns] for row in rows)).encode()
