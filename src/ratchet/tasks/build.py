"""Tasks, built from conf/task and the description of the target."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from inspect import isabstract
from typing import Any

from ratchet.dotted import named_by
from ratchet.errors import ConfigError
from ratchet.metrics import find_metric
from ratchet.tasks.base import OWN, Target, Task
from ratchet.tasks.binary import Binary
from ratchet.tasks.multiclass import Multiclass
from ratchet.tasks.multilabel import Multilabel
from ratchet.tasks.quantile import Quantile
from ratchet.tasks.regression import Regression
from ratchet.yaml_files import flow

# What a target is taken for where conf/task is left to find out.
USUAL: Mapping[str, type[Task]] = {"class": Multiclass, "labels": Multilabel, "number": Regression}


def usual_task(kind: str) -> str:
    """The dotted path of the task that a target of a kind is usually."""
    return f"ratchet.tasks.{USUAL[kind].__name__}"


def task_class(path: str) -> type[Task]:
    """The Task class at a dotted path, of Ratchet or of src/own. Raises ConfigError where there is none."""
    allowed = "ratchet.tasks.Multiclass, Binary, Multilabel, Regression, Quantile, or a class of your own in src/own"
    found = named_by(path, setting="task._target_", allowed=allowed, refuse=_refused, homes=("ratchet.tasks", "own"))
    if not (isinstance(found, type) and issubclass(found, Task) and not isabstract(found)):
        raise _refused(f"task._target_={path} is no Task of ratchet.tasks; allowed: {allowed}")
    return found


def definition(metric: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """What says which quantity a metric is: where it differs, numbers of one name and one data set are of two kinds.

    config: dotted keys. A metric of task.metrics has its arguments; a task of src/own all that conf/task says of it.
    """
    known, name = find_metric(metric), metric.rpartition("/")[2]
    if known is None or not known.is_objective:
        return {}
    task = {key.removeprefix("task."): value for key, value in config.items() if key.startswith("task.")}
    told = {key: value for key, value in task.items() if key.startswith(f"metrics.{name}.")}
    said = {f"metrics.{name}.{key}" for key in ("direction", "range", "unit")}
    path = str(task.get("_target_") or "ratchet.tasks")
    kind = {each.__name__: each for each in (Binary, Quantile)}.get(path.rpartition(".")[2], Task)
    if not path.startswith("ratchet.tasks"):
        told |= {key: value for key, value in task.items() if not key.startswith("metrics.")}
    elif setting := kind.defining.get(OWN if told else name):
        told |= {"_target_": path, setting: task.get(setting, inspect.signature(kind).parameters[setting].default)}
    return {f"task.{key}": _fixed(value) for key, value in told.items() if key not in said}


def _fixed(value: Any) -> Any:
    """What can be hashed, and is the same for a list and a tuple."""
    if isinstance(value, list | tuple):
        return tuple(map(_fixed, value))
    return flow(value) if isinstance(value, dict) else value


def _refused(said: str, instead: Sequence[Sequence[str]] = (["task=auto"],)) -> ConfigError:
    return ConfigError(f"{said}; type: {instead[0][0]}")


def build_task(
    path: str, target: Target, *, settings: Mapping[str, Any], calibration_bins: int = 15,
    metrics: Mapping[str, Mapping[str, Any]] | None = None, objective: str | None = None,
) -> Task:  # fmt: skip
    """The task at a dotted path for a target.

    metrics: a person's own, by their names: `_target_` and arguments; those for another kind of target the task goes
    without, but for the objective. objective: what a validation measures too where
    the task measures it on request. Raises ConfigError for settings that it does not have, and bad values.
    """
    kind = task_class(path)
    known = [name for name in inspect.signature(kind).parameters if name not in {"target", "calibration_bins"}]
    unknown = [name for name in settings if name not in known]
    if unknown:
        raise ConfigError(
            f"task.{unknown[0]}: {path} has no such setting; allowed: {', '.join(known) or 'none'}; leave it out, or "
            f"type: task={'auto' if not known else kind.__name__.lower()}"
        )
    task = kind(target, calibration_bins=calibration_bins, **settings)
    task.requested = (objective,) if objective in task.on_request else ()
    if metrics:
        from ratchet.tasks.own_metrics import suited

        two_way = target.kind == "class" and task.n_outputs == 1
        task.own, task.left_out = suited(metrics, target, two_way=two_way, needed=objective)
    return task
