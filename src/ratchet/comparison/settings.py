"""Runs as settings: runs that differ in the seed alone are one setting, whose seeds are its repeats."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ratchet.comparison.gather import Run
from ratchet.config.inert import is_inert
from ratchet.config.seeds import is_audit

_ALL_ONE = {"seed", "objective.metric", "objective.direction", "trainer.threads"}  # makes no rows apart


@dataclass(frozen=True)
class Setting:
    """Runs that differ in nothing but their seed, oldest first."""

    config: Mapping[str, Any]  # what makes the difference
    runs: tuple[Run, ...]
    values: Mapping[int, float]  # of finished runs: {seed: value}; of one seed twice, the newest
    repeated: int = 0  # finished runs whose seed ran again later
    set_aside: int = 0  # finished runs by which a champion was chosen, where there are audits of it

    @property
    def mean(self) -> float:
        """Over seeds. Only where there are values."""
        return statistics.fmean(self.values.values())

    @property
    def studies(self) -> tuple[str, ...]:
        """Whose trials these are."""
        return tuple(dict.fromkeys(run.study for run in self.runs if run.study is not None))

    @property
    def beyond(self) -> str:
        """Why its study does not call it best; empty where nothing is against it."""
        return next((run.beyond for run in self.runs if run.beyond), "") if self.searched else ""

    @property
    def searched(self) -> bool:
        """Whether a search proposed it and measured it: its value took part in choosing it."""
        return all(run.searched for run in self.runs)


def settings_of(runs: Iterable[Run], values: Mapping[Run, float | None]) -> list[Setting]:
    """The settings of runs of one data set. `values` has the metric of each run."""
    together: dict[Any, list[Run]] = {}
    configs: dict[Any, Mapping[str, Any]] = {}
    for run in runs:
        config = what_matters(run.config)
        # what a search has measured and a repeat outside it are different evidence
        study = run.study if run.searched else None
        items = frozenset(config.items())
        key = (study, items) if run.record is not None else run.id
        configs[key] = config
        together.setdefault(key, []).append(run)
    return [_setting(configs[key], found, values) for key, found in together.items()]


def _setting(config: Mapping[str, Any], runs: Sequence[Run], values: Mapping[Run, float | None]) -> Setting:
    """Of a champion the audits count: its values in screen and gate made it one, and the pipeline's run is a repeat."""
    measured = [
        (run.record.seed, value) for run in runs if run.finished and run.record and (value := values[run]) is not None
    ]
    counted = [each for each in measured if is_audit(each[0])] or measured
    by_seed = dict(counted)
    return Setting(config, tuple(runs), by_seed, len(counted) - len(by_seed), len(measured) - len(counted))


def what_matters(config: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a config that changes a number, without the seed."""
    return {key: value for key, value in config.items() if key not in _ALL_ONE and not is_inert(key)}


def differing(configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The keys that do not have one value throughout, in the configs' order. A missing key counts as a value."""
    keys = dict.fromkeys(key for config in configs for key in config)
    absent = object()
    return [key for key in keys if len({config.get(key, absent) for config in configs}) > 1]


def labels(configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """A name for each config: its model, and what tells it from the others of this model."""
    models = [str(config.get("model.name", "")) for config in configs]
    several = len(set(models)) > 1
    made = [""] * len(configs)
    for model in dict.fromkeys(models):
        places = [place for place, name in enumerate(models) if name == model]
        keys = [key for key in differing([configs[place] for place in places]) if key != "model.name"]
        for place in places:
            told = _told(configs[place], keys)
            made[place] = " ".join(filter(None, [model if several or not told else "", told])) or "run"
    return _distinct(made)


def _told(config: Mapping[str, Any], keys: Sequence[str]) -> str:
    leaves = [key.rpartition(".")[2] for key in keys]
    parts = []
    for key, leaf in zip(keys, leaves, strict=True):
        if key in config:
            name = leaf if leaves.count(leaf) == 1 and leaf not in {"name", "_target_"} else key
            parts.append(f"{name.removesuffix('._target_').removesuffix('.name')}={_written(config[key])}")
    shown = parts if len(parts) <= 4 else [*parts[:3], f"and {len(parts) - 3} more"]
    return " ".join(shown)


def _distinct(names: Sequence[str]) -> list[str]:
    """Of equal names the second gets #2, and so on."""
    seen: dict[str, int] = {}
    made = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        made.append(name if seen[name] == 1 else f"{name} #{seen[name]}")
    return made


def _written(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, str):
        return value.rpartition(".")[2] if value.startswith(("torch.", "ratchet.", "own.")) else value
    return json.dumps(value) if isinstance(value, tuple) else str(value)
