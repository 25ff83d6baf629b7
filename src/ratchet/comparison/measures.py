"""Which number of a run is compared, and which way is better."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from ratchet.comparison.gather import Run
from ratchet.csv_files import read_csv
from ratchet.errors import RatchetError
from ratchet.metrics import OBJECTIVES, Direction, declare, find_metric
from ratchet.names import listed, nearest, suggestion

COSTS = ("seconds", "parameters")  # those that every run has on record


def declare_metrics(runs: Sequence[Run]) -> None:
    """Add the metrics that the configs of runs name to the table of metrics."""
    for run in runs:
        own: dict[str, dict[str, Any]] = {}
        for key, value in run.config.items():
            if key.startswith("task.metrics."):
                name, _, leaf = key.removeprefix("task.metrics.").partition(".")
                own.setdefault(name, {})[leaf] = list(value) if isinstance(value, tuple) else value
        if own:
            from ratchet.config.following import own_metrics  # it brings pydantic

            declare(own_metrics({"metrics": own}))


def objective_of(runs: Sequence[Run]) -> str:
    """The metric that most of the runs were trained for; of finished ones where there are any."""
    for chosen in ([run for run in runs if run.finished], runs):
        counts = Counter(str(run.config["objective.metric"]) for run in chosen if "objective.metric" in run.config)
        if counts:
            return counts.most_common(1)[0][0]
    return OBJECTIVES[0]


def direction_of(runs: Sequence[Run], metric: str) -> Direction:
    """What the runs' configs say of their objective, else what the table of metrics says of another one.

    Raises RatchetError for a metric that neither knows.
    """
    for run in runs:
        if run.config.get("objective.metric") == metric:
            return "minimize" if run.config.get("objective.direction") == "minimize" else "maximize"
    found = find_metric(metric)
    if found is None:
        raise RatchetError(
            f"metric={metric}: which way is better is not known; allowed: direction=maximize, direction=minimize; "
            f"type: metric={metric} direction=minimize"
        )
    return found.direction


def value_of(run: Run, metric: str) -> float | None:
    """The metric at the run's best checkpoint, or a cost; None where the run has no such number."""
    record = run.record
    if record is None:
        return None
    if metric in COSTS:
        return run.seconds if metric == "seconds" else float(record.parameters)
    if record.best is None:
        return None
    best = record.best
    value = best.value if best.metric == metric else best.metrics.get(metric)
    if value is None:
        value = _at_step(run, metric, best.step)
    return value if value is not None and math.isfinite(value) else None


def _at_step(run: Run, metric: str, step: int) -> float | None:
    """Records before best.metrics: the row of metrics.csv."""
    try:
        header, rows = read_csv(run.directory.metrics)
        for row in rows:
            found = dict(zip(header, row, strict=True))
            if found.get("step") == str(step) and found.get(metric):
                return float(found[metric])
    except (OSError, ValueError):
        return None
    return None


def known_metrics(runs: Sequence[Run]) -> list[str]:
    """Every metric that one of the runs has."""
    names = set(COSTS)
    for run in runs:
        if run.record is not None and run.record.best is not None:
            names |= {run.record.best.metric, *run.record.best.metrics, *run.record.metrics}
    return sorted(names - {"epoch", "lr"})


def require_metric(metric: str, runs: Sequence[Run]) -> None:
    """Raises RatchetError for a metric that no run has, and for one of the test split."""
    known = known_metrics(runs)
    example = (nearest(metric, known) or [objective_of(runs)])[0]
    if metric.startswith("test/") or metric == "test":
        raise RatchetError(
            f"metric={metric}: to choose by the test split spoils it; allowed: {listed(known)}; "
            f"type: metric={objective_of(runs)}, and evaluate the one you choose"
        )
    if metric not in known:
        raise RatchetError(f"metric={metric}: no run has it; {suggestion(metric, known)}; type: metric={example}")
