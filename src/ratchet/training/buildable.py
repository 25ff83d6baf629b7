"""Can what a config asks for be built? Asked before anything runs, of many configs, on torch's meta device."""

from __future__ import annotations

import contextlib
import io
import time
import warnings
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ratchet.config.schema import Config
from ratchet.errors import ConfigError, first_line
from ratchet.models.build import model_class, refuse_layout
from ratchet.tasks import Target
from ratchet.terminal.command import one_line
from ratchet.texts import TextInput
from ratchet.training.module import TaskModule
from ratchet.training.optimizers import build_optimizer
from ratchet.training.schedules import build_scheduler
from ratchet.training.tasks import loss_for, network_for, some_targets, task_for

PATIENCE = 30.0  # seconds after which no further config is tried


class Asked(NamedTuple):
    """A config, and of its data the shape of an example and the target."""

    config: Config
    shape: tuple[int, ...] | None  # None: of a table that is not prepared yet
    target: Target
    text: TextInput | None = None


def complaints(configs: Sequence[Asked]) -> list[str | None]:
    """What is wrong with the model, optimizer, schedule, loss or augmentation of each, in one line; None if nothing.

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


def _complaint(part: Callable[[Asked], Any], asked: Asked, known: dict[tuple[str, ...], str | None]) -> str | None:
    config = asked.config
    sections = [getattr(config, name).model_dump_json() for name in _PARTS[part]]
    key = (part.__name__, str(asked[1:]), *sections, str(config.trainer.batch_size == 1))
    if key not in known:
        known[key] = _error_of(lambda: part(asked))
    return known[key]


def _error_of(build: Callable[[], Any]) -> str | None:
    try:
        with warnings.catch_warnings(action="ignore"):
            build()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the code may be anybody's
        return one_line(error) or f"{type(error).__name__}: {first_line(error)}"
    return None


def _model(asked: Asked) -> None:
    """Build the network on the meta device, which takes no memory; what cannot be there is built on the processor."""
    config, shape, target, text = asked
    if not config.model.is_lightning:
        refuse_layout(model_class(config.model.target), config.model, config.data.layout)
    if shape is None and not (config.data.module and config.model.is_lightning):
        return
    try:
        with torch.device("meta"):
            _build_network(config, shape, target, text)
    except Exception:  # noqa: BLE001 - whether it is the model or the device shows on the processor
        _build_network(config, shape, target, text)


def _build_network(config: Config, shape: tuple[int, ...] | None, target: Target, text: TextInput | None) -> None:
    network = network_for(config, task_for(config, target), shape=shape, text=text)
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise ConfigError("the model has no parameters to train; choose another, for example model=logistic")
    if shape and not config.model.is_lightning:
        dtype = torch.int64 if text else None
        require_statistics(network, torch.zeros(min(2, config.trainer.batch_size), *shape, dtype=dtype))


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


def _optimizer(asked: Asked) -> None:
    """Build it, and the schedule of its rates, for a parameter on the processor: not all of torch's know meta."""
    config = asked.config
    optimizer = build_optimizer(config.optimizer, [nn.Parameter(torch.zeros(1))])
    direction = config.objective.direction
    build_scheduler(config.scheduler, optimizer, total_steps=1000, direction=direction)


def _learning(asked: Asked) -> None:
    """Build the task, the loss and the augmentation, and put a batch that has every class or label through them."""
    config, shape, target, _ = asked
    task, y = task_for(config, target), some_targets(target)
    module = TaskModule(nn.Identity(), config, task=task, loss=loss_for(config, task, y))
    module.check_batch(torch.zeros(len(y), *(shape or [1])), y)


_PARTS: dict[Callable[[Asked], Any], tuple[str, ...]] = {
    _model: ("model", "task"),
    _optimizer: ("optimizer", "scheduler", "objective"),
    _learning: ("task", "loss", "augmentation"),
}
