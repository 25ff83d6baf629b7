from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from ratchet.errors import ConfigError
from ratchet.tasks import Binary, Multiclass, Multilabel, Regression, Target
from ratchet.tasks.losses import BinaryFocalLoss, FocalLoss, build_loss

CLASSES = Target("class", ("a", "b", "c"))
TASKS = {
    "multiclass": (Multiclass(CLASSES), torch.tensor([0, 1, 2, 2])),
    "binary": (Binary(Target("class", ("no", "yes"))), torch.tensor([0, 1, 0, 0])),
    "multilabel": (Multilabel(Target("labels", ("x", "y"))), torch.tensor([[0.0, 1], [1, 1], [0, 0], [0, 1]])),
    "regression": (Regression(Target("number", ("y",), 1.0, 2.0)), torch.tensor([0.0, 1, 2, 4])),
}


def built(kind: str, path: str | None = None, **settings):
    task, y = TASKS[kind]
    options = {"class_weights": "none", "label_smoothing": 0.0, "arguments": {}} | settings
    return task, y, build_loss(path, task, y, **options)


@pytest.mark.parametrize("kind", TASKS)
def test_the_usual_loss_is_the_one_by_which_runs_are_compared(kind):
    task, y, loss = built(kind)
    outputs = torch.randn(4, task.n_outputs, generator=torch.Generator().manual_seed(0))
    assert float(loss(outputs, task.learnable(y))) == pytest.approx(float(task.plain_loss(outputs, y)), rel=1e-6)


@pytest.mark.parametrize(
    ("kind", "path", "arguments"),
    [
        ("regression", "torch.nn.L1Loss", {}),
        ("regression", "torch.nn.HuberLoss", {"delta": 0.5}),
        ("multiclass", "ratchet.tasks.losses.FocalLoss", {"gamma": 1.0}),
        ("binary", "ratchet.tasks.losses.BinaryFocalLoss", {"gamma": 1.0}),
        ("multilabel", "ratchet.tasks.losses.BinaryFocalLoss", {}),
        ("multilabel", "torch.nn.MultiLabelSoftMarginLoss", {}),
    ],
)
def test_another_loss_is_named_by_its_path(kind, path, arguments):
    task, y, loss = built(kind, path, arguments=arguments)
    assert f"{type(loss).__module__}.{type(loss).__name__}".endswith(path.rpartition(".")[2])
    assert torch.isfinite(loss(torch.zeros(4, task.n_outputs), task.learnable(y)))


def test_a_focal_loss_without_focus_is_cross_entropy_and_with_it_easy_examples_count_less():
    outputs, y = torch.tensor([[4.0, 0.0, 0.0], [0.1, 0.0, 0.0]]), torch.tensor([0, 0])
    assert float(FocalLoss(0.0)(outputs, y)) == pytest.approx(float(functional.cross_entropy(outputs, y)), rel=1e-6)
    weights = torch.tensor([1.0, 2.0, 3.0])
    mixed = torch.tensor([0, 2])
    wanted = functional.cross_entropy(outputs, mixed, weight=weights)
    assert float(FocalLoss(0.0, weights)(outputs, mixed)) == pytest.approx(float(wanted), rel=1e-6)
    plain, focal = (
        functional.cross_entropy(outputs, y, reduction="none"),
        [FocalLoss(2.0)(outputs[k : k + 1], y[:1]) for k in (0, 1)],
    )
    assert float(focal[0] / plain[0]) < 0.01 < float(focal[1] / plain[1])
    logits, target = torch.tensor([[3.0], [-1.0]]), torch.tensor([[1.0], [0.0]])
    wanted = functional.binary_cross_entropy_with_logits(logits, target, pos_weight=torch.tensor([4.0]))
    assert float(BinaryFocalLoss(0.0, torch.tensor([4.0]))(logits, target)) == pytest.approx(float(wanted), rel=1e-6)


@pytest.mark.parametrize("gamma", [0.2, 0.5, 2.0])
def test_a_focal_loss_has_a_gradient_however_sure_the_model_is(gamma):
    margins = torch.arange(0.0, 101.0)
    logits = margins[:, None].requires_grad_()
    several = torch.cat([logits, torch.zeros(101, 2)], dim=1)
    for sign, loss in (
        (1, FocalLoss(gamma)(several, torch.zeros(101, dtype=torch.int64))),
        (1, BinaryFocalLoss(gamma)(logits, torch.ones(101, 1))),
        (-1, BinaryFocalLoss(gamma)(-logits, torch.ones(101, 1))),
    ):
        (found,) = torch.autograd.grad(loss, logits)
        assert torch.isfinite(found).all()
        assert (sign * found <= 0).all()
        assert sign * found[0] < 0


def test_balanced_weights_are_inverse_to_frequencies():
    assert built("multiclass", class_weights="balanced")[2].weight.tolist() == pytest.approx([4 / 3, 4 / 3, 2 / 3])
    assert built("binary", class_weights="balanced")[2].pos_weight.tolist() == [3.0]
    assert built("multilabel", class_weights="balanced")[2].pos_weight.tolist() == pytest.approx([3.0, 1 / 3])
    everybody = Multilabel(Target("labels", ("x", "y"))).class_weights(torch.tensor([[1.0, 0]] * 4), "balanced")
    assert everybody["pos_weight"].tolist() == [0.25, 3.0]  # a label that all have, and one that nobody has
    assert TASKS["binary"][0].class_weights(torch.ones(4), "balanced")["pos_weight"].tolist() == [0.25]
    assert built("multiclass", class_weights=[1, 2, 3])[2].weight.tolist() == [1, 2, 3]
    assert built("binary", class_weights=[1, 5])[2].pos_weight.tolist() == [5]


REFUSED = [
    ("multiclass", None, {"class_weights": [1.0, 2.0]}, r"class_weights has 2 weights for the 3 classes a, b, c"),
    ("regression", None, {"class_weights": "balanced"}, r"needs classes.*type: loss\.class_weights=none"),
    ("regression", None, {"label_smoothing": 0.1}, r"label_smoothing: torch\.nn\.MSELoss takes no label_"),
    ("binary", None, {"arguments": {"gamma": 1}}, r"loss\.gamma: torch\.nn\.BCEWithLogitsLoss takes no gamma"),
    ("regression", "torch.nn.L1Loss", {"class_weights": "balanced"}, r"needs classes"),
    ("multiclass", "torch.nn.MSELoss", {}, r"is for numbers, .* learns classes.*; type: loss=focal, or loss=usual"),
    ("binary", "torch.nn.HuberLoss", {}, r"is for numbers, .* learns yes and no; type: loss=binary_focal, or loss=u"),
    ("regression", "ratchet.tasks.losses.BinaryFocalLoss", {}, r"is for yes and no, .*; type: loss=huber, or loss="),
    ("multiclass", "torch.nn.CosineEmbeddingLoss", {}, r"cannot be the loss.*type: loss=usual"),
    ("multiclass", "shutil.rmtree", {}, r"is not called; allowed: a loss of torch\.nn"),
    ("multiclass", "torch.nn.Nowhere", {}, r"cannot be imported"),
    ("multiclass", "torch.nn.functional", {}, r"is no torch\.nn\.Module class"),
    ("multiclass", "own.nowhere.Loss", {}, r"cannot be imported"),
    ("binary", "torch.nn.BCEWithLogitsLoss", {"arguments": {"reduction": "none"}}, r"no single number"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "path", "settings", "said"), REFUSED)
def test_a_loss_that_does_not_fit_is_refused_in_one_line(kind, path, settings, said):
    with pytest.raises(ConfigError, match=said) as refused:
        built(kind, path, **settings)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("name", "line"), [("Constructor", 6), ("Forward", 11)])
def test_a_crash_in_a_person_s_own_loss_is_told_with_its_place(write_own, name, line):
    write_own(
        "losses",
        """from torch import nn


class Constructor(nn.Module):
    def __init__(self):
        self.size = 1 + "a"


class Forward(nn.Module):
    def forward(self, outputs, target):
        return {}["nothere"]
""",
    )
    said = (
        rf"loss\._target_=own\.losses\.{name} .*Error in your code, \S*own/losses\.py line {line}: .*; type: .* --debug"
    )
    with pytest.raises(ConfigError, match=said):
        built("multiclass", f"own.losses.{name}")
