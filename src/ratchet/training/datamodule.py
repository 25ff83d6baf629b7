"""The splits that training may see, as batches for Lightning."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from ratchet.config.schema import Config
from ratchet.data.prepared import PreparedData
from ratchet.training.batches import EvaluationBatches, TrainingBatches, as_tensors, joined


class PreparedDataModule(pl.LightningDataModule):
    """Train and validation, sliced from the prepared arrays."""

    def __init__(self, config: Config, data: PreparedData) -> None:
        super().__init__()
        self.config, self.data = config, data
        self._x, self._y = as_tensors(data.split("train"))
        self._validation = as_tensors(data.split("validation"))
        if config.trainer.train_on == "train+validation":
            more_x, more_y = self._validation
            self._x, self._y = joined(self._x, more_x), torch.cat([self._y, more_y])
        batches = self.train_batches(ranks=config.trainer.devices)
        self.batch_size = batches.batch_size  # of each device: the config's where there are as many examples

    @property
    def train_targets(self) -> Tensor:
        """The targets that are trained on."""
        return self._y

    def train_batches(self, *, rank: int = 0, ranks: int = 1) -> TrainingBatches:
        """The training data as rank `rank` of `ranks` sees it. See TrainingBatches."""
        settings = self.config.trainer
        return TrainingBatches(
            self._x,
            self._y,
            batch_size=settings.batch_size,
            seed=self.config.seed,
            rank=rank,
            ranks=ranks,
            sampling=settings.sampling,
            one_batch=settings.overfit_one_batch or settings.one_batch,
        )

    def train_dataloader(self) -> Any:
        assert self.trainer is not None
        batches = self.train_batches(rank=self.trainer.global_rank, ranks=self.trainer.world_size)
        batches.epoch = self.trainer.current_epoch
        return batches

    def val_dataloader(self) -> Any:
        if self.config.trainer.train_on == "train+validation":
            return []
        return EvaluationBatches(*self._validation, limit=1 if self.config.trainer.one_batch else None)
