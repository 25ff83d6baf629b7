"""Randomness drawn from (seed, epoch, rank): a run resumed at an epoch sees what it would have seen."""

from __future__ import annotations

import random

import numpy as np
import pytorch_lightning as pl
import torch

from ratchet.compat.lightning import draw_again

RANK_STRIDE = 2**24  # more than there are epochs; torch's generator on the CPU reads 32 bits of a seed


def epoch_seed(seed: int, epoch: int, rank: int) -> int:
    """What an epoch's randomness is drawn from."""
    return seed * 1_000_003 + epoch + 1 + rank * RANK_STRIDE


def seed_epoch(seed: int, epoch: int, rank: int, *, part: int = 0) -> None:
    """Seed torch, numpy and random, each part of an epoch anew."""
    number = epoch_seed(seed, epoch, rank) + part * 7_919_999
    torch.manual_seed(number)
    np.random.seed(number % 2**32)  # noqa: NPY002 - a person's code draws from it
    random.seed(number)


class EpochSeeds(pl.Callback):
    """Seeds each epoch of a user's module: before its loader draws an order, and again before its first step.

    The loader of the first epoch was seeded when it was made. Of a run that goes on it may have been made before the
    checkpoint was read, and so draws anew.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._began = False

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.current_epoch:
            seed_epoch(self.seed, trainer.current_epoch, trainer.global_rank)
            if not self._began:
                draw_again(trainer)
        self._began = True

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: object, i: int) -> None:
        if i == 0:
            seed_epoch(self.seed, trainer.current_epoch, trainer.global_rank, part=1)
