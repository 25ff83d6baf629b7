"""Sets of classes that hold the true one as often as was asked for."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ratchet.config.composition import load_config
from ratchet.data.readers import read
from ratchet.deployment.conformal import Conformal
from ratchet.deployment.predict import predict
from ratchet.errors import ConfigError
from ratchet.tasks.base import Target
from ratchet.tasks.binary import BinaryPredictions
from ratchet.tasks.regression import RegressionPredictions


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9])
@pytest.mark.parametrize("n", [9, 40, 99])
def test_the_threshold_is_the_quantile_of_the_formula(draw, n, coverage):
    said = draw(n)
    scores = np.sort(1 - said.probabilities[np.arange(n), said.labels])
    rank = int(np.ceil(round((n + 1) * coverage, 9)))
    assert Conformal.calibrated(said, coverage).threshold == (scores[rank - 1] if rank <= n else 1.0)


def test_too_few_examples_leave_every_class_possible(draw):
    found = Conformal.calibrated(draw(5), 0.9)
    assert found.threshold == 1
    assert found.sets(draw(20)).all()


def test_new_examples_are_covered_as_often_as_asked_on_average(draw):
    """Exchangeable draws: between coverage and coverage + 1 / (n + 1) on average (Vovk et al. 2005)."""
    covered = []
    for seed in range(200):
        both = draw(400, seed=seed, skill=1.0)
        old, new = (
            type(both)(both.labels[k], both.log_probabilities[k], both.classes) for k in np.split(np.arange(400), 2)
        )
        sets = Conformal.calibrated(old, 0.8).sets(new)
        covered.append(sets[np.arange(200), new.labels].mean())
    assert 0.8 - 0.006 < np.mean(covered) < 0.8 + 1 / 201 + 0.006  # standard error of the mean 0.003


def test_a_decision_by_another_threshold_than_a_half_is_in_its_set():
    logits = np.array([-1.0, -3.0, 3.0])
    said = BinaryPredictions(np.array([True, False, True]), logits, ("no", "yes"), threshold=-2.0)
    assert Conformal(0.9, 0.5, 100).sets(said).tolist() == [[True, True], [True, False], [False, True]]


def test_numbers_have_no_sets():
    said = RegressionPredictions(np.zeros(2), np.zeros(2), Target("number", ("y",), 0.0, 1.0))
    with pytest.raises(ConfigError, match=r"abstain=true is of tasks that decide .*; type: abstain=false"):
        Conformal.calibrated(said, 0.9)


def test_digits_of_the_test_split_are_covered(evaluated, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    project, run = evaluated("digits")
    truth = pd.read_csv(run.evaluation / "predictions.csv")
    config = load_config(project, ["params=null", "data=digits"]).data
    raw = read(config, directory=project.raw("digits"), scratch=tmp_path)
    np.savez("new.npz", x=np.stack([raw.x[k] for k in truth.id]), ids=truth.id)
    for coverage in (0.8, 0.95):
        predict(run, "new.npz", output=Path("p.csv"), project=project, coverage=coverage)
        found = pd.read_csv("p.csv", dtype=str, keep_default_na=False)
        sets = [each.split("|") for each in found["set"]]
        hits = np.mean([str(label) in each for label, each in zip(truth.label, sets, strict=True)])
        n = min(len(truth), json.loads(Path("p.json").read_text())["conformal"]["examples"])
        assert hits > coverage - 4 * np.sqrt(coverage * (1 - coverage) / n)
        several = np.array([len(each) > 1 for each in sets])
        assert ((found.predicted == "") == several).all()
        assert 0 < several.sum() < len(several) or coverage == 0.8
        assert (found.predicted[~several] == [each[0] for each in sets if len(each) == 1]).all()
