"""Runs as settings: runs that differ in the seed alone are one setting, whose seeds are its repeats."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ratchet.comparison.gather import Run
from ratchet.config.non_numeric_settings import is_non_numeric
from ratchet.config.seeds import is_audit
from ratchet.yaml_files import flow

# Makes no rows apart: threads add in another order, which is chance as a seed is. An objective is no such key: it
# decides which checkpoint is kept, when training stops and when a rate falls.
_ALL_ONE = {"seed", "trainer.threads"}
_OF_DATA = ("data.files", "data.table")  # the rows of a table are of arrays with one hash

_SECTIONS = ("model", "optimizer", "scheduler", "augmentation", "loss", "trainer", "objective")  # as people ask
_EARLY = ("optimizer.lr", "optimizer.weight_decay", "trainer.batch_size", "trainer.max_epochs")
_LONGEST = 60  # characters of a row's name
_LONGEST_VALUE = 24


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
    """Make a setting of its runs. A champion's audits alone count: its values in screen and gate made it one."""
    measured = [
        (run.record.seed, value) for run in runs if run.finished and run.record and (value := values[run]) is not None
    ]
    counted = [each for each in measured if is_audit(each[0])] or measured
    by_seed = dict(counted)
    return Setting(config, tuple(runs), by_seed, len(counted) - len(by_seed), len(measured) - len(counted))


def what_matters(config: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a config that changes a number, without the seed."""
    return {
        key: value
        for key, value in config.items()
        if key not in _ALL_ONE and not key.startswith(_OF_DATA) and not is_non_numeric(key)
    }


def differing(configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The keys that do not have one value throughout, in the configs' order. A missing key counts as a value."""
    keys = dict.fromkeys(key for config in configs for key in config)
    absent = object()
    return [key for key in keys if len({config.get(key, absent) for config in configs}) > 1]


def written_out(config: Mapping[str, Any], keys: Iterable[str]) -> str:
    """The values of those of the keys that a config has, in full."""
    return " ".join(f"{key}={flow(config[key])}" for key in keys if key in config) or "as usual"


def labels(configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """A short name for each config: its model, and what tells it from the others of this model.

    What people ask for first stands first: which optimizer and schedule, then the rates, then the rest.
    """
    models = [str(config.get("model.name", "")) for config in configs]
    several = len(set(models)) > 1
    made = [""] * len(configs)
    for model in dict.fromkeys(models):
        places = [place for place, name in enumerate(models) if name == model]
        keys = _telling([configs[place] for place in places])
        for place in places:
            told = _told(configs[place], keys, room=_LONGEST - len(model) - 1)
            made[place] = " ".join(filter(None, [model if several or not told else "", told])) or "run"
    return distinct(made)


def _telling(configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The keys in which configs of one model differ, but for those that follow from another one of them.

    Options of a group (two optimizers) have settings of their own: those tell configs apart that chose the same one.
    """
    found = []
    for key in differing(configs):
        option = _option_of(key, configs)
        if key in ("model.name", "model._target_") or (key == "objective.direction" and "objective.metric" in found):
            continue
        alike: dict[Any, list[Mapping[str, Any]]] = {}
        for config in configs:
            alike.setdefault(None if key == option else config.get(option), []).append(config)
        if any(differing([{key: each.get(key)} for each in group]) for group in alike.values()):
            found.append(key)
    return sorted(found, key=_asked)


def _option_of(key: str, configs: Sequence[Mapping[str, Any]]) -> str:
    """The key that says which option of the key's group was chosen; empty where the group has none."""
    section = key.partition(".")[0]
    names = (f"{section}.name", f"{section}._target_")
    return next((name for name in names if any(name in config for config in configs)), "")


def _asked(key: str) -> tuple[int, int]:
    """Return where a key stands in a name: options of groups come first."""
    section, _, leaf = key.partition(".")
    place = _SECTIONS.index(section) if section in _SECTIONS else len(_SECTIONS)
    return (0 if leaf in {"name", "_target_"} else 1 if key in _EARLY else 2), place


def _told(config: Mapping[str, Any], keys: Sequence[str], *, room: int) -> str:
    leaves = [key.rpartition(".")[2] for key in keys]
    parts = []
    for key, leaf in zip(keys, leaves, strict=True):
        if key in config:
            name = leaf if leaves.count(leaf) == 1 and leaf not in {"name", "_target_"} else key
            parts.append(f"{name.removesuffix('._target_').removesuffix('.name')}={written(config[key], key)}")
    kept = len(parts)
    while kept > 1 and len(_some_of(parts, kept)) > room:
        kept -= 1
    return _some_of(parts, kept)


def _some_of(parts: Sequence[str], kept: int) -> str:
    return " ".join([*parts[:kept], *([f"and {len(parts) - kept} more"] if kept < len(parts) else [])])


def distinct(names: Sequence[str]) -> list[str]:
    """Tell equal names apart: the second gets #2, and so on."""
    seen: dict[str, int] = {}
    made = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        made.append(name if seen[name] == 1 else f"{name} #{seen[name]}")
    return made


def written(value: Any, key: str) -> str:
    """The value of a key of the config in a few characters."""
    if value is None or isinstance(value, bool):
        return str(value).lower() if value is not None else "usual" if key.endswith("._target_") else "none"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, str) and value.startswith(("torch.", "ratchet.", "own.")):
        value = value.rpartition(".")[2]
    text = json.dumps(value) if isinstance(value, tuple) else str(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"
