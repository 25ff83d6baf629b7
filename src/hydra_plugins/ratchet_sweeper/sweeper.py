"""The shim. Hydra imports it at every start, twice even: nothing heavy, no state."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

OFFICIAL = "hydra_plugins.hydra_optuna_sweeper"
NODE: dict[str, Any] = {
    "defaults": [{"sampler": "tpe"}],
    "_target_": "hydra_plugins.ratchet_sweeper.sweeper.RatchetSweeper",
    "sweeps": {},  # name: what ratchet.search.space.settings.SweepSettings takes
    # without sweeps: what hydra/sweeper=optuna takes, see ratchet.search.worker.official
    "params": None,
    "search_space": None,
    "custom_search_space": None,
    "direction": None,
    "n_trials": None,
    "n_jobs": None,
    "max_failure_rate": None,
    "study_name": None,
    "storage": None,
    "pruner": {"_target_": "optuna.pruners.MedianPruner"},  # of tasks that report
    "nested": False,  # each study in a directory of its own under hydra.sweep.dir
    "keep_returns": True,  # sweep() gives Hydra's JobReturn of each job
    "_recursive_": False,  # samplers and pruners are built where they are used
}
SAMPLERS = {  # hydra/sweeper/sampler: Optuna's class, and what a file for any version of the official plugin may set
    "tpe": "TPESampler consider_prior prior_weight consider_magic_clip consider_endpoints n_startup_trials "
    "n_ei_candidates multivariate group warn_independent_sampling constant_liar constraints_func",
    "random": "RandomSampler",
    "cmaes": "CmaEsSampler x0 sigma0 n_startup_trials independent_sampler warn_independent_sampling "
    "consider_pruned_trials restart_strategy popsize inc_popsize use_separable_cma with_margin lr_adapt source_trials",
    "nsgaii": "NSGAIISampler population_size mutation_prob mutation crossover crossover_prob swapping_prob "
    "constraints_func",
    "nsgaiii": "NSGAIIISampler population_size mutation_prob mutation crossover crossover_prob swapping_prob "
    "constraints_func reference_points dividing_parameter",
    "motpe": "MOTPESampler consider_prior prior_weight consider_magic_clip consider_endpoints n_startup_trials "
    "n_ehvi_candidates",
    "grid": "GridSampler",
    "gp": "GPSampler independent_sampler n_startup_trials deterministic_objective constraints_func "
    "warn_independent_sampling",
    "qmc": "QMCSampler qmc_type scramble independent_sampler warn_asynchronous_seeding warn_independent_sampling",
}


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ValueError:  # it is the stand-in below
        return False


def _store(group: str, name: str, node: dict[str, Any]) -> None:
    """Add an option that is not there: Hydra 1.4 minds being told twice."""
    store = ConfigStore.instance()
    try:
        known = store.list(group)
    except OSError:
        known = []
    if f"{name}.yaml" not in known:
        store.store(group=group, name=name, node=node, provider="ratchet")


IS_ALONE = not _is_installed(OFFICIAL)
_store("hydra/sweeper", "ratchet", NODE)
for _name, _said in SAMPLERS.items() if IS_ALONE else ():  # else these are the official plugin's
    _kind, *_keys = _said.split()
    _node = {"_target_": f"optuna.samplers.{_kind}", "_partial_": True, **dict.fromkeys(["seed", *_keys])}
    _store("hydra/sweeper/sampler", _name, _node)


class RatchetSweeper(Sweeper):
    """Optuna studies of one process per trial."""

    def __init__(self, **_: Any) -> None:
        """The settings are read in sweep(), as they are written in the config."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config

    def sweep(self, arguments: list[str]) -> Any:
        _require_ours()
        from ratchet.search.space.plan import FACTS, TaskFacts
        from ratchet.search.worker.sweeper import sweep_under_hydra

        assert self.config is not None
        return sweep_under_hydra(
            arguments,
            settings=settings_of(self.config.hydra.sweeper),
            task=self.task_function,
            context=self.hydra_context,
            master=self.config,
            facts=FACTS.get() or TaskFacts(),
        )


def settings_of(node: DictConfig) -> dict[str, Any]:
    """The settings of `hydra.sweeper`, resolved but for storages: their passwords are never part of a record.

    A file of somebody's own has not all of the keys of NODE.
    """
    from ratchet.config.environment import plain_with_references

    resolved: Any = OmegaConf.to_container(node, resolve=True)
    by_reference = plain_with_references(node)
    settings = {**NODE, **resolved, "storage": by_reference.get("storage")}
    for name, sweep in (settings["sweeps"] or {}).items():
        if isinstance(sweep, dict) and "storage" in sweep:
            sweep["storage"] = by_reference["sweeps"][name]["storage"]
    return settings


def _require_ours() -> None:
    """End with a line where `ratchet` is the package of that name which is not this project."""
    try:
        import ratchet

        if getattr(ratchet, "DISTRIBUTION", None) == "ratchet-ml":
            return
        found = ratchet.__file__
    except Exception as error:  # noqa: BLE001 - whatever a foreign package raises
        found = str(error)
    print(
        f"error: hydra/sweeper=ratchet needs the package ratchet of ratchet-ml, here is another one ({found}); "
        "type: pip uninstall ratchet ratchet-ml, and install ratchet-ml again",
        file=sys.stderr,
    )
    raise SystemExit(1)


if IS_ALONE:

    class OptunaSweeper(RatchetSweeper):
        """What a file that names the official plugin's class gets where that is not installed."""

    OptunaSweeper.__module__ = f"{OFFICIAL}.optuna_sweeper"  # Hydra registers plugins by it, and imports them
    for _module in (OFFICIAL, OptunaSweeper.__module__):
        sys.modules[_module] = ModuleType(_module)
    vars(sys.modules[OptunaSweeper.__module__])["OptunaSweeper"] = OptunaSweeper
