"""A Lightning train function in the style of the common templates: what the peers of bench/search.py run.

A data module with loaders, metrics that log at each step, a checkpoint callback and a CSV logger. Network, arrays,
batch size, optimizer and schedule are those of Ratchet's trials.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pytorch_lightning import Callback, LightningDataModule, LightningModule, Trainer, seed_everything
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics import MaxMetric, MeanMetric
from torchmetrics.classification import MulticlassAccuracy

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "data" / "prepared" / "mnist1d"
BATCH = 100


def note() -> None:
    """Append the time of a trial's start to $NOTES."""
    descriptor = os.open(os.environ["NOTES"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, f"{time.time():.4f}\n".encode())
    os.close(descriptor)


def network(width: int, dropout: float) -> nn.Module:
    """Ratchet's cnn with kernel and strides of MNIST-1D's own (Greydanus 2020: 25 channels, 5,210 parameters)."""
    sys.path.insert(0, str(ROOT / "src"))
    from ratchet.models import CNN

    return CNN(input_shape=(1, 40), n_outputs=10, width=width, dropout=dropout, kernel=3, pool="stride")


def arrays(split: str) -> tuple[Tensor, Tensor]:
    """Inputs and classes."""
    x, y = (np.load(DATA / split / f"{name}.npy") for name in "xy")
    return torch.from_numpy(x).float(), torch.from_numpy(y).long()


class Digits(LightningDataModule):
    """Loaders over tensors."""

    def setup(self, stage: str) -> None:
        self.train, self.validation = TensorDataset(*arrays("train")), TensorDataset(*arrays("validation"))

    def train_dataloader(self) -> DataLoader[Any]:
        return DataLoader(self.train, batch_size=BATCH, shuffle=True)

    def val_dataloader(self) -> DataLoader[Any]:
        return DataLoader(self.validation, batch_size=BATCH)


class Classifier(LightningModule):
    """Logs loss and accuracy of each step, and the best accuracy of validation."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.config = config
        self.net = network(config["width"], config["dropout"])
        self.loss = nn.CrossEntropyLoss()
        self.train_accuracy, self.validation_accuracy = MulticlassAccuracy(10), MulticlassAccuracy(10)
        self.train_loss, self.validation_loss, self.best = MeanMetric(), MeanMetric(), MaxMetric()

    def step(self, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Loss, predictions and targets."""
        x, y = batch
        logits = self.net(x)
        return self.loss(logits, y), logits.argmax(1), y

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        loss, predicted, y = self.step(batch)
        self.train_loss(loss)
        self.train_accuracy(predicted, y)
        self.log("train/loss", self.train_loss, on_step=False, on_epoch=True, prog_bar=True)
        self.log("train/acc", self.train_accuracy, on_step=False, on_epoch=True, prog_bar=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], _: int) -> None:
        loss, predicted, y = self.step(batch)
        self.validation_loss(loss)
        self.validation_accuracy(predicted, y)
        self.log("val/loss", self.validation_loss, on_step=False, on_epoch=True, prog_bar=True)
        self.log("val/acc", self.validation_accuracy, on_step=False, on_epoch=True, prog_bar=True)

    def on_validation_epoch_end(self) -> None:
        self.best(self.validation_accuracy.compute())
        self.log("val/acc_best", self.best.compute(), sync_dist=True, prog_bar=True)

    def configure_optimizers(self) -> Any:
        settings = {"lr": self.config["lr"], "weight_decay": self.config["weight_decay"]}
        optimizer = torch.optim.AdamW(self.parameters(), **settings)
        schedule = OneCycleLR(optimizer, self.config["lr"], total_steps=self.config["steps"], pct_start=0.2)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class Reporter(Callback):
    """Tells a search of each validation."""

    def __init__(self, report: Callable[[int, float], None]) -> None:
        self.report = report

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.sanity_checking:
            self.report(trainer.global_step, float(trainer.callback_metrics["val/acc"]))


def train(config: dict[str, Any], directory: Path, report: Callable[[int, float], None] | None = None) -> float:
    """Train for `steps` and validate each 100. Returns the best accuracy of validation."""
    note()
    torch.set_num_threads(1)
    seed_everything(0, verbose=False)
    checkpoint = ModelCheckpoint(directory / "checkpoints", monitor="val/acc", mode="max", save_last=True)
    trainer = Trainer(
        accelerator="cpu", max_steps=config["steps"], val_check_interval=100, check_val_every_n_epoch=None,
        default_root_dir=directory, logger=CSVLogger(str(directory)), enable_model_summary=False,
        callbacks=[checkpoint, *([Reporter(report)] if report is not None else [])],
    )  # fmt: skip
    trainer.fit(Classifier(config), Digits())
    return float(trainer.callback_metrics["val/acc_best"])
