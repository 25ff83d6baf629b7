"""What Ratchet needs of Lightning beyond its public interface: a strategy whose ranks it starts itself."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.strategies import DDPStrategy
from pytorch_lightning.strategies.launchers.subprocess_script import _SubprocessScriptLauncher

__all__ = ["LaunchedDDPStrategy", "SubprocessScriptLauncher", "draw_again", "epochs_begun", "resume_after_epochs"]

SubprocessScriptLauncher = _SubprocessScriptLauncher  # it repeats sys.argv, and a rank's multirun would start again


class LaunchedDDPStrategy(DDPStrategy):
    """DDP whose processes are started by `launched_by`: there is no setting for it."""

    launched_by: type[SubprocessScriptLauncher]

    def _configure_launcher(self) -> None:
        assert self.cluster_environment is not None
        self._launcher = self.launched_by(self.cluster_environment, self.num_processes, self.num_nodes)


def resume_after_epochs(trainer: pl.Trainer) -> None:
    """Let a run with max_steps go on after the epoch that its checkpoint ends, as one without does.

    FitLoop.restarting takes every such checkpoint for one from the middle of an epoch: it would begin an epoch without
    its hooks, and train on a batch too many.
    """
    trainer.fit_loop._iteration_based_training = lambda: False  # type: ignore[method-assign]


def epochs_begun(trainer: pl.Trainer) -> int:
    """How many epochs are trained, also while a resumed run makes its loaders: current_epoch lags behind then."""
    current: Any = trainer.fit_loop.epoch_progress.current
    return int(current.processed)


def draw_again(trainer: pl.Trainer) -> None:
    """Let the training loader draw the order of the epoch that begins anew: it was drawn before the run was resumed."""
    assert trainer.fit_loop._data_fetcher is not None
    iter(trainer.fit_loop._data_fetcher)
