"""What Lightning's fit needs, assembled from a config: the same in rank 0 and in every other rank."""

from __future__ import annotations

from dataclasses import dataclass

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers.logger import Logger

from ratchet.config.schema import Config
from ratchet.data.prepared import PreparedData
from ratchet.models import build_model, parameter_count
from ratchet.project import Project
from ratchet.runs.directory import RunDirectory
from ratchet.training.buildable import require_statistics
from ratchet.training.callbacks import Checkpoints
from ratchet.training.checkpoint import identity
from ratchet.training.datamodule import PreparedDataModule
from ratchet.training.module import TaskModule
from ratchet.training.ranks import RankLauncher, process_group
from ratchet.training.tasks import loss_for, task_for
from ratchet.training.trainer import Report, build_trainer, require_devices


@dataclass(frozen=True)
class Fit:
    """Data, task and checkpoints of one run."""

    config: Config
    project: Project
    run: RunDirectory
    data: PreparedData
    datamodule: PreparedDataModule
    task: TaskModule
    checkpoints: Checkpoints

    @classmethod
    def assemble(cls, config: Config, *, project: Project, run: RunDirectory) -> Fit:
        """Open the prepared data, seed, build the network. Raises a RatchetError for what does not fit together."""
        require_devices(config.trainer)
        torch.set_num_threads(config.trainer.threads)
        data = PreparedData.open(project.prepared(config.data.name), reader="train", config=config.data)
        datamodule = PreparedDataModule(config, data)
        pl.seed_everything(config.seed, verbose=False)
        learnt = task_for(config, data.target)
        network = build_model(
            config.model, input_shape=tuple(data.shape), n_outputs=learnt.n_outputs, numbers=data.numbers
        )
        loss = loss_for(config, learnt, datamodule.train_targets)
        task = TaskModule(network, config, task=learnt, loss=loss, identity=identity(config, data))
        x, y = next(iter(datamodule.train_batches()))
        task.check_batch(x, y)  # a setting that suits no such data is said now
        require_statistics(network, x)
        checkpoints = Checkpoints(run, config.objective, validates=config.trainer.train_on == "train")
        return cls(config, project, run, data, datamodule, task, checkpoints)

    @property
    def parameters(self) -> int:
        """How many numbers the network learns."""
        return parameter_count(self.task.network)

    def trainer(self, loggers: list[Logger], *, report: Report | None = None) -> pl.Trainer:
        """A Trainer that knows the run's checkpoints and loggers, and whom to tell of each validation."""
        return build_trainer(self.config, run=self.run, loggers=loggers, checkpoints=self.checkpoints, report=report)

    def go(self, trainer: pl.Trainer, *, resume: bool) -> None:
        """Train, from the last checkpoint with `resume`."""
        path = str(self.run.last_checkpoint) if resume else None
        launcher = trainer.strategy.launcher
        if isinstance(launcher, RankLauncher):
            launcher.run, launcher.project, launcher.resume = self.run, self.project, resume
        with process_group(launcher):
            trainer.fit(self.task, self.datamodule, ckpt_path=path, weights_only=True)
