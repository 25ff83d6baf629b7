"""Optimizers: torch's, by `_target_`."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from ratchet.config.grammar import assignment
from ratchet.config.hints import OverrideError
from ratchet.config.sections import OptimizerConfig
from ratchet.dotted import named_by
from ratchet.errors import ConfigError
from ratchet.names import nearest, suggestion

_TARGET, _EXAMPLE = "optimizer._target_", [["optimizer._target_=torch.optim.AdamW"]]
# Where torch 2.13 has one kernel that updates all parameters. Elsewhere torch refuses at the first step.
_FUSED: dict[type[Optimizer], frozenset[str]] = {
    torch.optim.SGD: frozenset({"cpu", "cuda"}),
    torch.optim.Adam: frozenset({"cpu", "cuda"}),
    torch.optim.AdamW: frozenset({"cpu", "cuda"}),
    torch.optim.Adagrad: frozenset({"cpu"}),
}


def build_optimizer(config: OptimizerConfig, parameters: Iterable[nn.Parameter], *, fuse: bool = True) -> Optimizer:
    """The optimizer that conf/optimizer asks for, fused where torch can with `fuse`, unless `fused` is set.

    Raises ConfigError when `_target_` is no optimizer, or it does not know an argument or refuses its value.
    """
    kind = _optimizer_class(config.target)
    arguments = config.arguments
    if not config.weight_decay and "weight_decay" not in inspect.signature(kind).parameters:
        del arguments["weight_decay"]  # there is nothing to say to it
    _check_names(kind, arguments, target=config.target)
    adjusted = [parameter for parameter in parameters if parameter.requires_grad]
    if not adjusted:
        raise ConfigError("the model has no parameters to train; choose another, for example model=logistic")
    if fuse and _can_fuse(kind, adjusted):
        arguments.setdefault("fused", True)
    try:
        return kind(adjusted, **{key: _tuple(value) for key, value in arguments.items()})
    except (ValueError, TypeError, RuntimeError) as error:
        said = f"optimizer ({config.target}): {' '.join(str(error).split())}; got {_shown(config)}"
        refused = _refused(kind, adjusted, arguments)
        raise OverrideError(said, key=f"optimizer.{refused}" if refused else "") from error


def _optimizer_class(target: str) -> type[Optimizer]:
    refuse = partial(OverrideError, key=_TARGET, instead=_EXAMPLE)
    found = named_by(target, setting=_TARGET, allowed="the dotted path of an optimizer", refuse=refuse)
    if not (isinstance(found, type) and issubclass(found, Optimizer)):
        raise refuse(f"optimizer._target_={target} is no torch optimizer")
    return found


def _check_names(kind: type[Optimizer], arguments: dict[str, Any], *, target: str) -> None:
    allowed = sorted(set(inspect.signature(kind).parameters) - {"params"})
    for key, value in arguments.items():
        if key in allowed:
            continue
        near = [f"optimizer.{each}" for each in nearest(key, allowed)[:1]]
        instead = [[f"{sign}{assignment(each, value)}"] for each in near for sign in ("", "+")]
        instead += [[f"~optimizer.{key}"]]
        said = f"optimizer.{key}: {target} has no such argument; {suggestion(key, allowed)}"
        raise OverrideError(said, key=f"optimizer.{key}", instead=instead)


def _refused(kind: type[Optimizer], parameters: list[nn.Parameter], arguments: dict[str, Any]) -> str | None:
    """The one argument without which the optimizer takes the others."""
    for key in arguments:
        try:
            kind(parameters, **{name: _tuple(value) for name, value in arguments.items() if name != key})
        except (ValueError, TypeError, RuntimeError):
            continue
        return key
    return None


def _can_fuse(kind: type[Optimizer], parameters: list[nn.Parameter]) -> bool:
    devices = _FUSED.get(kind, frozenset())
    return all(parameter.device.type in devices and parameter.is_floating_point() for parameter in parameters)


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value  # yaml has no tuples, torch wants them for betas


def _shown(config: OptimizerConfig) -> str:
    return ", ".join(f"optimizer.{key}={value}" for key, value in config.arguments.items())
