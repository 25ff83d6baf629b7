"""What Lightning's fit needs, assembled from a config: the same in rank 0 and in every other rank."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers.logger import Logger

from ratchet.config.schema import Config
from ratchet.config.targets import built
from ratchet.data.folds import Fold
from ratchet.data.prepared import PreparedData
from ratchet.errors import ConfigError
from ratchet.models import parameter_count
from ratchet.models.lightning import build_module
from ratchet.project import Project
from ratchet.runs.directory import RunDirectory
from ratchet.training.buildable import require_statistics
from ratchet.training.callbacks import Checkpoints
from ratchet.training.checkpoint import identity
from ratchet.training.datamodule import PreparedDataModule
from ratchet.training.module import TaskModule
from ratchet.training.own_data import OwnData
from ratchet.training.own_module import Checks, PlainCheckpoints, RunningBests
from ratchet.training.ranks import RankLauncher, process_group
from ratchet.training.seeds import EpochSeeds
from ratchet.training.tasks import loss_for, network_for, task_for
from ratchet.training.trainer import Report, build_trainer, require_devices


@dataclass(frozen=True)
class Fit:
    """Data, module and checkpoints of one run. The module is ours, or a person's, trained as it is."""

    config: Config
    project: Project
    run: RunDirectory
    data: PreparedData | OwnData
    datamodule: pl.LightningDataModule
    module: pl.LightningModule
    identity: dict[str, Any]
    checkpoints: Checkpoints
    callbacks: tuple[pl.Callback, ...]  # a person's

    @classmethod
    def assemble(cls, config: Config, *, project: Project, run: RunDirectory) -> Fit:
        """Open the data, seed, build the module. Raises a RatchetError for what does not fit together."""
        require_devices(config.trainer)
        torch.set_num_threads(config.trainer.threads)
        data: PreparedData | OwnData
        datamodule: pl.LightningDataModule
        if config.data.module is not None:
            data = OwnData.open(config, reader="train")
            datamodule = data.module
        else:
            directory, fold = project.prepared(config.data.name), Fold.asked(config)
            data = PreparedData.open(directory, reader="train", config=config.data, fold=fold)
            datamodule = PreparedDataModule(config, data)
        pl.seed_everything(config.seed, verbose=False)
        named = identity(config, data)
        module = _own_module(config, data) if config.model.is_lightning else _task_module(config, datamodule, named)
        if not parameter_count(module):
            raise ConfigError("the model has no parameters to train; choose another, for example model=logistic")
        checkpoints = Checkpoints(
            run, config.objective, validates=config.trainer.train_on == "train",
            follows_weights=bool(config.callbacks) or config.model.is_lightning,
        )  # fmt: skip
        asked = config.callbacks.items()
        callbacks = tuple(built(each, key=f"callbacks.{name}", kind="Callback") for name, each in asked)
        return cls(config, project, run, data, datamodule, module, named, checkpoints, callbacks)

    @property
    def parameters(self) -> int:
        """How many numbers the network learns."""
        return parameter_count(self.module.network if isinstance(self.module, TaskModule) else self.module)

    def trainer(self, loggers: list[Logger], *, report: Report | None = None) -> pl.Trainer:
        """A Trainer that knows the run's checkpoints and loggers, and whom to tell of each validation."""
        more, plugins = self.callbacks, [PlainCheckpoints(self.identity)] if self.callbacks else []
        if self.config.model.is_lightning:
            more = (EpochSeeds(self.config.seed), RunningBests(), Checks(self.config.objective.metric), *more)
            plugins = [PlainCheckpoints(self.identity)]
            loggers = loggers[::-1]  # self.logger is the service's, which has an experiment, where there is one
        return build_trainer(
            self.config, run=self.run, loggers=loggers, checkpoints=self.checkpoints, report=report, more=more,
            plugins=plugins,
        )  # fmt: skip

    def go(self, trainer: pl.Trainer, *, resume: bool) -> None:
        """Train, from the last checkpoint with `resume`."""
        path = str(self.run.last_checkpoint) if resume else None
        launcher = trainer.strategy.launcher
        if isinstance(launcher, RankLauncher):
            launcher.run, launcher.project, launcher.resume = self.run, self.project, resume
        with process_group(launcher):
            trainer.fit(self.module, self.datamodule, ckpt_path=path, weights_only=True)


def _task_module(config: Config, datamodule: pl.LightningDataModule, identity: dict[str, Any]) -> TaskModule:
    """Our module around the network of conf/model, checked against the first batch."""
    assert isinstance(datamodule, PreparedDataModule), "conflicts are refused where the config is checked"
    data = datamodule.data
    task = task_for(config, data.target)
    network = network_for(config, task, shape=tuple(data.shape), numbers=data.numbers, text=data.text)
    if architecture := getattr(network, "architecture", None):
        assert data.text is not None
        identity["text"] = replace(data.text, architecture=architecture).as_json()
    loss = loss_for(config, task, datamodule.train_targets)
    module = TaskModule(network, config, task=task, loss=loss, identity=identity)
    x, y = next(iter(datamodule.train_batches()))
    module.check_batch(x, y)  # a setting that suits no such data is said now
    require_statistics(network, x)
    return module


def _own_module(config: Config, data: PreparedData | OwnData) -> pl.LightningModule:
    """A person's module, told the shape of prepared data where it asks for it."""
    if isinstance(data, OwnData):
        return build_module(config.model)
    n_outputs = task_for(config, data.target).n_outputs
    return build_module(
        config.model, input_shape=tuple(data.shape), n_outputs=n_outputs, numbers=data.numbers, text=data.text
    )
