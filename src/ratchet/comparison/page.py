"""The comparison as one page that needs no network: page.html with its style, its script and the data in it."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ratchet.comparison.curves import MANY, curves_of
from ratchet.comparison.files import records_of, row_record, run_record
from ratchet.comparison.gather import Run
from ratchet.comparison.importance import FEWEST, importances, varied
from ratchet.comparison.settings import differing
from ratchet.comparison.tables import Row, Table
from ratchet.config.environment import text_or_none
from ratchet.config.inert import is_inert
from ratchet.files import write_atomically
from ratchet.pages import style

_PARTS = Path(__file__).parent


def write_page(tables: Sequence[Table], page: Path) -> None:
    """Write the page. Its links to runs are relative: they hold as long as it stays where it is."""
    page.parent.mkdir(parents=True, exist_ok=True)
    content = (_PARTS / "page.html").read_text(encoding="utf-8")
    for mark, text in (
        ("/*style*/", style() + (_PARTS / "page.css").read_text(encoding="utf-8")),
        ("/*script*/", (_PARTS / "page.js").read_text(encoding="utf-8")),
        ("/*data*/", embedded(payload(tables, page.parent))),
    ):
        content = content.replace(mark, text, 1)
    write_atomically(page, content.encode())


def embedded(plain: Any) -> str:
    """JSON that no browser takes for the end of its script, whatever strings are in it."""
    text = json.dumps(plain, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def payload(tables: Sequence[Table], folder: Path) -> dict[str, Any]:
    """Everything that the page shows."""
    return {
        "made": datetime.now(UTC).isoformat(timespec="minutes"),
        "fewest": FEWEST,
        "tables": [_table(table, folder) for table in tables],
    }


def _table(table: Table, folder: Path) -> dict[str, Any]:
    runs = list(table.runs)
    place = {run: number for number, run in enumerate(runs)}
    facts = [_facts(run) for run in runs]
    changing = differing([found for found in facts if found])
    choices = varied(runs)
    others = ("validation/loss", "train/loss") if len(runs) <= MANY else ()
    metrics = list(dict.fromkeys([table.metric, *others]))
    rows = [
        row_record(table, row) | {"runs": [place[run] for run in row.runs], "statuses": row.statuses}
        for row in table.rows
    ]
    rows += [each | {"runs": [], "statuses": {}} for each in records_of(table)[len(rows) :]]
    whole: dict[str, Any] = _plain({
        "data": table.dataset, "hash": table.data_hash, "metric": table.metric, "direction": table.direction,
        "verdict": table.verdict, "notes": table.notes, "rows": rows, "keys": choices, "changing": changing,
        "importances": importances(table), "curves": _curves(runs, metrics),
        "runs": [
            _run(table, row, run, folder) | {
                "row": number, "config": {key: facts[place[run]][key] for key in changing if key in facts[place[run]]},
            }
            for number, row in enumerate(table.rows) for run in row.runs
        ],
    })  # fmt: skip
    return whole


def _run(table: Table, row: Row, run: Run, folder: Path) -> dict[str, Any]:
    """What is on record of a run, without what is not."""
    found = run_record(table, row, run) | {
        "href": quote(os.path.relpath(run.directory.path, folder)) + "/", "wandb": wandb_address(run),
        "started": run.record.started_at if run.record else None,
    }  # fmt: skip
    return {key: value for key, value in found.items() if value is not None}


def _facts(run: Run) -> dict[str, Any]:
    """The config, and of the circumstances what can change a number."""
    record = run.record
    if record is None:
        return {}
    facts = {key: value for key, value in run.config.items() if not is_inert(key)}
    code = str(record.git.get("revision") or "unknown")[:12] + (" and changes" if record.git.get("dirty") else "")
    versions = {f"version of {name}": version for name, version in record.versions.items()}
    machine = {f"machine: {name}": value for name, value in record.host.items()}
    return {**facts, "code": code, **versions, **machine}


def wandb_address(run: Run) -> str | None:
    """Where a run's page is, if it was online under a known entity."""
    known = run.record is not None and run.record.wandb_id and run.config.get("logger.mode") == "online"
    entity, project = (text_or_none(run.config.get(f"logger.{name}")) for name in ("entity", "project"))
    if not (known and run.record and entity and project):
        return None
    host = os.environ.get("WANDB_BASE_URL", "https://wandb.ai").replace("https://api.wandb.ai", "https://wandb.ai")
    return f"{host.rstrip('/')}/{quote(entity)}/{quote(project)}/runs/{quote(str(run.record.wandb_id))}"


def _curves(runs: Sequence[Run], metrics: Sequence[str]) -> dict[str, Any]:
    """By metric and run; equal steps are carried once: {steps: [...], of: {metric: {run: [steps, values]}}}."""
    points = 80 if len(runs) <= MANY else 30
    steps: dict[tuple[int, ...], int] = {}
    of: dict[str, dict[int, Any]] = {metric: {} for metric in metrics}
    for number, run in enumerate(runs):
        for metric, curve in curves_of(run, metrics, points=points).items():
            of[metric][number] = [steps.setdefault(curve.steps, len(steps)), curve.values]
    return {"steps": list(steps), "of": {metric: found for metric, found in of.items() if found}}


def _plain(value: Any) -> Any:
    """What JSON has: no infinity, no paths."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
