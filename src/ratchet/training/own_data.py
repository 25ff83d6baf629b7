"""A person's LightningDataModule: the loaders that a reader may see, and what is known of its data."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

import numpy as np
import pytorch_lightning as pl
import torch

from ratchet.compat.lightning import epochs_begun
from ratchet.config.schema import Config
from ratchet.config.targets import built, class_at
from ratchet.data.prepared import READABLE, Reader, Split
from ratchet.errors import DataError, SplitGuardError
from ratchet.tasks import Target
from ratchet.training.seeds import seed_epoch

LOADERS = {
    "train": "train",
    "validation": "val",
    "test": "test",
    "confirm": "confirm",
}  # of each split: <name>_dataloader


@dataclass(frozen=True)
class OwnData:
    """A data module that hands out the splits of one reader, and refuses the others.

    What it reads by itself nobody sees. data_hash: sha256 of its path, its settings and its source; of none of its
    data, which are taken at its word.
    """

    module: pl.LightningDataModule
    data_hash: str
    names: tuple[str, ...] = ()  # of classes or labels, as the config has them
    shape: tuple[int, ...] = ()
    numbers: tuple[int, ...] = ()
    text: None = None
    classes: tuple[str, ...] = ()
    target: Target | None = None  # see described()
    _splits: dict[str, Split] = field(default_factory=dict)

    @classmethod
    def open(cls, config: Config, *, reader: Reader) -> OwnData:
        """Build it. Raises ConfigError, and DataError for one that lacks a loader that the reader needs."""
        asked = config.data.module
        assert asked is not None
        found = class_at(asked.target, key="data", kind="LightningDataModule")
        module = built({"_target_": asked.target, **asked.arguments}, key="data")
        for split in READABLE[reader]:
            name = f"{LOADERS[split]}_dataloader"
            if not hasattr(found, name) or getattr(found, name) is getattr(pl.LightningDataModule, name, None):
                raise DataError(
                    f"data._target_={asked.target} has no {name} of its own, and {reader} reads the split {split}; "
                    f"write one, or choose prepared data; type: data=digits"
                )
        for split in LOADERS.keys() - set(READABLE[reader]):
            setattr(module, f"{LOADERS[split]}_dataloader", _refusal(reader, split))
        module.predict_dataloader = _refusal(reader, "predict")
        module.train_dataloader = _seeded(module, config.seed)
        parts = [asked.target, asked.arguments, inspect.getsource(found)]
        digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
        return cls(module, digest, tuple(asked.classes))

    def described(self) -> OwnData:
        """The same, set up without a trainer, with the target that the batches of train show."""
        self.module.prepare_data()
        for stage in ("fit", "test"):
            self.module.setup(stage)
        y = self.split("train").y
        if y.ndim == 1 and y.dtype == np.int64:
            target = Target("class", self.names or tuple(map(str, range(int(y.max()) + 1))))
        elif y.ndim == 1:
            target = Target("number", self.names or ("target",), float(y.mean()), float(y.std()) or 1.0)
        else:
            target = Target("labels", self.names or tuple(map(str, range(y.shape[1]))))
        return replace(self, target=target)

    def split(self, name: str) -> Split:
        """The examples of a split as its loader gives them. Raises SplitGuardError, and DataError for other batches."""
        if name not in self._splits:
            batches = list(getattr(self.module, f"{LOADERS[name]}_dataloader")())
            if not batches or not all(isinstance(batch, list | tuple) and len(batch) == 2 for batch in batches):
                got = type(batches[0]).__name__ if batches else "none"
                raise DataError(
                    f"the batches of {type(self.module).__name__}.{LOADERS[name]}_dataloader are no pairs of inputs "
                    f"and targets (got: {got}), and only those are measured; allowed: (x, y); mend it, and train again"
                )
            x, y = (torch.cat([torch.as_tensor(batch[part]) for batch in batches]).numpy() for part in (0, 1))
            self._splits[name] = Split(x, y.astype(np.int64 if y.dtype.kind in "iu" else np.float32))  # in memory
        return self._splits[name]

    def ids(self, name: str) -> np.ndarray:
        """(n,) the place of each example of a split in what its loader gives."""
        return np.arange(len(self.split(name).y))


def _refusal(reader: Reader, split: str) -> Callable[[], NoReturn]:
    def refuse() -> NoReturn:
        allowed = ", ".join(READABLE[reader])
        raise SplitGuardError(f"{reader} may not read the split {split} of a data module; it may read {allowed}")

    return refuse


def _seeded(module: pl.LightningDataModule, seed: int) -> Callable[[], Any]:
    """Return a train_dataloader whose first order is that of the epoch in which the run begins or is resumed."""
    loader = module.train_dataloader

    def train_dataloader() -> Any:
        trainer = module.trainer
        if trainer is not None:
            seed_epoch(seed, epochs_begun(trainer), trainer.global_rank)
        return loader()

    return train_dataloader
