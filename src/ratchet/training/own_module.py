"""What a person's LightningModule needs around it that TaskModule does itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO
from torchmetrics import MaxMetric, MinMetric

from ratchet.errors import NonFiniteLossError, TrainingError
from ratchet.training.checkpoint import KEY
from ratchet.training.module import FINITE_CHECK_EVERY

_LOWER = "the rate may be too high or a value of the data too large; type: trainer.gradient_clip=1.0, or lower its rate"


class Checks(pl.Callback):
    """Raises TrainingError for a module that learns nothing or logs what no row can have, and NonFiniteLossError."""

    def __init__(self, objective: str) -> None:
        self.objective = objective
        self._learns = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        adjusted = {id(each) for one in trainer.optimizers for group in one.param_groups for each in group["params"]}
        if not adjusted & {id(each) for each in pl_module.parameters()}:
            raise TrainingError(
                f"{type(pl_module).__name__}.configure_optimizers gives no optimizer of its parameters, so it would "
                "learn nothing; allowed: torch.optim.Adam(self.parameters()) and the like; return it, and train again"
            )

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._learns = self._learns or bool(outputs) or not pl_module.automatic_optimization
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        if loss is not None and (trainer.is_last_batch or batch_idx % FINITE_CHECK_EVERY == FINITE_CHECK_EVERY - 1):
            self._require_finite("the loss", float(loss), trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not self._learns:
            raise TrainingError(
                f"{type(pl_module).__name__}.training_step returned None for every batch, so nothing was learnt; "
                "allowed: the loss, or a mapping that has it as loss; return it, then type the same again"
            )
        _refuse_step(trainer, pl_module)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        _refuse_step(trainer, pl_module)
        if self.objective in trainer.callback_metrics:
            self._require_finite(self.objective, float(trainer.callback_metrics[self.objective]), trainer)

    def _require_finite(self, name: str, value: float, trainer: pl.Trainer) -> None:
        if not math.isfinite(value):
            raise NonFiniteLossError(
                f"{name} is {value} at step {trainer.global_step} (epoch {trainer.current_epoch}): {_LOWER}"
            )


def _refuse_step(trainer: pl.Trainer, module: pl.LightningModule) -> None:
    """Raises TrainingError for a metric `step`: Lightning takes it for that of the row, and leaves the epoch out."""
    if "step" in trainer.logged_metrics:
        raise TrainingError(
            f'{type(module).__name__} logs "step", which is the column of the steps taken; allowed: any other name; '
            "log it under another one, then type the same again"
        )


class RunningBests(pl.Callback):
    """A resumed run goes on from the running bests that it had, also where the module's on_train_start resets them."""

    def __init__(self) -> None:
        self._had: list[tuple[MaxMetric | MinMetric, torch.Tensor]] = []

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        kept = [each for each in pl_module.modules() if isinstance(each, MaxMetric | MinMetric)]
        states = [(each, each.max_value if isinstance(each, MaxMetric) else each.min_value) for each in kept]
        self._had = [(each, state.clone()) for each, state in states if torch.isfinite(state).all()]

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        for each, best in self._had:
            each.update(best)
        self._had = []


class PlainCheckpoints(TorchCheckpointIO):
    """Checkpoints that say what they are of, and load without executing anything.

    What save_hyperparameters keeps goes: config.yaml has it, and it may be any object. Raises TrainingError for what
    the module or a callback puts in that only pickle could read back.
    """

    def __init__(self, identity: Mapping[str, Any]) -> None:
        self.identity = dict(identity)
        self._verified = False

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        kept = {name: value for name, value in checkpoint.items() if "hparams" not in name and "hyper_p" not in name}
        super().save_checkpoint({**kept, KEY: self.identity}, path, storage_options)
        if self._verified:
            return
        try:
            torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:
            Path(path).unlink()
            line = next(iter(str(error).splitlines()), "")[:120]
            raise TrainingError(
                f"the checkpoint of this module could only be loaded by executing what is in it ({line}); allowed in "
                "on_save_checkpoint and state_dict: tensors, numbers, texts, lists, dicts; put those in instead"
            ) from error
        self._verified = True
