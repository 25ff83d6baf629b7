"""A network, its task's loss and metrics, and its optimizer as one Lightning module."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn

from ratchet.config.schema import Config
from ratchet.errors import ConfigError, NonFiniteLossError
from ratchet.tasks import Task
from ratchet.training.augmentation import Augmentation
from ratchet.training.batches import Batch
from ratchet.training.checkpoint import KEY
from ratchet.training.optimizers import build_optimizer
from ratchet.training.schedules import Plateau, build_scheduler
from ratchet.training.seeds import seed_epoch

PLATEAU = "ratchet/plateau"  # a checkpoint's entry for the state of the schedule that waits for a plateau
FINITE_CHECK_EVERY = 50  # steps; reading a loss back stalls an accelerator


class TaskModule(pl.LightningModule):
    """A network that learns a task by a loss. Metrics gather in tensors and are read once an epoch."""

    def __init__(
        self,
        network: nn.Module,
        config: Config,
        *,
        task: Task,
        loss: nn.Module,
        identity: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.identity = identity or {}  # what a checkpoint says of itself
        self.config = config
        self.task = task
        self.criterion = loss
        self.augmentation = Augmentation(config.augmentation, n_classes=len(task.target.names))
        self._weights = [
            parameter for parameter in network.parameters() if parameter.ndim > 1 and parameter.requires_grad
        ]
        self._plateau: Plateau | None = None
        self._plateau_state: dict[str, Any] | None = None
        self._first_step = 0
        self._losses: list[Tensor] = []
        self._scores: list[Tensor] = []
        self._validated: list[tuple[Tensor, Tensor]] = []

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (batch, n_outputs) for normalised inputs (batch, *shape)."""
        outputs: Tensor = self.network(x)
        return outputs

    def check_batch(self, x: Tensor, y: Tensor) -> None:
        """Raises ConfigError where metrics or augmentation do not suit such a batch, or the loss what becomes of it."""
        target = self.task.learnable(y)
        if self.task.own:
            self.task.validate(torch.zeros(len(y), self.task.n_outputs), y)
        if not self.augmentation.active:
            return
        _, mixed = self.augmentation(x, target)
        try:
            self.criterion(torch.zeros(len(mixed), self.task.n_outputs), mixed)
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            raise ConfigError(
                f"augmentation.mixup={self.config.augmentation.mixup:g}: {self.config.loss.target} takes no shares of "
                "classes as targets; type: augmentation.mixup=0, or loss=usual"
            ) from error

    def on_train_epoch_start(self) -> None:
        # Drawn from (seed, epoch, rank): a run resumed at an epoch sees the randomness that it would have seen.
        seed_epoch(self.config.seed, self.current_epoch, self.global_rank)
        self._first_step = self.global_step
        self._losses.clear()
        self._scores.clear()

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        x, y = batch
        target = self.task.learnable(y)
        if self.augmentation.active:
            x, target = self.augmentation(x, target)
        outputs = self.network(x)
        loss = self._loss(outputs, target)
        outputs = outputs.mean(dim=1) if outputs.ndim > 2 else outputs
        self._losses.append(loss.detach())
        self._scores.append(self.task.training_score(outputs.detach(), y))
        if batch_idx % FINITE_CHECK_EVERY == FINITE_CHECK_EVERY - 1:
            self._require_finite()
        return loss

    def _loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        settings = self.config.loss
        if outputs.ndim > 2:  # of the members of an ensemble: each learns the target by itself
            target, outputs = target.repeat_interleave(outputs.shape[1], dim=0), outputs.flatten(0, 1)
        loss: Tensor = self.criterion(outputs, target)
        if settings.l1:
            loss = loss + settings.l1 * sum(weight.abs().sum() for weight in self._weights)
        if settings.l2:
            loss = loss + settings.l2 / 2 * sum(weight.square().sum() for weight in self._weights)
        return loss

    def _require_finite(self) -> None:
        if not self._losses:
            return
        recent = torch.stack(self._losses[-FINITE_CHECK_EVERY:])
        bad = torch.nonzero(~torch.isfinite(recent))
        if len(bad) == 0:
            return
        first = int(bad[0, 0])
        step = self._first_step + len(self._losses) - len(recent) + first + 1
        rates = [group["lr"] for group in self.trainer.optimizers[0].param_groups]
        raise NonFiniteLossError(
            f"the loss is {float(recent[first])} at step {step} (epoch {self.current_epoch}, "
            f"learning rate {rates[0]:.2g}): the rate may be too high or a value of the data too large; "
            f"type: optimizer.lr={self.config.optimizer.lr / 10:g}, or trainer.gradient_clip=1.0"
        )

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        x, y = batch
        self._validated.append((self.network(x), y))

    def on_validation_epoch_end(self) -> None:
        self._require_finite()
        outputs, y = (torch.cat(parts) for parts in zip(*self._validated, strict=True))
        self._validated.clear()
        metrics: dict[str, Any] = {f"validation/{k}": value for k, value in self.task.validate(outputs, y).items()}
        if self.trainer.world_size > 1:  # running statistics differ between ranks; what is decided on them must not
            metrics = self.trainer.strategy.broadcast({name: float(value) for name, value in metrics.items()})
        self.log_dict(metrics)
        if self._plateau is not None:  # here, not by Lightning: it would step only after the epoch's checkpoint
            self._plateau.step(float(metrics[self.config.objective.metric]))
        self._log_training()

    def on_train_epoch_end(self) -> None:
        self._require_finite()
        if not self.trainer.enable_validation:
            self._log_training()

    def _log_training(self) -> None:
        """Means over the epoch's batches, as they were met: augmented, the weights still moving."""
        if not self._losses:
            return
        rate = self.trainer.optimizers[0].param_groups[0]["lr"]
        means = {
            "train/loss": torch.stack(self._losses).mean(),
            f"train/{self.task.training_metric}": torch.stack(self._scores).mean(),
        }
        self.log_dict(means, sync_dist=self.trainer.world_size > 1)
        self.log("lr", float(rate), rank_zero_only=True)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint[KEY] = self.identity
        checkpoint[PLATEAU] = self._plateau.state_dict() if self._plateau is not None else None

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._plateau_state = checkpoint.get(PLATEAU)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        fuse = not self.config.trainer.clips_mixed
        optimizer = build_optimizer(self.config.optimizer, self.network.parameters(), fuse=fuse)
        built = build_scheduler(
            self.config.scheduler,
            optimizer,
            total_steps=int(self.trainer.estimated_stepping_batches),
            direction=self.config.objective.direction,
        )
        if built is None:
            return optimizer
        scheduler, _ = built
        if not isinstance(scheduler, Plateau):
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
        if self._plateau_state is not None:
            scheduler.load_state_dict(self._plateau_state)
        self._plateau = scheduler
        return optimizer
