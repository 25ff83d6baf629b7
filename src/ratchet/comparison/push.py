"""The table in W&B: a run of its own, of the job type compare."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from secrets import token_hex
from typing import Any

from ratchet.comparison.files import ROW_COLUMNS, records_of
from ratchet.comparison.tables import Table
from ratchet.config.environment import text_or_none
from ratchet.project import Project
from ratchet.redaction import said_of


def wanted(tables: Sequence[Table], asked: bool | None) -> bool:
    """What was asked for; else whether the newest run with W&B was online."""
    return _newest(tables).get("logger.mode") == "online" if asked is None else asked


def _newest(tables: Sequence[Table]) -> dict[str, Any]:
    """The config of the newest run that W&B knows; empty where there is none."""
    known = [run for table in tables for run in table.runs if run.record is not None and run.record.wandb_id]
    return max(known, key=lambda run: run.record.started_at if run.record else "").config if known else {}


def push(tables: Sequence[Table], project: Project) -> str:
    """Log the rows as a W&B table, where the newest run went: online, or offline for `wandb sync`.

    Returns a line about it. It is kept offline where the server cannot be reached. A service that fails costs a line
    of warning, never the comparison.
    """
    config = _newest(tables)
    try:
        from ratchet.config.sections import LoggerConfig
        from ratchet.tracking.identity import Identity
        from ratchet.tracking.wandb_run import WandbRun

        settings = LoggerConfig(
            name="wandb", mode="online" if config.get("logger.mode") == "online" else "offline",
            project=text_or_none(config.get("logger.project")) or "ratchet",
            entity=text_or_none(config.get("logger.entity")),
        )  # fmt: skip
        run = WandbRun.open(
            Identity(f"compare-{token_hex(4)}", "comparison", "compare"), settings=settings, config={}, project=project
        )
        try:
            rows = [record for table in tables for record in records_of(table)]
            run.log_table("comparison", ROW_COLUMNS, [list(row.values()) for row in rows])
        finally:
            verdicts = {f"verdict/{table.title}": table.verdict for table in tables}
            run.finish(summary=verdicts, tags=(), exit_code=0)
    except Exception as error:  # noqa: BLE001 - whatever the service does
        print(f"warning: W&B did not take the table ({said_of(error)}); the files have it all", file=sys.stderr)
        return ""
    return f"W&B: run {run.version}, {run.mode}" + ("" if run.mode == "online" else "; wandb sync sends it")
