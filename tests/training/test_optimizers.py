"""Optimizers by name: what torch gets, where it is fused, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import nn
from torch.optim import Optimizer

from ratchet.config.sections import OptimizerConfig
from ratchet.errors import ConfigError
from ratchet.models.layers import convolution
from ratchet.training.optimizers import build_optimizer

CONF = Path(__file__).parents[2] / "conf" / "optimizer"
NAMES = sorted(path.stem for path in CONF.glob("*.yaml"))


def config(name: str, **settings: Any) -> OptimizerConfig:
    return OptimizerConfig(**{**yaml.safe_load((CONF / f"{name}.yaml").read_text()), **settings})


def network() -> nn.Module:
    torch.manual_seed(0)
    conv = convolution(2, (2, 4), kernel=3, stride=1, bias=True)
    return nn.Sequential(conv, nn.ReLU(), nn.Flatten(), nn.Linear(4 * 25, 3))


def trained(model: nn.Module, optimizer: Optimizer, *, steps: int = 5) -> list[torch.Tensor]:
    x = torch.randn(8, 2, 5, 5, generator=torch.Generator().manual_seed(0))
    for _ in range(steps):
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()
    return [parameter.detach() for parameter in model.parameters()]


def test_conf_holds_the_five_optimizers():
    assert NAMES == ["adagrad", "adam", "adamw", "rmsprop", "sgd"]


@pytest.mark.parametrize("name", NAMES)
def test_every_optimizer_in_conf_gets_its_settings(name):
    settings = config(name)
    optimizer = build_optimizer(settings, network().parameters())
    for key, value in settings.arguments.items():
        got = optimizer.defaults[key]
        assert (list(got) if isinstance(got, tuple) else got) == value


@pytest.mark.parametrize("name", NAMES)
def test_every_optimizer_in_conf_does_what_torchs_unfused_one_does(name):
    settings = config(name)
    model, plain = network(), network()
    kind = getattr(torch.optim, settings.target.rpartition(".")[2])
    arguments = {key: tuple(v) if isinstance(v, list) else v for key, v in settings.arguments.items()}
    expected = trained(plain, kind(plain.parameters(), foreach=False, **arguments))
    got = trained(model, build_optimizer(settings, model.parameters()))
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("name", "fused"), [("sgd", 1), ("adam", 1), ("adamw", 1), ("adagrad", 1), ("rmsprop", 0)])
def test_optimizers_are_fused_where_torch_can(name, fused):
    assert bool(build_optimizer(config(name), network().parameters()).defaults.get("fused")) == bool(fused)


@pytest.mark.parametrize("kind", ["torch.optim.Rprop", "torch.optim.LBFGS"])
def test_an_optimizer_that_knows_no_decay_is_built_without(kind):
    settings = OptimizerConfig(_target_=kind, lr=0.1)
    assert build_optimizer(settings, network().parameters()).defaults["lr"] == 0.1


def test_what_the_config_says_of_fused_holds():
    assert build_optimizer(config("adam", fused=False), network().parameters()).defaults["fused"] is False


def test_parameters_on_another_device_are_not_fused():
    on_meta = [nn.Parameter(torch.ones(2, device="meta"))]
    assert not build_optimizer(config("adam"), on_meta).defaults["fused"]


def test_frozen_parameters_are_left_alone():
    model = network()
    model[0].requires_grad_(False)
    optimizer = build_optimizer(config("adamw"), model.parameters())
    assert [len(group["params"]) for group in optimizer.param_groups] == [2]


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("adam", {"momentum": 0.9}, ["optimizer.momentum", "torch.optim.Adam", "betas"]),
        ("sgd", {"momentun": 0.9}, ["optimizer.momentun", "type: optimizer.momentum=0.9"]),
        ("sgd", {"_target_": "torch.optim.Rprop"}, ["optimizer.weight_decay", "type: '~optimizer.weight_decay'"]),
        ("sgd", {"params": 3}, ["optimizer.params", "no such argument"]),
        ("sgd", {"momentum": -1.0}, ["momentum", "optimizer.momentum=-1.0"]),
        ("sgd", {"momentum": 0.0}, ["Nesterov", "optimizer.nesterov=True"]),
        ("adam", {"betas": [0.9, 1.5]}, ["beta", "optimizer.betas=[0.9, 1.5]"]),
        ("adam", {"betas": 0.9}, ["optimizer.betas=0.9"]),
        ("adam", {"eps": "tiny"}, ["optimizer.eps=tiny"]),
        ("adam", {"_target_": "torch.optim.Adan"}, ["torch.optim.Adan", "type: optimizer._target_=torch.optim.Adam"]),
        ("adam", {"_target_": "Adam"}, ["optimizer._target_=Adam", "dotted path"]),
        ("adam", {"_target_": "torch.nn.Linear"}, ["torch.nn.Linear", "no torch optimizer"]),
    ],
)
def test_what_torch_would_refuse_is_refused_in_one_line(name, settings, said):
    with pytest.raises(ConfigError) as caught:
        build_optimizer(config(name, **settings), network().parameters())
    message = str(caught.value)
    assert "\n" not in message
    assert [part for part in said if part not in message] == []


def test_a_model_without_parameters_is_refused():
    with pytest.raises(ConfigError, match="no parameters to train"):
        build_optimizer(config("adam"), nn.ReLU().parameters())
