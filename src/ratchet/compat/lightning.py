"""What Ratchet needs of Lightning beyond its public interface: a strategy whose ranks it starts itself."""

from __future__ import annotations

from pytorch_lightning.strategies import DDPStrategy
from pytorch_lightning.strategies.launchers.subprocess_script import _SubprocessScriptLauncher

__all__ = ["LaunchedDDPStrategy", "SubprocessScriptLauncher"]

SubprocessScriptLauncher = _SubprocessScriptLauncher  # it repeats sys.argv, and a rank's multirun would start again


class LaunchedDDPStrategy(DDPStrategy):
    """DDP whose processes are started by `launched_by`: there is no setting for it."""

    launched_by: type[SubprocessScriptLauncher]

    def _configure_launcher(self) -> None:
        assert self.cluster_environment is not None
        self._launcher = self.launched_by(self.cluster_environment, self.num_processes, self.num_nodes)
