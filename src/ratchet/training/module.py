"""The task: a network, its loss, its optimizer and its metrics as one Lightning module."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.nn import functional
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_f1_score

from ratchet.config.schema import Config
from ratchet.errors import NonFiniteLossError
from ratchet.training.augmentation import Augmentation
from ratchet.training.batches import Batch
from ratchet.training.checkpoint import KEY
from ratchet.training.optimizers import build_optimizer
from ratchet.training.schedules import Plateau, build_scheduler

PLATEAU = "ratchet/plateau"  # a checkpoint's entry for the state of the schedule that waits for a plateau
RANK_STRIDE = 2**24  # more than there are epochs; torch's generator on the CPU reads 32 bits of a seed
FINITE_CHECK_EVERY = 50  # steps; reading a loss back stalls an accelerator


class ClassificationTask(pl.LightningModule):
    """Cross entropy on one of `n_classes`. Metrics gather in tensors and are read once an epoch."""

    class_weights: Tensor | None

    def __init__(
        self,
        network: nn.Module,
        config: Config,
        *,
        n_classes: int,
        class_weights: Tensor | None = None,
        identity: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.identity = identity or {}  # what a checkpoint says of itself
        self.config = config
        self.n_classes = n_classes
        self.augmentation = Augmentation(config.augmentation, layout=config.data.layout, n_classes=n_classes)
        self.register_buffer("class_weights", class_weights, persistent=False)
        self._weights = [parameter for parameter in network.parameters() if parameter.ndim > 1]
        self._plateau: Plateau | None = None
        self._plateau_state: dict[str, Any] | None = None
        self._first_step = 0
        self._losses: list[Tensor] = []
        self._hits: list[Tensor] = []
        self._validated: list[tuple[Tensor, Tensor]] = []

    def forward(self, x: Tensor) -> Tensor:
        """Logits (batch, n_classes) for normalised inputs (batch, *shape)."""
        logits: Tensor = self.network(x)
        return logits

    def on_train_epoch_start(self) -> None:
        # Drawn from (seed, epoch, rank): a run resumed at an epoch sees the randomness that it would have seen.
        torch.manual_seed(self.config.seed * 1_000_003 + self.current_epoch + 1 + self.global_rank * RANK_STRIDE)
        self._first_step = self.global_step
        self._losses.clear()
        self._hits.clear()

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        x, labels = batch
        target = labels
        if self.augmentation.active:
            x, target = self.augmentation(x, labels)
        logits = self.network(x)
        loss = self._loss(logits, target)
        self._losses.append(loss.detach())
        self._hits.append((logits.detach().argmax(1) == labels).sum() / len(labels))
        if batch_idx % FINITE_CHECK_EVERY == FINITE_CHECK_EVERY - 1:
            self._require_finite()
        return loss

    def _loss(self, logits: Tensor, target: Tensor) -> Tensor:
        settings = self.config.loss
        loss = functional.cross_entropy(
            logits, target, weight=self.class_weights, label_smoothing=settings.label_smoothing
        )
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
        x, labels = batch
        self._validated.append((self.network(x), labels))

    def on_validation_epoch_end(self) -> None:
        self._require_finite()
        logits = torch.cat([logits for logits, _ in self._validated])
        labels = torch.cat([labels for _, labels in self._validated])
        self._validated.clear()
        metrics: dict[str, Any] = {f"validation/{k}": value for k, value in self._metrics(logits, labels).items()}
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
            "train/accuracy": torch.stack(self._hits).mean(),
        }
        self.log_dict(means, sync_dist=self.trainer.world_size > 1)
        self.log("lr", float(rate), rank_zero_only=True)

    def _metrics(self, logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
        options: dict[str, Any] = {"num_classes": self.n_classes, "validate_args": False}
        predicted = logits.argmax(1)
        return {
            "loss": functional.cross_entropy(logits.float(), labels),
            "accuracy": multiclass_accuracy(predicted, labels, average="micro", **options),
            "balanced_accuracy": multiclass_accuracy(predicted, labels, average="macro", **options),
            "f1": multiclass_f1_score(predicted, labels, average="macro", **options),
        }

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
