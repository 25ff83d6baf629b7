from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from ratchet.config.composition import load_config
from ratchet.data.fetch import fetch
from ratchet.data.prepare import prepare
from ratchet.project import Project
from ratchet.runs.directory import RunDirectory
from ratchet.training.train import train


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
