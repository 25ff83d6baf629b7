"""Tasks, built from conf/task and the description of the target."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from inspect import isabstract
from typing import Any

from ratchet.dotted import named_by
from ratchet.errors import ConfigError
from ratchet.tasks.base import Target, Task
from ratchet.tasks.multiclass import Multiclass
from ratchet.tasks.multilabel import Multilabel
from ratchet.tasks.regression import Regression

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
