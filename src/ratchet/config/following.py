"""What a composed config leaves open and its data or its model decide: task, objective, idle sections."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final, get_args

from pydantic import (
    ValidationError,
)

from ratchet.config.checksums import weights_checksum
from ratchet.config.hints import OverrideError
from ratchet.config.modules import is_lightning_module
from ratchet.config.sections import MetricConfig
from ratchet.config.tables import completed, is_described
from ratchet.metrics import METRICS, Metric, declare
from ratchet.project import Project
from ratchet.tasks.base import TargetKind
from ratchet.tasks.build import task_class, usual_task

# Sections that a person's LightningModule does itself, and what stands in for them: in a config of it they are null.
IDLE: Final[dict[str, Any]] = {
    "optimizer": {"_target_": "torch.optim.SGD", "lr": 1.0}, "scheduler": {"name": "none"}, "augmentation": {},
    "loss": {},
}  # fmt: skip
_NO_FILES: Final[dict[str, Any]] = {
    "layout": "table", "shape": None, "target_kind": "number", "classes": [], "reader": "",
    "files": [{"name": "none", "checksum": f"md5:{0:032}"}], "sources": [{"kind": "folder", "path": ""}],
    "prepare": {"validation": 1, "confirm": 1, "test": 1},
}  # fmt: skip


def with_what_follows(given: Any) -> Any:
    """A plain config whose null task is the usual one of the data's target, and whose null objective the task's.

    Of a LightningModule the objective is what conf/model says, and the sections that it does itself say nothing.
    """
    if not isinstance(given, dict) or not isinstance(data := given.get("data"), dict):
        return given
    model = given.get("model")
    if isinstance(model, dict) and not model.get("weights_checksum"):
        checksum = weights_checksum(model, Project.find()) if "path" in model else None
        model = {**model, "weights_checksum": checksum} if checksum else model
        given = {**given, "model": model}
    if isinstance(model, dict) and is_lightning_module(model.get("_target_")):
        given = {**given, **IDLE, **_objective_of(model, given.get("objective"))}
    elif isinstance(model, dict) and all(given.get(name, "") is None for name in IDLE):
        raise OverrideError(
            f"model._target_={model.get('_target_')} was a LightningModule of src/own, and there is none now; allowed: "
            "the file that the run was trained with",
            key="model._target_", otherwise="type: git log src/own, to find it, and put it back",
        )  # fmt: skip
    if "_target_" in data or "module" in data:  # what it predicts an evaluation sees
        data = data if "module" in data else {**_NO_FILES, "name": data.get("name"), "module": data}
        objective = given.get("objective")
        if isinstance(objective, dict) and objective.get("metric", "") is None:  # of a network of ours: it is refused
            objective = {**objective, "metric": "validation/loss"}
        return {**given, "data": data, "objective": objective}
    if is_described(data):
        data = completed(data)
        given = {**given, "data": data}
    task = given.get("task") or {}
    kind = data.get("target_kind", "class")
    if not isinstance(task, dict) or kind not in get_args(TargetKind):
        return given
    declare(own_metrics(task))
    path = task.get("_target_") or usual_task(kind)
    objective = given.get("objective")
    if isinstance(objective, dict) and objective.get("metric", "") is None and isinstance(path, str):
        objective = {**objective, "metric": f"validation/{task_class(path).objectives[0]}"}
    return {**given, "task": {**task, "_target_": path}, "objective": objective}


def own_metrics(task: Mapping[str, Any]) -> Iterator[Metric]:
    """The metrics that a plain `task` section names, those that are said well: the others are refused later."""
    metrics = task.get("metrics")
    for name, given in metrics.items() if isinstance(metrics, Mapping) else ():
        with suppress(ValidationError):
            yield MetricConfig.model_validate(given).named(str(name))


def _objective_of(model: dict[str, Any], asked: Any) -> dict[str, Any]:
    """The sections model and objective of a LightningModule: model.objective is what is not asked for otherwise."""
    own = model.get("objective")
    given = {key: value for key, value in (asked if isinstance(asked, dict) else {}).items() if value is not None}
    if not isinstance(own, dict) or given.get("metric", own.get("metric")) != own.get("metric"):
        own = {}
    objective = {"direction": None, **own, **given}
    if not objective.get("metric"):
        raise OverrideError(
            f"model._target_={model['_target_']} logs what it likes, so its objective has no usual name; allowed: a "
            "metric that its validation logs, here or as `objective: {metric: ..., direction: ...}` of its conf/model",
            key="objective.metric", instead=[["objective.metric=val/loss", "objective.direction=minimize"]],
        )  # fmt: skip
    known = METRICS.get(str(objective["metric"]).rpartition("/")[2])
    if objective["direction"] is None:
        objective["direction"] = known.direction if known else "unknown"
    return {"model": {key: value for key, value in model.items() if key != "objective"}, "objective": objective}
