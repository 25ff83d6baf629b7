"""What needs no network, beside the runs of a table: measured on validation, as the runs are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ratchet.comparison.gather import Run
from ratchet.comparison.tables import BaselineRow, Table
from ratchet.data.folds import Fold
from ratchet.data.prepared import PreparedData
from ratchet.errors import RatchetError
from ratchet.evaluation.baselines import baselines_measured
from ratchet.evidence.groups import Group
from ratchet.metrics import find_metric
from ratchet.project import Project
from ratchet.runs.record import whole_config
from ratchet.tasks import Predictions, Task, build_task
from ratchet.tasks.build import usual_task


def with_baselines(table: Table, *, project: Project) -> Table:
    """The table with the baselines of its data set, where its metric is measured on validation and its data are there.

    They are fitted once for each data set. A note says where they are missing, and which rows are no better.
    """
    split, _, metric = table.metric.rpartition("/")
    directory = project.prepared(table.dataset)
    if split != "validation" or not (directory / "card.json").is_file():
        return table
    try:
        plain = _config_of(table.runs)
        folds = _folds(directory, plain)
        if folds[0].data_hash != table.data_hash:
            return _noted(table, f"No baselines: {table.dataset} is prepared, or folded, in another way.")
        of_folds = [baselines_measured(data, _task_of(plain, data), split) for data in folds]
        found = []
        for same in zip(*of_folds, strict=True):
            values = [value_of(said, metric) for _, said in same]
            if all(value is not None for value in values):
                notes = [same[0][0].note, f"the mean of {len(same)} folds" if len(same) > 1 else ""]
                value = float(np.mean(np.array(values, float)))
                found.append(BaselineRow(same[0][0].name, value, ", ".join(filter(None, notes))))
    except (RatchetError, OSError) as error:
        return _noted(table, f"No baselines: {error}")
    return _noted(replace(table, baselines=tuple(found)), *_said(table, found)) if found else table


def value_of(said: Predictions, metric: str) -> float | None:
    """A metric of predictions, without torch; None where they do not have it, or it is not defined on them."""
    found = said.resampled([metric])(np.ones((len(said), 1))).get(metric)
    if found is not None:
        return None if np.isnan(found[0]) else float(found[0])
    known = find_metric(metric)
    try:
        mean = float(said.scores(metric).mean())
    except KeyError:
        return None
    return -mean if known is not None and known.direction == "minimize" else mean


def _config_of(runs: Sequence[Run]) -> Mapping[str, Any]:
    """Return the config of the newest run that has one on record."""
    recorded = [run for run in runs if run.directory.config.is_file()]
    newest = max(recorded, key=lambda run: run.record.started_at if run.record else "", default=None)
    return whole_config(newest.directory) if newest is not None else {}


def _folds(directory: Path, plain: Mapping[str, Any]) -> list[PreparedData]:
    """The prepared data as each fold has them, of which runs with other seeds are repeats; else as they are."""
    split = plain.get("split") or {}
    folds: list[Fold | None] = [None]
    if split.get("name") == "kfold":
        folds = [Fold(number, split["folds"], split["seed"]) for number in range(split["folds"])]
    return [PreparedData.open(directory, reader="train", fold=fold) for fold in folds]


def _task_of(plain: Mapping[str, Any], data: PreparedData) -> Task:
    settings = dict(plain.get("task") or {})
    metrics = settings.pop("metrics", None)
    path = settings.pop("_target_", None) or usual_task(data.target.kind)
    bins = (plain.get("evaluation") or {}).get("calibration_bins", 15)
    return build_task(path, data.target, settings=settings, calibration_bins=bins, metrics=metrics)


def _said(table: Table, found: Sequence[BaselineRow]) -> list[str]:
    """What they are, and which rows are not better than the best of them."""
    sign = 1.0 if table.direction == "maximize" else -1.0
    best = max(found, key=lambda each: sign * each.value)
    surely = {row.name: _surely(row.group, sign) for row in table.rows if row.group is not None}
    below = [name for name, value in surely.items() if sign * (value - best.value) <= 0]
    told = ["Baselines are no runs: fitted on train, measured on validation, they cannot be promoted."]
    if below:
        more = f" and {len(below) - 3} more" if len(below) > 3 else ""
        told.append(
            f"Not shown to be better than the best baseline, {best.name} ({best.value:.4f}): "
            f"{', '.join(below[:3])}{more}."
        )
    return told


def _surely(group: Group, sign: float) -> float:
    """The end of the interval that is nearest to the baselines; the mean where there is none."""
    end = group.low if sign > 0 else group.high
    return group.mean if end is None else end


def _noted(table: Table, *notes: str) -> Table:
    return replace(table, notes=(*table.notes, *notes))
