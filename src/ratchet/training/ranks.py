"""Data parallelism: the other ranks train the one resolved config, never the command line again."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pytorch_lightning.strategies import DDPStrategy
from pytorch_lightning.strategies.launchers.subprocess_script import _SubprocessScriptLauncher
from torch import distributed

from ratchet.runs.directory import RunDirectory

_RENDEZVOUS = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "LOCAL_RANK", "WORLD_SIZE")  # what Lightning sets


class RankLauncher(_SubprocessScriptLauncher):
    """Starts each other rank as `python -m ratchet.training.rank <run directory>`.

    Lightning's own launcher repeats sys.argv, which under a multirun would start the whole multirun in every rank.
    """

    run: RunDirectory
    resume: bool = False

    def _call_children_scripts(self) -> None:
        self._check_can_spawn_children()
        environment = {
            **os.environ,
            "MASTER_ADDR": self.cluster_environment.main_address,
            "MASTER_PORT": str(self.cluster_environment.main_port),
            "NODE_RANK": str(self.cluster_environment.node_rank()),
            "WORLD_SIZE": str(self.num_processes * self.num_nodes),
        }
        source = str(Path(__file__).resolve().parents[2])
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH")]))
        command = [sys.executable, "-m", "ratchet.training.rank", str(self.run.path.resolve())]
        command += ["--resume"] if self.resume else []
        self.procs = [
            subprocess.Popen(command, env={**environment, "LOCAL_RANK": str(rank)})
            for rank in range(1, self.num_processes)
        ]


@contextmanager
def process_group(launcher: object) -> Iterator[None]:
    """Afterwards the process is as it was: the next job of a multirun finds no group of ranks that are gone."""
    if not isinstance(launcher, RankLauncher):
        yield
        return
    before = {name: os.environ.get(name) for name in _RENDEZVOUS}
    try:
        yield
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()
        for rank in launcher.procs:
            rank.wait(timeout=60)
        for name, value in before.items():
            os.environ.pop(name, None)
            os.environ.update({name: value} if value is not None else {})


class RankedDDPStrategy(DDPStrategy):
    """DDP whose ranks are started by RankLauncher."""

    def __init__(self, run: RunDirectory) -> None:
        super().__init__()
        self.run = run

    def _configure_launcher(self) -> None:
        assert self.cluster_environment is not None
        launcher = RankLauncher(self.cluster_environment, self.num_processes, self.num_nodes)
        launcher.run = self.run
        self._launcher = launcher


def ddp_strategy(run: RunDirectory) -> DDPStrategy:
    """The strategy for `trainer.strategy=ddp`."""
    return RankedDDPStrategy(run)
