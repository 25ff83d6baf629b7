"""Which quantity a metric of one name is, under two tasks of one data set."""

from __future__ import annotations

from typing import Any

import pytest

from ratchet.metrics import Metric, declare
from ratchet.tasks.build import definition

BINARY, QUANTILE, OWN = "ratchet.tasks.Binary", "ratchet.tasks.Quantile", "own.tasks.Mine"
MULTICLASS, REGRESSION = "ratchet.tasks.Multiclass", "ratchet.tasks.Regression"


def of(metric: str, path: str | None, **settings: Any) -> dict[str, Any]:
    return definition(f"validation/{metric}", {"seed": 0, "task._target_": path, **settings})


def yes(name: str) -> dict[str, Any]:
    return {"task.positive": name}


def mine(**arguments: Any) -> dict[str, Any]:
    given = {"_target_": "torchmetrics.FBetaScore", "direction": "maximize", "range": (0, 1), **arguments}
    return {f"task.metrics.mine.{key}": value for key, value in given.items()}


@pytest.mark.parametrize(
    ("metric", "one", "other", "same"),
    [
        *((name, (BINARY, {}), (MULTICLASS, {}), False) for name in ("f1", "precision", "recall", "average_precision")),
        *((name, (BINARY, {}), (None, {}), True)
          for name in ("accuracy", "balanced_accuracy", "auroc", "brier", "loss", "log_loss", "matthews")),
        ("f1", (BINARY, yes("a")), (BINARY, yes("b")), False),
        ("auroc", (BINARY, yes("a")), (BINARY, yes("b")), True),
        ("f1", (BINARY, {}), (BINARY, {"task.positive": None, "task.threshold": 0.1}), True),
        ("f1", (None, {}), (MULTICLASS, {}), True),
        *((name, (QUANTILE, {}), (REGRESSION, {}), True) for name in ("rmse", "mae", "r2")),
        ("loss", (QUANTILE, {}), (REGRESSION, {}), False),
        ("pinball", (QUANTILE, {}), (QUANTILE, {"task.quantiles": [0.05, 0.5, 0.95]}), True),
        ("pinball", (QUANTILE, {}), (QUANTILE, {"task.quantiles": (0.1, 0.5, 0.9)}), False),
        ("mine", (None, mine(beta=1.0)), (None, mine(beta=2.0)), False),
        ("mine", (None, mine(beta=1.0)), (None, mine(beta=1.0, unit="coins", range=(0, 9))), True),
        ("mine", (BINARY, mine()), (MULTICLASS, mine()), False),
        ("mine", (QUANTILE, mine()), (REGRESSION, mine()), True),
        ("mine", (None, mine(beta=2, ends=[[1], {"a": 1}])), (None, mine(beta=2.0, ends=([1], {"a": 1}))), True),
        ("accuracy", (None, mine(beta=1.0)), (None, mine(beta=2.0)), True),
        ("accuracy", (OWN, {}), (MULTICLASS, {}), False),
        ("accuracy", (OWN, {"task.cost": 1}), (OWN, {"task.cost": 2}), False),
        ("parameters", (OWN, {}), (MULTICLASS, {}), True),
    ],
)  # fmt: skip
def test_a_name_is_one_quantity_or_two(metric, one, other, same):
    declare([Metric("mine", "maximize", (0, 1), "points", is_objective=True)])
    definitions = [of(metric, path, **settings) for path, settings in (one, other)]
    assert len({frozenset(each.items()) for each in definitions}) == 2 - same
