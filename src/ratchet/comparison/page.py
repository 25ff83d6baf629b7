"""The comparison as one page that needs no network: its tables, and its charts by Vega-Lite."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ratchet.comparison import charts
from ratchet.comparison.curves import curves_of
from ratchet.comparison.display import duration, number, verdict_of
from ratchet.comparison.files import records_of, run_record
from ratchet.comparison.gather import Run
from ratchet.comparison.importance import FEWEST, importances, varied
from ratchet.comparison.measures import COSTS
from ratchet.comparison.settings import differing, written
from ratchet.comparison.tables import Row, Table
from ratchet.config.environment import text_or_none
from ratchet.config.non_numeric_settings import is_non_numeric
from ratchet.files import write_atomically
from ratchet.pages import render
from ratchet.pages.charts import key as as_key
from ratchet.pages.charts import rounded

_TEMPLATE = Path(__file__).with_name("runs.html")
_AXES = 9  # settings that are shown, those that matter most
_SLICES = 6
_POINTS = 80  # of a curve
_ALL_POINTS = 20_000  # of all curves of a metric
_FEWEST_POINTS = 10
_ROWS = 100
_BEST = 5  # runs in colour, where no rows have one


def write_page(tables: Sequence[Table], page: Path, *, cache: Path | None) -> None:
    """Write the page, the same bytes for the same runs. Its links to runs hold as long as it stays where it is.

    cache: as of ratchet.pages.
    """
    page.parent.mkdir(parents=True, exist_ok=True)
    script = _TEMPLATE.with_suffix(".js").read_text(encoding="utf-8")
    content = payload(tables, page.parent)
    write_atomically(page, render(_TEMPLATE, cache=cache, own=script, fewest=FEWEST, **content).encode())


def payload(tables: Sequence[Table], folder: Path) -> dict[str, Any]:
    """Return everything that the page shows."""
    newest = max((run.record.started_at for table in tables for run in table.runs if run.record), default="")
    found = [_table(table, f"runs{place}", folder) for place, table in enumerate(tables)]
    return {"newest": newest[:16].replace("T", " "), "tables": found, "number": number, "duration": duration}


def _table(table: Table, data: str, folder: Path) -> dict[str, Any]:
    shares = importances(table)
    keys = sorted(varied(table.runs), key=lambda key: -shares.get(key, 0.0))[:_AXES]
    lines = [_line(table, row, run, folder, keys) for row in table.rows for run in row.runs]
    sign = -1 if table.direction == "maximize" else 1
    lines.sort(key=lambda line: math.inf if line["value"] is None else sign * line["value"])
    changing = differing([line["facts"] for line in lines if line["facts"]])
    slots, groups = _colours(table, lines)
    runs = list(_runs(table, lines, keys, slots, changing))
    fields = [(f"s{k}", _short(key)) for k, key in enumerate(keys)]
    costs = [charts.scatter(runs, cost, cost, table.metric, data, front=True) for cost in COSTS]
    across, places = charts.parallel(runs, fields, table.metric, data)
    for run, place in zip(runs, places, strict=True):
        run |= {"p": place, "k": list(range(len(place)))}
    front = {cost: _front(runs, cost, sign) for cost in COSTS}
    for cost, found in front.items():
        for k in found:
            runs[k].setdefault("front", {})[cost] = True
    return {
        "table": table, "id": data, "rows": _judged(table), "more": max(0, len(table.rows) - _ROWS), "lines": lines,
        "titles": [(_short(key), True) for key in keys], "runs": runs, "groups": groups, "failures": _failures(lines),
        "changing": changing, "points": _points(lines),
        "curves": list(filter(None, (charts.curves(runs, k, name, data) for k, name in enumerate(_metrics(table))))),
        "costs": list(filter(None, costs)), "parallel": across if keys and len(lines) > 1 else None,
        "importance": charts.importance({_short(key): share for key, share in shares.items()}) if shares else None,
        "slices": list(filter(None, (charts.scatter(runs, *each, table.metric, data) for each in fields[:_SLICES]))),
        "front": [lines[k] for k in sorted(front["seconds"])],
    }  # fmt: skip


def _judged(table: Table) -> list[dict[str, Any]]:
    """The rows, those of baselines at the end, with the places of the interval between the ends of all, 0 to 100.

    None: beyond them, as a baseline can be.
    """
    records = records_of(table)
    judged, figures = len(table.rows), ("mean", "low", "high")
    ends = [record[name] for record in records[:judged] for name in figures if record[name] is not None]
    low, high = min(ends, default=0.0), max(ends, default=0.0)
    for place, record in enumerate(records):
        record["said"] = verdict_of(table.rows[place]) if place < judged else record["verdict"]
        for name in figures:
            value = record[name]
            beyond = value is None or not low <= value <= high
            record[f"{name}_at"] = None if beyond else 100 * (value - low) / (high - low) if high > low else 50.0
    return [*records[: min(judged, _ROWS)], *records[judged:]]


def _line(table: Table, row: Row, run: Run, folder: Path, keys: Sequence[str]) -> dict[str, Any]:
    """A run as a line of the table of runs; `facts` are what may be why its number is another one's."""
    record = run_record(table, row, run)
    told = f"trial {run.trial}" if run.trial is not None else f"seed {record['seed']}" if run.record else ""
    return record | {
        "name": ", ".join(filter(None, [row.name, told])), "run": run, "facts": _facts(run),
        "settings": [written(run.config[key], key) if key in run.config else "–" for key in keys],
        "href": quote(os.path.relpath(run.directory.path, folder)) + "/", "wandb": wandb_address(run),
        "started": run.record.started_at[:16].replace("T", " ") if run.record else "–",
    }  # fmt: skip


def _colours(table: Table, lines: Sequence[Mapping[str, Any]]) -> tuple[list[int], list[str]]:
    """The colour of each run, -1 for none, and what the colours are: of rows; where one row has all, of its best."""
    rows = [row.name for row in table.rows if row.group is not None]
    if len(rows) > 1:
        names = rows[: charts.COLOURS]
        return [names.index(line["row"]) if line["row"] in names else -1 for line in lines], names
    known = [k for k, line in enumerate(lines) if line["value"] is not None and line["run"].finished]
    best = known if len(known) <= charts.COLOURS else known[:_BEST]
    return [best.index(k) if k in best else -1 for k in range(len(lines))], [lines[k]["name"] for k in best]


def _runs(
    table: Table, lines: Sequence[Mapping[str, Any]], keys: Sequence[str], slots: Sequence[int], changing: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """The rows of the charts' data."""
    points, metrics = _points(lines), _metrics(table)
    numeric = [all(_is_number(line["run"].config.get(key, 0)) for line in lines) for key in keys]
    for place, (line, slot) in enumerate(zip(lines, slots, strict=True)):
        run = line["run"]
        value = rounded(line["value"]) if run.finished and line["value"] is not None else None
        tip = {"title": line["name"], table.metric: number(line["value"]), "time": duration(line["seconds"])}
        tip |= {"status": line["status"]} if not run.finished else {}
        tip |= {_short(key): text for key, text in zip(keys, line["settings"], strict=True) if text != "–"}
        found = {"run": place, "name": line["name"], "slot": slot, "value": value, "tip": tip}
        found |= {cost: line[cost] for cost in COSTS if line[cost] is not None}
        found |= {
            f"s{k}": rounded(run.config[key]) if numeric[k] else as_key(line["settings"][k])
            for k, key in enumerate(keys) if key in run.config
        }  # fmt: skip
        curves = curves_of(run, metrics, points=points)
        for k, metric in enumerate(metrics):
            if metric in curves:
                found |= {f"x{k}": curves[metric].steps, f"y{k}": curves[metric].values}
        facts = {key: written(line["facts"][key], key) for key in changing if key in line["facts"]}
        yield found | {"facts": {table.metric: number(line["value"]), "time": duration(line["seconds"]), **facts}}


def _metrics(table: Table) -> list[str]:
    """Those whose curves are drawn."""
    return list(dict.fromkeys([table.metric, "validation/loss", "train/loss"]))


def _points(lines: Sequence[Any]) -> int:
    """How many of each curve are drawn, that the page stays quick."""
    return max(_FEWEST_POINTS, min(_POINTS, _ALL_POINTS // max(1, len(lines))))


def _front(runs: Sequence[Mapping[str, Any]], cost: str, sign: int) -> list[int]:
    """The finished runs that no other beats at less: their places."""
    known = [k for k, run in enumerate(runs) if run["value"] is not None and cost in run]
    found: list[int] = []
    for k in sorted(known, key=lambda k: (runs[k][cost], sign * runs[k]["value"])):
        if not found or sign * runs[k]["value"] < sign * runs[found[-1]]["value"]:
            found.append(k)
    return found


def _failures(lines: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[Mapping[str, Any]]]]:
    """The failed runs by kind, the most frequent first."""
    kinds: dict[str, list[Mapping[str, Any]]] = {}
    for line in lines:
        if line["status"] == "failed":
            kinds.setdefault(line["failure"] or "exception", []).append(line)
    return sorted(kinds.items(), key=lambda item: -len(item[1]))


def _short(key: str) -> str:
    return key.removesuffix("._target_").removesuffix(".name")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _facts(run: Run) -> dict[str, Any]:
    """The config, and of the circumstances what can change a number."""
    record = run.record
    if record is None:
        return {}
    facts = {key: value for key, value in run.config.items() if not is_non_numeric(key)}
    code = str(record.git.get("revision") or "unknown")[:12] + (" and changes" if record.git.get("dirty") else "")
    versions = {f"version of {name}": version for name, version in record.versions.items()}
    machine = {f"machine: {name}": value for name, value in record.host.items()}
    return {**facts, "code": code, **versions, **machine}


def wandb_address(run: Run) -> str | None:
    """Return the address of a run's page in W&B, if it was online under a known entity."""
    known = run.record is not None and run.record.wandb_id and run.config.get("logger.mode") == "online"
    entity, project = (text_or_none(run.config.get(f"logger.{name}")) for name in ("entity", "project"))
    if not (known and run.record and entity and project):
        return None
    host = os.environ.get("WANDB_BASE_URL", "https://wandb.ai").replace("https://api.wandb.ai", "https://wandb.ai")
    return f"{host.rstrip('/')}/{quote(entity)}/{quote(project)}/runs/{quote(str(run.record.wandb_id))}"
