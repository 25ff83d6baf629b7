"""Can what a config asks for be built? Asked before anything runs, of many configs, on torch's meta device."""

from __future__ import annotations

import contextlib
import io
import time
import warnings
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from ratchet.config.schema import Config
from ratchet.errors import ConfigError
from ratchet.models.build import build_model
from ratchet.tasks import Target
from ratchet.terminal.command import one_line
from ratchet.training.augmentation import Augmentation
from ratchet.training.optimizers import build_optimizer
from ratchet.training.schedules import build_scheduler
from ratchet.training.tasks import task_for

PATIENCE = 30.0  # seconds after which no further config is tried


def complaints(configs: Sequence[Config]) -> list[str | None]:
    """What is wrong with the model, optimizer, schedule or augmentation of each config, in one line; None if nothing.

    Each distinct part is built once. The list ends early where PATIENCE is over. Nothing is printed, and nothing
    of the process but torch's generator is changed.
    """
    known: dict[tuple[str, ...], str | None] = {}
    until, said = time.monotonic() + PATIENCE, list[str | None]()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        for config in configs:
            if time.monotonic() > until:
                break
            said.append(next(filter(None, (_complaint(part, config, known) for part in _PARTS)), None))
    return said


def _complaint(part: Callable[[Config], Any], config: Config, known: dict[tuple[str, ...], str | None]) -> str | None:
    sections = [config.data.model_dump_json(include={"shape", "classes", "layout", "target_kind"})]
    sections += [getattr(config, name).model_dump_json() for name in _PARTS[part]]
    key = (part.__name__, *sections, str(config.trainer.batch_size == 1))
    if key not in known:
        known[key] = _error_of(lambda: part(config))
    return known[key]


def _error_of(build: Callable[[], Any]) -> str | None:
    try:
        with warnings.catch_warnings(action="ignore"):
            build()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the code may be anybody's
        line = next(iter(str(error).splitlines()), "")
        return one_line(error) or f"{type(error).__name__}: {line}"
    return None


def _model(config: Config) -> None:
    """Build the network on the meta device, which takes no memory; what cannot be there is built on the processor."""
    try:
        with torch.device("meta"):
            _build_network(config)
    except Exception:  # noqa: BLE001 - whether it is the model or the device shows on the processor
        _build_network(config)


def _build_network(config: Config) -> None:
    if config.data.shape is None:  # of a table that is not prepared yet
        return
    shape = tuple(config.data.shape)
    network = build_model(config.model, input_shape=shape, n_outputs=task_for(config, _target(config)).n_outputs)
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise ConfigError("the model has no parameters to train; choose another, for example model=logistic")
    require_statistics(network, torch.zeros(min(2, config.trainer.batch_size), *shape))


def require_statistics(network: nn.Module, x: Tensor) -> None:
    """Raises ConfigError for a batch of one example of which batch normalisation has one value, so no spread.

    A last batch of one is never trained on, so only the batch size matters.
    """
    if len(x) > 1:
        return
    try:
        with torch.no_grad():
            deepcopy(network).train()(x)  # a copy: the running statistics would move
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise ConfigError(
            "trainer.batch_size=1: the model's batch normalisation needs more than one example; "
            "type: trainer.batch_size=2, or model.normalisation=layer"
        ) from error


def _optimizer(config: Config) -> None:
    """Build it, and the schedule of its rates, for a parameter on the processor: not all of torch's know meta."""
    optimizer = build_optimizer(config.optimizer, [nn.Parameter(torch.zeros(1))])
    direction = config.objective.direction
    build_scheduler(config.scheduler, optimizer, total_steps=1000, direction=direction)


def _augmentation(config: Config) -> None:
    target = _target(config)
    of_classes = target.kind == "class"
    changes = Augmentation(
        config.augmentation, layout=config.data.layout, n_classes=len(target.names) if of_classes else None
    )
    y = torch.zeros(2, dtype=torch.long) if of_classes else torch.zeros(2, len(target.names))
    changes(torch.zeros(2, *(config.data.shape or [1])), y)


def _target(config: Config) -> Target:
    return Target(config.data.target_kind, tuple(config.data.classes) or (config.data.name,))


_PARTS: dict[Callable[[Config], Any], tuple[str, ...]] = {
    _model: ("model", "task"),
    _optimizer: ("optimizer", "scheduler", "objective"),
    _augmentation: ("augmentation",),
}
