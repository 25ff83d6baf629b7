"""The shim. Hydra imports it at every start, twice even: nothing heavy, no state."""

from __future__ import annotations

from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

NODE = {
    "_target_": "hydra_plugins.ratchet_sweeper.sweeper.RatchetSweeper",
    "sweeps": {"grid": {}},  # name: what ratchet.search.space.settings.SweepSettings takes
    "nested": False,  # each study in a directory of its own under hydra.sweep.dir
    "keep_returns": True,  # sweep() gives Hydra's JobReturn of each job
    "_recursive_": False,  # samplers and pruners are built where they are used
}
_STORE = ConfigStore.instance()
if "ratchet.yaml" not in _STORE.list("hydra/sweeper"):  # Hydra 1.4 minds being told twice
    _STORE.store(group="hydra/sweeper", name="ratchet", node=NODE, provider="ratchet")


class RatchetSweeper(Sweeper):
    """Optuna studies of one process per trial."""

    def __init__(self, sweeps: DictConfig, nested: bool, keep_returns: bool) -> None:
        self.sweeps, self.nested, self.keep_returns = sweeps, nested, keep_returns

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config

    def sweep(self, arguments: list[str]) -> Any:
        from ratchet.config.environment import plain_with_references
        from ratchet.search.space.plan import FACTS, TaskFacts
        from ratchet.search.worker.sweeper import sweep_under_hydra

        assert self.config is not None
        return sweep_under_hydra(
            arguments,
            sweeps=plain_with_references(self.sweeps),
            nested=self.nested,
            keep_returns=self.keep_returns,
            task=self.task_function,
            context=self.hydra_context,
            master=self.config,
            facts=FACTS.get() or TaskFacts(),
        )
