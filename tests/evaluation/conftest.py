from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ratchet.config.composition import load_config
from ratchet.data.fetch import fetch
from ratchet.data.prepare import prepare
from ratchet.evaluation.predictions import Predictions
from ratchet.project import Project
from ratchet.runs.directory import RunDirectory
from ratchet.training.train import train

Draw = Callable[..., Predictions]


@pytest.fixture(scope="session")
def draw() -> Draw:
    """Predictions of a model of some skill on n drawn examples."""

    def draw(n: int, *, classes: int = 4, skill: float = 1.5, seed: int = 0, digits: int | None = None) -> Predictions:
        rng = np.random.default_rng(seed)
        labels = rng.integers(0, classes, n)
        logits = rng.normal(size=(n, classes))
        logits[np.arange(n), labels] += skill
        if digits is not None:
            logits = np.round(logits, digits)  # so that there are ties
        return Predictions(labels, logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)))

    return draw


@pytest.fixture(scope="session")
def of_probabilities() -> Callable[[Any, Any], Predictions]:
    def of_probabilities(labels: Any, probabilities: Any) -> Predictions:
        return Predictions(np.array(labels), np.log(np.array(probabilities, dtype=float)))

    return of_probabilities


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, RunDirectory]:
    """A project with digits prepared and a logistic regression trained on them."""
    project = Project(tmp_path_factory.mktemp("project"))
    config = load_config(
        Project.find(Path(__file__)),
        ["data=digits", "model=logistic", "logger=csv", "trainer.max_epochs=8", "trainer.progress=none"],
    )
    fetch(config.data, project=project)
    prepare(config.data, project=project)
    run = RunDirectory(project.champion / "train")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the libraries warn of in training is for the tests of training
        train(config, run=run, project=project)
    return project, run
