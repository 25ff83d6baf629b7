"""Baselines as rows of a table: no runs, and shown where they belong."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from made_runs import make_run
from ratchet.comparison.baselines import value_of, with_baselines
from ratchet.comparison.display import show
from ratchet.comparison.files import write_files
from ratchet.comparison.gather import gather
from ratchet.comparison.page import payload
from ratchet.comparison.tables import Table, tables_of
from ratchet.data.folds import Fold
from ratchet.data.prepared import PreparedData
from ratchet.evaluation.baselines import baselines_measured
from ratchet.project import Project
from ratchet.tasks import Multiclass
from ratchet.yaml_files import read_yaml, yaml_text


@pytest.fixture
def table(project: Project):
    """A table of digits: one net above the linear baseline, one below."""

    def make(metric: str | None = None, **told: str) -> Table:
        known = json.loads((project.prepared("digits") / "card.json").read_text())["data_hash"]
        for model, accuracy in (("cnn", 0.999), ("mlp", 0.5)):
            for seed in (0, 1):
                make_run(
                    project.runs / f"day/{model}{seed}", accuracy=accuracy + seed / 1e4, seed=seed, model=model,
                    config={"data.name": "digits"}, data_hash=told.get("data_hash", known),
                )  # fmt: skip
        [found] = tables_of(gather(project).runs, metric=metric, direction=None, group_by=[])
        return with_baselines(found, project=project)

    return make


def printed(table: Table) -> str:
    stream = io.StringIO()
    show([table], Console(file=stream, width=140))
    return stream.getvalue()


def test_they_stand_among_the_rows_and_are_called_what_they_are(table, tmp_path: Path) -> None:
    found = table()
    text = printed(found)
    lines = [line.split()[0] for line in text.splitlines()[2:6]]
    assert lines == ["cnn", "logistic", "mlp", "majority"]
    assert "Baselines are no runs: fitted on train, measured on validation, they cannot be promoted." in text
    assert "Not shown to be better than the best baseline, logistic regression (0." in text
    assert "): mlp." in text
    write_files([found], tmp_path)
    [content] = json.loads((tmp_path / "table.json").read_text())
    assert [each["name"] for each in content["baselines"]] == ["majority class", "logistic regression"]
    assert len(content["rows"]) == 2
    assert [row["verdict"] for row in csv.DictReader((tmp_path / "table.csv").read_text().splitlines())][2:] == [
        "baseline"
    ] * 2
    [on_page] = payload([found], tmp_path)["tables"]
    assert [row["verdict"] for row in on_page["rows"]][2:] == ["baseline"] * 2


def test_of_a_loss_the_smaller_one_is_better(table) -> None:
    found = table(metric="validation/loss")
    linear, majority = sorted(each.value for each in found.baselines)
    assert linear < 1 < majority


def test_a_metric_of_no_split_has_none(table) -> None:
    assert table(metric="seconds").baselines == ()


def test_data_that_are_prepared_in_another_way_are_said(table) -> None:
    other = table(data_hash="e" * 64)
    assert other.baselines == ()
    assert "No baselines: digits is prepared, or folded, in another way." in other.notes


def test_of_folds_they_are_the_mean(project: Project) -> None:
    whole = json.loads((project.prepared("digits") / "card.json").read_text())["data_hash"]
    split = {"name": "kfold", "folds": 3, "fold": None, "seed": 0}
    run = make_run(
        project.runs / "day/one", config={"data.name": "digits"}, data_hash=Fold(0, 3, 0).hash_of(whole)
    )  # fmt: skip
    run.config.write_text(yaml_text({**read_yaml(run.config), "split": split}))
    [found] = tables_of(gather(project).runs, metric=None, direction=None, group_by=[])
    table = with_baselines(found, project=project)
    assert [each.note for each in table.baselines] == ["the mean of 3 folds"] * 2
    singles = []
    for number in range(3):
        data = PreparedData.open(project.prepared("digits"), reader="train", fold=Fold(number, 3, 0))
        [_, (_, linear)] = baselines_measured(data, Multiclass(data.target), "validation")
        singles.append(value_of(linear, "accuracy"))
    assert len(set(singles)) > 1
    assert table.baselines[1].value == pytest.approx(sum(singles) / 3)


def test_data_that_are_not_there_have_none(project: Project) -> None:
    make_run(project.runs / "day/one")
    [found] = tables_of(gather(project).runs, metric=None, direction=None, group_by=[])
    assert with_baselines(found, project=project) == found
