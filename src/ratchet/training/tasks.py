"""The task and the loss of a config."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ratchet.config.schema import Config
from ratchet.tasks import Target, Task, build_task

if TYPE_CHECKING:
    from torch import Tensor, nn


def task_for(config: Config, target: Target) -> Task:
    """The task that conf/task asks for, on a target. Raises ConfigError where they do not fit together."""
    assert config.task.target is not None, "a checked config names its task"
    bins = config.evaluation.calibration_bins
    return build_task(
        config.task.target, target, settings=config.task.arguments, calibration_bins=bins,
        metrics={name: metric.model_dump(by_alias=True) for name, metric in config.task.metrics.items()},
        objective=config.objective.metric.rpartition("/")[2],
    )  # fmt: skip


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
