"""What the splits can tell apart at all, before anybody spends runs on it."""

from __future__ import annotations

import numpy as np
import pytest

from ratchet.config.composition import load_config
from ratchet.data.prepared import PreparedData
from ratchet.evaluation.baselines import baselines_of
from ratchet.evaluation.resolution import resolution
from ratchet.evidence.gate import smallest_gain, weigh
from ratchet.project import Project
from ratchet.runs import RunDirectory
from ratchet.runs.record import Best, Result


def test_the_smallest_gain_is_the_one_that_the_gate_would_name():
    """Two nets of 90 %, whose mistakes are correlated by 0.8, without luck of seeds."""
    draws, n = np.random.default_rng(0), 20_000
    shared = draws.normal(size=n)
    scores = [((0.97**0.5 * shared + 0.03**0.5 * draws.normal(size=n)) < 1.2816).astype(float) for _ in range(2)]
    correlation = np.corrcoef(scores)[0, 1]
    assert correlation == pytest.approx(0.8, abs=0.03)
    found = weigh(np.tile(scores[0] - scores[1], (5, 1)) + draws.normal(0, 1e-9, (5, n)))
    assert smallest_gain(0.3, n) == pytest.approx(found.smallest_gain, rel=0.1)
    assert smallest_gain(0.3, 500) == pytest.approx(0.0245, abs=2e-4)  # +2 points: 61 % of times, docs/truth.md


def test_nothing_known_is_the_majority_class_then_a_baseline_then_the_champion(project: Project) -> None:
    config = load_config(project)
    by_majority = resolution(config, project=project)
    assert by_majority is not None
    assert "points of accuracy cannot be shown with the 216 examples of validation, below" in by_majority
    assert "as often as the majority class, 10." in by_majority
    baselines_of(PreparedData.open(project.prepared("digits"), reader="train"), ["validation"])
    by_baseline = resolution(config, project=project)
    assert by_baseline is not None
    assert by_baseline.endswith("(at 80 % power, between two models near the baseline logistic regression)")
    data_hash = PreparedData.open(project.prepared("digits"), reader="train").data_hash
    champion = RunDirectory(project.champion_run)
    champion.path.mkdir(parents=True)
    best = Best(
        checkpoint="", epoch=0, step=0, metric="validation/accuracy", value=0.96, metrics={"validation/accuracy": 0.96}
    )
    known = Result(
        data={"name": "digits", "hash": data_hash},
        config_hash="",
        threads=1,
        seed=0,
        parameters=1,
        best=best,
        metrics={},
    )
    known.write(champion)
    by_champion = resolution(config, project=project)
    assert by_champion is not None
    assert by_champion.startswith("gains below 2.5")
    assert by_champion.endswith("(at 80 % power, between two nets near the champion's 96.0%)")


def test_of_a_loss_it_is_said_in_nats_and_only_where_baselines_are_known(project: Project) -> None:
    config = load_config(project, ["objective.metric=validation/loss"])
    assert resolution(config, project=project) is None
    told = resolution(config, project=project, fits=True)
    assert told is not None
    assert "nats less of loss cannot be shown" in told


def test_data_that_are_not_there_say_nothing(tmp_path, project: Project) -> None:
    assert resolution(load_config(project), project=Project(tmp_path)) is None
