"""What a config asks for is built before anything runs: what is wrong is one line, and what is right is not wrong."""

from __future__ import annotations

import importlib
import sys

import pytest
import torch
from torch import nn

from ratchet.config.composition import load_config
from ratchet.data.prepared import describe
from ratchet.project import Project
from ratchet.training import buildable
from ratchet.training.buildable import Asked, complaints

pytestmark = pytest.mark.slow


class Odd(nn.Module):
    """What a person may write: it prints, and reads numbers out of tensors, of which the meta device has none."""

    built = 0

    def __init__(self, *, input_shape: tuple[int, ...], n_classes: int, scale: float = 1.0, broken: str = "") -> None:
        super().__init__()
        type(self).built += 1
        print("hello")
        print("hello", file=sys.stderr)
        self.layer = nn.Linear(torch.Size(input_shape).numel(), n_classes)
        self.scale = float(self.layer.weight.abs().max().item()) * scale
        if broken:
            raise {"attribute": AttributeError, "zero": ZeroDivisionError, "exit": SystemExit}[broken]("what is wrong")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        picked = x.flatten(1)[torch.nonzero(x.flatten(1).sum(1) > -1)[:, 0]]
        return self.layer(picked) * self.scale


ODD = ["model._target_=training.test_buildable.Odd", "model=logistic"]


def config(project: Project, *typed: str) -> Asked:
    found = load_config(project, list(typed))
    return Asked(found, *describe(project.prepared(found.data.name), found.data))


def test_nothing_is_wrong_with_what_conf_says(project) -> None:
    texts = {"encoder", "text_bag", "text_transformer"}  # see tests/texts
    models = [path.stem for path in (project.conf / "model").glob("*.yaml") if path.stem not in texts]
    optimizers = [path.stem for path in (project.conf / "optimizer").glob("*.yaml")]
    schedulers = [path.stem for path in (project.conf / "scheduler").glob("*.yaml")]
    for group, names in {"model": models, "optimizer": optimizers, "scheduler": schedulers}.items():
        data = "data=mnist1d" if group == "model" else "data=digits"
        wanted = [name for name in names if name != "resnet" or data == "data=digits"]
        assert complaints([config(project, data, f"{group}={name}") for name in wanted]) == [None] * len(wanted)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["model.kernel=4"], "model.kernel is 4: must be odd"),
        (["model.kernel=hello"], "model.kernel is hello; allowed: a whole number, 1 or more"),
        (["model.kernel=9"], "model.kernel=9"),
        (["model._target_=nowhere.Net"], "model._target_=nowhere.Net cannot be imported"),
        (["trainer.batch_size=1"], "trainer.batch_size=1: the model's batch normalisation needs more than one example"),
        (["+optimizer.betas=[2,1]"], "optimizer (torch.optim.AdamW): Invalid beta parameter"),
        (["+optimizer.foo=1"], "optimizer.foo: torch.optim.AdamW has no such argument"),
        (["augmentation.shift=0.01"], "augmentation.shift=0.01 is less than one of 8 positions"),
        (["loss=huber"], "loss._target_=torch.nn.HuberLoss is for numbers, the task multiclass learns classes"),
        (["loss.class_weights=[1,2]"], "loss.class_weights has 2 weights for the 10 classes"),
        (["loss=focal", "augmentation.mixup=0.2"], "FocalLoss takes no shares of classes as targets"),
    ],
)
def test_what_cannot_be_built_is_said_in_one_line(project, typed, said) -> None:
    (line,) = complaints([config(project, *typed)])
    assert line is not None
    assert said in line
    assert "\n" not in line


def test_what_the_meta_device_cannot_do_is_built_on_the_processor_without_noise(project, capfd, recwarn) -> None:
    assert complaints([config(project, *ODD)]) == [None]
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list


@pytest.mark.parametrize("broken", ["attribute", "zero", "exit"])
def test_whatever_code_raises_is_one_line(project, broken) -> None:
    (line,) = complaints([config(project, *ODD, f"+model.broken={broken}")])
    assert line is not None
    assert "what is wrong" in line
    assert "\n" not in line


def test_each_distinct_model_is_built_once(project, monkeypatch) -> None:
    asked = [config(project, *ODD, f"optimizer.lr=0.{k}", f"+model.scale={1 + k % 2}") for k in range(1, 9)]
    assert complaints(asked) == [None] * 8
    before = importlib.import_module("training.test_buildable").Odd.built  # of the module as the config names it
    assert complaints(asked) == [None] * 8
    built = importlib.import_module("training.test_buildable").Odd.built
    assert built - before == 2 * 2  # on the meta device, then on the processor
    monkeypatch.setattr(buildable, "PATIENCE", -1.0)
    assert complaints(asked) == []


def test_what_is_built_takes_no_memory(project) -> None:
    """Weights of 40 terabytes."""
    assert complaints([config(project, "model=mlp", "model.width=3_000_000", "model.depth=2")]) == [None]
