"""The table of metrics, and that nothing else lists them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from ratchet.config.sections import ObjectiveConfig
from ratchet.errors import RatchetError
from ratchet.metrics import METRICS, OBJECTIVES, find_metric, range_of
from ratchet.tasks import Binary, Multiclass, Multilabel, Quantile, Regression, Target, Task
from ratchet.tasks.binary import BinaryPredictions
from ratchet.tasks.multiclass import MulticlassPredictions
from ratchet.tasks.multilabel import MultilabelPredictions
from ratchet.tasks.quantile import QuantilePredictions
from ratchet.tasks.regression import RegressionPredictions

PACKAGE = Path(__file__).parents[1] / "src" / "ratchet"


@pytest.mark.parametrize(
    "kind",
    [BinaryPredictions, MulticlassPredictions, MultilabelPredictions, RegressionPredictions, QuantilePredictions],
)
def test_every_metric_of_a_report_is_in_the_table(kind):
    assert set(kind.headline) <= METRICS.keys()
    assert set(kind.shown) <= set(kind.headline)


@pytest.mark.parametrize("task", [Binary, Multiclass, Multilabel, Regression, Quantile])
def test_every_objective_of_a_task_is_in_the_table_and_can_be_proved(task):
    """What promotion weighs, a score of each example, has the objective as its mean; one to be minimised negated."""
    built, outputs, y = drawn(task)
    built.requested = task.on_request
    measured = built.validate(outputs, y)
    predictions = built.predictions(built.activate(outputs).numpy(), y.numpy())
    assert set(measured) == {"loss", *task.objectives, *task.on_request}
    for name, value in measured.items():
        assert f"validation/{name}" in OBJECTIVES
        sign = 1 if METRICS[name].direction == "maximize" else -1
        scores = predictions.scores(name)
        assert scores.shape == (len(y),)
        assert sign * scores.mean() == pytest.approx(float(value), rel=1e-5), name


@pytest.mark.parametrize("task", [Binary, Multiclass, Multilabel, Regression, Quantile])
def test_a_metric_is_the_same_alone_and_among_all(task):
    built, outputs, y = drawn(task)
    predictions = built.predictions(built.activate(outputs).numpy(), y.numpy())
    whole = predictions.metrics()
    assert tuple(whole) == predictions.headline
    assert {name: predictions.metrics([name])[name] for name in whole} == whole


def drawn(task: type[Task]) -> tuple[Task, torch.Tensor, torch.Tensor]:
    """A task of each kind, and outputs and targets of 60 examples; the last of three labels is one that none has."""
    random = torch.Generator().manual_seed(0)
    kind = task.kinds[0]
    target = Target(kind, {"number": ("price",), "labels": ("a", "b", "c")}.get(kind, ("no", "yes")), mean=9, std=2)
    built = task(target)
    outputs = torch.randn(60, built.n_outputs, generator=random)
    said = (outputs[:, :2] + torch.randn(60, min(2, built.n_outputs), generator=random) > 0).float()
    if kind == "labels":
        return built, outputs, torch.cat([said, torch.zeros(60, 1)], dim=1)
    return built, outputs, 9 + 2 * said[:, 0] + outputs[:, 0] if kind == "number" else said[:, 0].long()


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_direction_of_an_objective_follows_its_metric(name):
    errors = {"loss", "log_loss", "brier", "calibration_error", "rmse", "mae", "pinball", "width"}
    wanted = "minimize" if name.rpartition("/")[2] in errors else "maximize"
    assert ObjectiveConfig.model_validate({"metric": name, "direction": None}).direction == wanted
    assert ObjectiveConfig.model_validate({"metric": name}).direction == wanted


def test_names_are_found_with_and_without_a_split_and_no_others():
    assert find_metric("validation/f1") is find_metric("f1") is METRICS["f1"]
    assert find_metric("elsewhere/f1") is None
    assert find_metric("validation/perplexity") is None
    assert range_of("test/accuracy") == (0, 1)
    assert range_of("validation/perplexity") == (float("-inf"), float("inf"))


def test_no_other_file_names_the_way_that_a_metric_is_better():
    listed = re.compile(r"['\"]validation/(balanced_accuracy|f1|loss)['\"]")
    places = {
        str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py") if listed.search(path.read_text("utf-8"))
    }
    assert places <= {
        "comparison/page.py", "config/following.py", "training/callbacks.py",
    }  # fmt: skip


def test_a_comparison_by_a_metric_of_unknown_direction_asks_for_it():
    from ratchet.comparison.measures import direction_of

    with pytest.raises(RatchetError, match=r"type: metric=validation/perplexity direction=minimize"):
        direction_of([], "validation/perplexity")
    assert direction_of([], "train/loss") == "minimize"
