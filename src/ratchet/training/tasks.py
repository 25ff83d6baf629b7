"""The task, the network and the loss of a config."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ratchet.config.schema import Config
from ratchet.config.tables import as_typed
from ratchet.errors import ConfigError
from ratchet.tables import TableError
from ratchet.tasks import Target, Task, build_task
from ratchet.tasks.build import usual_task
from ratchet.texts import TextInput

if TYPE_CHECKING:
    from torch import Tensor, nn


def task_for(config: Config, target: Target, *, bins: int = 15) -> Task:
    """The task that conf/task asks for, on a target. Raises ConfigError where they do not fit together.

    bins: of the calibration error. In training and promotion they are always the same, as an objective's must be;
    evaluation.calibration_bins is for the report.
    """
    return build_task(
        config.task.target or usual_task(target.kind), target, settings=config.task.arguments, calibration_bins=bins,
        metrics={name: metric.model_dump(by_alias=True) for name, metric in config.task.metrics.items()},
        objective=config.judged_by.metric.rpartition("/")[2],
    )  # fmt: skip


def network_for(
    config: Config,
    task: Task,
    *,
    shape: tuple[int, ...] | None,
    numbers: Sequence[int] = (),
    text: TextInput | None = None,
) -> nn.Module:
    """The network of a config with fresh weights, from x to (n, n_outputs); of a LightningModule what it predicts.

    shape: of an example; None where a person's data module does not say it.
    """
    if not config.model.is_lightning:
        from ratchet.models import build_model

        assert shape is not None, "a network of ours is told the shape"
        try:
            return build_model(config.model, input_shape=shape, n_outputs=task.n_outputs, numbers=numbers, text=text)
        except TableError as error:
            table = config.data.table.model_dump() if config.data.table else {}
            raise ConfigError(as_typed(error.said, table)) from error
    from ratchet.models.lightning import Predicting, build_module

    n_outputs = None if shape is None else task.n_outputs
    return Predicting(
        build_module(config.model, input_shape=shape, n_outputs=n_outputs, numbers=numbers, text=text), task
    )


def loss_for(config: Config, task: Task, y: Tensor) -> nn.Module:
    """The loss that conf/loss asks for; y are the training targets. Raises ConfigError for one that does not fit."""
    from ratchet.tasks.losses import build_loss

    return build_loss(
        config.loss.target,
        task,
        y,
        class_weights=config.loss.class_weights,
        label_smoothing=config.loss.label_smoothing,
        arguments=config.loss.arguments,
    )


def some_targets(target: Target) -> Tensor:
    """Targets as they lie in prepared data, with every class or label among them: to try a loss with."""
    import torch

    if target.kind == "number":
        return torch.tensor([target.mean, target.mean + target.std])
    return torch.arange(len(target.names)) if target.kind == "class" else torch.eye(len(target.names))
