"""Samplers and pruners by `_target_`, and whether they can do what a sweep asks."""

from __future__ import annotations

import inspect
import random
import re
import warnings
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import optuna
from hydra.errors import HydraException
from hydra.utils import get_class, instantiate
from optuna.distributions import CategoricalDistribution
from optuna.pruners import BasePruner, NopPruner, WilcoxonPruner
from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, GridSampler, QMCSampler, TPESampler

from ratchet.config.hints import to_type
from ratchet.errors import ConfigError, first_line
from ratchet.search.space.settings import SweepSettings
from ratchet.search.space.space import SearchSpace

# what a sweep's settings may call: a file of sweeps/ or a command line may come from anywhere
_CALLABLE = re.compile(
    r"optuna\.(samplers|pruners)(\.nsgaii)?\.[A-Z]\w*|ratchet\.search\.(halving|auto_sampler)\.[A-Z]\w*|own(\.\w+)+"
)
_USUAL = {"sampler": "sweep/sampler=tpe", "pruner": "sweep/pruner=none"}
_NEEDED = {"CmaEsSampler": ("cmaes",), "GPSampler": ("torch", "scipy"), "QMCSampler": ("scipy",)}
_ONE_SPACE = (GPSampler, CmaEsSampler, QMCSampler)  # they model one space, the same for every trial


def build_sampler(settings: SweepSettings, *, salt: str) -> BaseSampler:
    """The sampler, seeded. `salt` tells apart workers, and a resumed worker from what it was before.

    Two workers with one seed would suggest the same values; a quasi-random sequence is one only if all share its seed.
    """
    wanted = dict(settings.sampler)
    kind = _class(wanted, "sampler", BaseSampler)
    if kind is GridSampler:
        return optuna.samplers.RandomSampler(settings.seed)  # its cells are the study's: nothing is sampled
    if "seed" in inspect.signature(kind).parameters and wanted.get("seed") is None:
        shared = issubclass(kind, QMCSampler)
        wanted["seed"] = random.Random(f"{settings.seed}" if shared else f"{settings.seed} {salt}").randrange(2**31)
    built = _build(wanted, "sampler")
    assert isinstance(built, BaseSampler)
    return built


def build_pruner(settings: SweepSettings, *, objectives: int) -> BasePruner:
    """The pruner; one that never prunes where none is asked for, or no single number says what is better."""
    if settings.pruner is None or objectives > 1:
        return NopPruner()
    _class(settings.pruner, "pruner", BasePruner)
    built = _build(settings.pruner, "pruner")
    assert isinstance(built, BasePruner)
    return built


def is_grid(settings: SweepSettings) -> bool:
    """Whether every cell of the space is to be run, rather than some be sampled."""
    return _class(settings.sampler, "sampler", BaseSampler) is GridSampler


def check_sampler(settings: SweepSettings, space: SearchSpace, *, objectives: int) -> list[str]:
    """Raises ConfigError for what the sampler or the pruner cannot do. Returns notes for a person."""
    kind = _class(settings.sampler, "sampler", BaseSampler)
    name, notes = kind.__name__, []
    if issubclass(kind, _ONE_SPACE) and space.is_conditional:
        groups = sorted(dimension.key for dimension in space.common if dimension.key in space.options)
        raise ConfigError(
            f"{name} cannot search a conditional space, and {groups[0]} decides here what else varies; "
            f"type: sweep/sampler=tpe, or fix it: {_fixed(groups[0], space)}"
        )
    choices = [
        dimension.key for dimension in space.everything() if isinstance(dimension.distribution, CategoricalDistribution)
    ]
    if issubclass(kind, CmaEsSampler) and choices:
        raise ConfigError(
            f"{name} knows numbers alone, and {choices[0]} is a choice; "
            f"type: sweep/sampler=tpe, or fix it: {_fixed(choices[0], space)}"
        )
    if issubclass(kind, CmaEsSampler) and objectives > 1:
        raise ConfigError(f"{name} has one objective, got {objectives}; type: sweep/sampler=nsga2")
    if issubclass(kind, TPESampler) and space.is_conditional and not settings.sampler.get("group"):
        notes.append("TPE samples a conditional space key by key unless told; type: sweep.sampler.group=true")
    for package in _NEEDED.get(name, ()):
        if find_spec(package) is None:
            raise ConfigError(f"{name} needs the package {package}; type: pip install {package}, or sweep/sampler=tpe")
    if objectives > 1 and not isinstance(build_pruner(settings, objectives=1), NopPruner):
        raise ConfigError(f"a pruner judges one objective, here are {objectives}; type: sweep/pruner=none")
    if settings.pruner is not None:
        _check_pruner(settings)
    build_sampler(settings, salt="")
    build_pruner(settings, objectives=objectives)
    return notes


def _fixed(key: str, space: SearchSpace) -> str:
    """A choice of the space as one value."""
    dimension = next(each for each in space.everything() if each.key == key)
    return to_type(dimension.override(dimension.ends()[0]))


def _check_pruner(settings: SweepSettings) -> None:
    assert settings.pruner is not None
    kind = _class(settings.pruner, "pruner", BasePruner)
    if issubclass(kind, WilcoxonPruner) and settings.repeats == 1:
        raise ConfigError(
            "WilcoxonPruner compares repeats of a configuration, and there is one of each; "
            "type: sweep.repeats=5, or sweep/pruner=halving"
        )


def _require_ours(settings: Any, what: str) -> None:
    """Raises ConfigError for a `_target_`, however deep, that is no sampler or pruner class: it would be called."""
    inner = settings.values() if isinstance(settings, Mapping) else settings if isinstance(settings, list) else ()
    for each in inner:
        _require_ours(each, what)
    target = settings.get("_target_") if isinstance(settings, Mapping) else None
    if target is not None and not _CALLABLE.fullmatch(str(target)):
        raise ConfigError(
            f"sweep.{what} names _target_={target}, which is not called; allowed: classes of optuna.samplers and "
            f"optuna.pruners, or your own in src/own; type: {_USUAL[what]}, options are in sweeps/{what}/"
        )


def _class(wanted: Mapping[str, Any], what: str, base: type) -> type:
    _require_ours(wanted, what)
    target = wanted.get("_target_")
    try:
        kind = get_class(str(target))
    except (HydraException, ImportError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"sweep.{what}._target_={target} cannot be imported; allowed: the dotted path of an Optuna {what}; "
            f"type: {_USUAL[what]}, options are in sweeps/{what}/"
        ) from error
    if not (isinstance(kind, type) and issubclass(kind, base)):
        raise ConfigError(f"sweep.{what}._target_={target} is no Optuna {what}; type: {_USUAL[what]}")
    return kind


def arguments_of(wanted: Mapping[str, Any], what: str) -> list[str]:
    """What a sampler or a pruner takes. Raises ConfigError for what is none, before it is imported."""
    return list(inspect.signature(_class(wanted, what, BaseSampler if what == "sampler" else BasePruner)).parameters)


def _build(wanted: Mapping[str, Any], what: str) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that an argument is experimental is for sweeps/ to weigh
            return instantiate(dict(wanted))
    except (HydraException, ImportError, ValueError, TypeError) as error:
        cause = error.__cause__ or error
        said = f"sweep.{what} ({wanted.get('_target_')}): {first_line(cause)}"
        raise ConfigError(f"{said}; mend sweep.{what}.<argument>") from error
