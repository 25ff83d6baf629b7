"""Attributions add up, importances find what a model uses, and the page says both."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch

from deployment.conftest import orders
from ratchet.commands.explain import main
from ratchet.deployment.explaining import by_column, columns_of, explain, importances
from ratchet.deployment.inputs import open_inputs
from ratchet.deployment.predictor import Predictor
from ratchet.errors import RatchetError

pytestmark = pytest.mark.slow


def transformed(predictor: Predictor, path) -> np.ndarray:
    with open_inputs(str(path), predictor.config, predictor.transform) as inputs:
        return next(inputs.batches()).x


@pytest.mark.parametrize("name", ["binary", "number", "class"])
def test_the_columns_of_a_linear_model_get_weight_times_value_and_add_up(evaluated, tmp_path, name):
    project, run = evaluated(name)
    predictor = Predictor.load(run, project=project)
    orders(30).to_csv(tmp_path / "new.csv", index=False)
    x = transformed(predictor, tmp_path / "new.csv")
    found = explain(predictor, x, steps=256)
    assert found.gap < 1e-3
    sums = by_column(found.attributions, columns_of(predictor)).sum(axis=1)
    np.testing.assert_allclose(sums, found.scores - found.baseline, atol=1e-3 * np.abs(found.scores).max())
    if name == "number":
        (weight,) = [each.detach().double().numpy() for each in predictor.model.parameters() if each.ndim == 2]
        np.testing.assert_allclose(found.attributions, x * weight[0] * predictor.task.target.std, rtol=1e-4, atol=1e-5)


def test_a_curved_network_adds_up_and_other_weights_give_another_map(evaluated, tmp_path):
    project, run = evaluated("class")
    predictor = Predictor.load(run, project=project)
    torch.manual_seed(0)
    n = len(columns_of(predictor)) and sum(place.stop - place.start for place in columns_of(predictor).values())
    curved = torch.nn.Sequential(torch.nn.Linear(n, 32), torch.nn.GELU(), torch.nn.Linear(32, 2))
    with torch.no_grad():
        curved[0].weight[:, : n // 2] *= 0.01  # half of the features do hardly anything
    object.__setattr__(predictor, "model", curved)
    x = np.random.default_rng(0).normal(size=(20, n)).astype(np.float32)
    found = explain(predictor, x)
    assert found.gap < 0.02
    assert found.alike < 0.5
    sizes = np.abs(found.attributions).mean(axis=0)
    assert sizes[: n // 2].max() < sizes[n // 2 :].min()
    worse = explain(predictor, x, steps=1)
    assert worse.gap > 5 * found.gap


def test_importances_find_the_columns_that_a_model_uses(evaluated):
    project, run = evaluated("number")
    predictor = Predictor.load(run, project=project)
    columns = columns_of(predictor)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, max(place.stop for place in columns.values()))).astype(np.float32)
    linear = torch.nn.Linear(x.shape[1], 1)
    torch.nn.init.zeros_(linear.weight)
    with torch.no_grad():
        linear.weight[0, columns["income"].start] = 2.0
        linear.weight[0, columns["age"].start] = 1.0
    object.__setattr__(predictor, "model", linear)
    y = predictor.model(torch.from_numpy(x))[:, 0].detach().double().numpy()
    y = y * predictor.task.target.std + predictor.task.target.mean
    found = importances(predictor, x, y)
    assert [each.name for each in found[:2]] == ["income", "age"]
    assert [each.told for each in found] == [True, True, *[False] * (len(found) - 2)]
    assert all(each.growth.mean == 0 for each in found[2:])


def test_the_command_writes_a_page_a_table_and_what_made_them(evaluated, tmp_path, monkeypatch, capsys):
    project, run = evaluated("number")
    monkeypatch.chdir(project.root)
    orders(12).drop(columns="worth").to_csv(tmp_path / "new.csv", index=False)
    main([f"input={tmp_path}/new.csv", f"run={run.path}", f"output={tmp_path}/why", "rows=10"])
    table = pd.read_csv(tmp_path / "why/explanations.csv")
    assert len(table) == 10
    assert list(table.columns[:4]) == ["id", "explained", "score", "baseline"]
    np.testing.assert_allclose(table.iloc[:, 4:].sum(axis=1), table.score - table.baseline, atol=1e-2)
    content = json.loads((tmp_path / "why/explanation.json").read_text())
    assert content["gap"] < 0.01
    assert {each["column"] for each in content["importances"]} == set(table.columns[4:])
    page = (tmp_path / "why/explanation.html").read_text()
    assert "A0003" in page
    assert "integrated gradients" in page.lower()
    assert "10 explained" in capsys.readouterr().out


def test_arrays_are_explained_by_position(evaluated, tmp_path, monkeypatch):
    project, run = evaluated("digits")
    monkeypatch.chdir(project.root)
    np.save(tmp_path / "new.npy", np.random.default_rng(0).uniform(0, 16, (1, 8, 8)))
    main([f"input={tmp_path}/new.npy", f"run={run.path}", f"output={tmp_path}/why"])
    assert np.load(tmp_path / "why/attributions.npy").shape[0] == 1
    assert json.loads((tmp_path / "why/explanation.json").read_text())["importances"] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "explain has no rows to explain; type: python src/explain.py input=<file>"),
        (["input=a", "rows=0"], "rows=0; allowed: 1 to 10000"),
        (["input=a", "row=3"], "explain does not know it; nearest: rows"),
        (["input=nowhere.csv"], r"nowhere\.csv is missing"),
    ],
)
def test_what_cannot_be_explained_is_one_line(evaluated, monkeypatch, words, said):
    project, run = evaluated("class")
    monkeypatch.chdir(project.root)
    with pytest.raises(RatchetError, match=said):
        main([*words, f"run={run.path}"])
