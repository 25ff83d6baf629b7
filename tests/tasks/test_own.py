"""A task and a loss of a person's own: one class and one yaml each, from a folder that Ratchet does not know."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from ratchet.config.composition import load_config
from ratchet.errors import ConfigError
from ratchet.project import Project
from ratchet.runs.directory import RunDirectory
from ratchet.tasks import Multiclass, Target

CODE = '''
import torch
from torch import nn

from ratchet.tasks import Multiclass


class Ordinal(Multiclass):
    """Classes in an order: being one off is a smaller mistake than being nine off."""

    objectives = ("balanced_accuracy", "accuracy", "f1")

    def __init__(self, target, *, calibration_bins=15, weight=1.0):
        super().__init__(target, calibration_bins=calibration_bins)
        self.weight = weight


class Distance(nn.Module):
    def __init__(self, power: float = 2.0):
        super().__init__()
        self.power = power

    def forward(self, outputs, target):
        places = torch.arange(outputs.shape[1])
        return (outputs.softmax(1) * (places - target[:, None]).abs() ** self.power).sum(1).mean()
'''


@pytest.fixture
def own(project: Project, write_own: Callable[[str, str], Path]) -> Project:
    write_own("ordinal", CODE)
    (project.conf / "task/ordinal.yaml").write_text("_target_: own.ordinal.Ordinal\nweight: 2.0\n", encoding="utf-8")
    usual = (project.conf / "loss/usual.yaml").read_text(encoding="utf-8").replace("_target_: null", "")
    (project.conf / "loss/distance.yaml").write_text(
        f"_target_: own.ordinal.Distance\npower: 1.0\n{usual}", encoding="utf-8"
    )
    return project


QUICK = ["model=logistic", "task=ordinal", "loss=distance", "trainer.max_epochs=20", "trainer.progress=none"]


def test_they_train_like_ours_and_their_objective_is_the_usual_one(own: Project) -> None:
    from ratchet.training.train import train

    config = load_config(own, QUICK)
    assert config.objective.metric == "validation/balanced_accuracy"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the libraries warn of in training is for the tests of training
        record = train(config, run=RunDirectory(own.root / "run"), project=own)
    assert record.best is not None
    assert record.best.metric == "validation/balanced_accuracy"
    assert record.best.value > 0.2  # ten classes: far above chance


def test_their_settings_are_checked(own: Project) -> None:
    from ratchet.training.fit import Fit

    def assemble(*words: str) -> Fit:
        config = load_config(own, [*QUICK, *words])
        return Fit.assemble(config, project=own, run=RunDirectory(Path(own.root / "run")))

    with pytest.raises(ConfigError, match=r"task\.colour: own\.ordinal\.Ordinal has no such setting; allowed: weight"):
        assemble("+task.colour=red")
    with pytest.raises(ConfigError, match=r"loss\.colour: own\.ordinal\.Distance takes no colour; allowed: power"):
        assemble("+loss.colour=1")
    assert assemble("task.weight=3").module.task.weight == 3


def test_an_objective_that_no_task_of_ours_has_is_measured() -> None:
    class Ranked(Multiclass):
        objectives = ("auroc",)

    target, outputs = Target("class", ("a", "b")), torch.tensor([[1.0, 0.0], [0.5, 0.0], [0.0, 1.0]])
    measured = Ranked(target).measure(outputs, torch.tensor([0, 1, 1]))
    assert (set(measured), float(measured["auroc"])) == ({"loss", "auroc"}, 1.0)
