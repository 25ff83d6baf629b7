"""Losses by dotted path: torch's, the focal losses here, and a person's own."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from ratchet.dotted import named_by
from ratchet.errors import TO_SEE, ConfigError, failure, own_code
from ratchet.tasks.base import Task


class FocalLoss(nn.Module):
    """Cross entropy in which an example counts (1 - p)^gamma, p the probability of its class.

    Lin et al. 2017, arXiv:1708.02002. Takes logits (n, classes) and class indices (n,). weight: of each class.
    """

    weight: Tensor | None

    def __init__(self, gamma: float = 2.0, weight: Tensor | None = None) -> None:
        super().__init__()
        self.gamma = gamma
        self.register_buffer("weight", weight)

    def forward(self, outputs: Tensor, target: Tensor) -> Tensor:
        """The mean over examples, weighted as torch's cross entropy is."""
        log_p = outputs.log_softmax(dim=1).gather(1, target[:, None])[:, 0]
        losses = -(_missing(log_p) ** self.gamma) * log_p
        if self.weight is None:
            return losses.mean()
        weights = self.weight[target]
        return (weights * losses).sum() / weights.sum()


class BinaryFocalLoss(nn.Module):
    """Binary cross entropy in which an example counts (1 - p)^gamma, p the probability of what it is.

    Lin et al. 2017, arXiv:1708.02002. Takes logits and targets of 0 and 1, of one shape. pos_weight: of the ones.
    """

    pos_weight: Tensor | None

    def __init__(self, gamma: float = 2.0, pos_weight: Tensor | None = None) -> None:
        super().__init__()
        self.gamma = gamma
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Return the mean loss over all elements."""
        losses = functional.binary_cross_entropy_with_logits(outputs, target, reduction="none")
        losses = _missing(-losses) ** self.gamma * losses
        if self.pos_weight is not None:
            losses = losses * (1 + (self.pos_weight - 1) * target)
        return losses.mean()


def _missing(log_p: Tensor) -> Tensor:
    """1 - p, never 0, where a power below 1 has no gradient."""
    return (-torch.expm1(log_p)).clamp_min(torch.finfo(log_p.dtype).tiny)


class QuantileLoss(nn.Module):
    """The pinball loss: its best constant is the quantile. The mean over several quantiles.

    Koenker & Bassett 1978, Econometrica 46. Takes outputs (n, quantiles) and numbers (n, 1). For the median it is half
    the absolute error.
    """

    quantiles: Tensor

    def __init__(self, quantiles: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("quantiles", torch.tensor(quantiles), persistent=False)

    def forward(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Return the mean loss over all elements."""
        if outputs.shape != (len(target), len(self.quantiles)):
            raise ValueError(f"outputs {tuple(outputs.shape)} for {len(self.quantiles)} quantiles")
        error = target - outputs
        return torch.maximum(self.quantiles * error, (self.quantiles - 1) * error).mean()


def build_loss(
    path: str | None,
    task: Task,
    y: Tensor,
    *,
    class_weights: Literal["none", "balanced"] | Sequence[float],
    label_smoothing: float,
    arguments: Mapping[str, Any],
) -> nn.Module:
    """The loss at a dotted path, or the usual one of the task: a module of outputs and learnable targets.

    y: the training targets, whose frequencies balanced weights are inverse to. Raises ConfigError for a loss that
    cannot be imported, an argument that it does not take, and one that does not give a number for these outputs.
    """
    target = path or task.usual_loss
    loss_class = _loss_class(target)
    _refuse_another_kind(target, task)
    known = inspect.signature(loss_class).parameters
    asked = {name: value for name, value in task.loss_arguments.items() if name in known} | dict(arguments)
    if label_smoothing:
        asked["label_smoothing"] = label_smoothing
    if class_weights != "none":
        asked |= task.class_weights(y, class_weights)
    for name in asked:
        if name not in known:
            key = "class_weights" if name in {"weight", "pos_weight"} and name not in arguments else name
            off = {"class_weights": "none", "label_smoothing": "0"}.get(key)
            raise ConfigError(
                f"loss.{key}: {target} takes no {name}; allowed: {', '.join(known) or 'nothing'}; "
                f"{f'type: loss.{key}={off}' if off else 'leave it out, or type: loss=usual'}"
            )
    try:
        loss: nn.Module = loss_class(**asked)
        _check(loss, task, y)
    except (RuntimeError, ValueError, TypeError, LookupError, AttributeError, UserWarning) as error:
        raise ConfigError(
            f"loss._target_={target} cannot be the loss of this task: {failure(error)}; "
            + (TO_SEE if own_code(error) else "type: loss=usual")
        ) from error
    return loss


# What a loss of torch.nn or of this file is for, and what may be typed instead.
_KINDS: dict[str, tuple[tuple[str, ...], str]] = {
    "classes, one out of several": (("CrossEntropyLoss", "NLLLoss", "MultiMarginLoss", "FocalLoss"), "focal"),
    "yes and no": (
        ("BCEWithLogitsLoss", "SoftMarginLoss", "MultiLabelSoftMarginLoss", "BinaryFocalLoss"), "binary_focal",
    ),
    "numbers": (("MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss", "PoissonNLLLoss"), "huber"),
    "quantiles": (("QuantileLoss",), "usual"),
}  # fmt: skip


def _refuse_another_kind(path: str, task: Task) -> None:
    """Raises ConfigError for a loss that is known to be for something else: some of them would train all the same."""
    if path.startswith("own."):
        return
    kinds = [next((kind for kind, (names, _) in _KINDS.items() if each.rpartition(".")[2] in names), None)
             for each in (path, task.usual_loss)]  # fmt: skip
    if None not in kinds and kinds[0] != kinds[1]:
        raise ConfigError(
            f"loss._target_={path} is for {kinds[0]}, the task {type(task).__name__.lower()} learns {kinds[1]}; "
            f"type: {', or '.join(dict.fromkeys([f'loss={_KINDS[str(kinds[1])][1]}', 'loss=usual']))}"
        )


def _loss_class(path: str) -> Any:
    allowed = (
        "a loss of torch.nn, ratchet.tasks.losses.FocalLoss, BinaryFocalLoss, QuantileLoss, one of your own in src/own"
    )
    homes = ("torch.nn", "ratchet.tasks.losses", "own")
    found = named_by(path, setting="loss._target_", allowed=allowed, refuse=_refused, homes=homes)
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise _refused(f"loss._target_={path} is no torch.nn.Module class; allowed: {allowed}")
    return found


def _refused(said: str, instead: Sequence[Sequence[str]] = (["loss=usual"],)) -> ConfigError:
    return ConfigError(f"{said}; type: {instead[0][0]}")


def _check(loss: nn.Module, task: Task, y: Tensor) -> None:
    some = y[torch.arange(task.n_outputs + 2) % len(y)]  # as many as no other axis has: nothing is broadcast unseen
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # torch only warns of shapes that do not fit
        value = loss(torch.zeros(len(some), task.n_outputs), task.learnable(some))
    if not isinstance(value, Tensor) or value.numel() != 1:
        raise ValueError("it gives no single number for a batch")
