"""The table of metrics, and that nothing else lists them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ratchet.config.schema import ObjectiveConfig
from ratchet.errors import RatchetError
from ratchet.evaluation.metrics import HEADLINE
from ratchet.metrics import METRICS, OBJECTIVES, find_metric, range_of

PACKAGE = Path(__file__).parents[1] / "src" / "ratchet"


def test_every_metric_of_a_report_is_in_the_table():
    assert set(HEADLINE) <= METRICS.keys()


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_direction_of_an_objective_follows_its_metric(name):
    wanted = "minimize" if name.endswith("loss") else "maximize"
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
    assert places <= {"promotion/scores.py", "comparison/page.py", "comparison/testing.py", "training/callbacks.py"}


def test_a_comparison_by_a_metric_of_unknown_direction_asks_for_it():
    from ratchet.comparison.measures import direction_of

    with pytest.raises(RatchetError, match=r"type: metric=validation/perplexity direction=minimize"):
        direction_of([], "validation/perplexity")
    assert direction_of([], "train/loss") == "minimize"
