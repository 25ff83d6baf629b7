"""The config of each job: Hydra composes every combination of options once, values are then set on a copy."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType, ValueType
from omegaconf import DictConfig, OmegaConf

from ratchet.compat.hydra import apply_overrides
from ratchet.compat.omegaconf import copied, raw, set_number, set_raw

_NUMBER = re.compile(r"([A-Za-z_][A-Za-z0-9_.]*)=(-?[0-9][0-9.e+-]*)")


class Composer:
    """What Hydra's load_sweep_config gives, 20 times as fast where only values differ."""

    def __init__(self, config_loader: Any, master: DictConfig) -> None:
        self._loader = config_loader
        self._master = master
        self._parser = OverridesParser.create(config_loader=config_loader)
        self._parsed = lru_cache(1024)(self._parse)
        self._looked_at = lru_cache(256)(self._task_config)
        self._is_group = lru_cache(1024)(self._loader.repository.group_exists)
        self._composed: dict[tuple[tuple[str, ...], int], DictConfig] = {}
        self.notes: list[str] = []  # what a loader that has an opinion left out of a config

    def compose(self, overrides: Sequence[str], *, number: int = 0, directory: str | None = None) -> DictConfig:
        """The config of one job, with its `hydra` node. Raises what Hydra raises."""
        parsed = [self._parsed(text) for text in overrides]
        values = [override for override in parsed if self._sets_a_value(override)]
        groups = tuple(str(override.input_line) for override in parsed if override not in values)
        task = [override for override in parsed if not override.is_hydra_override()]
        known = groups, len(task)
        if known not in self._composed:
            composed = self._loader.load_sweep_config(self._master, list(groups))
            self.notes += [line for line in getattr(self._loader, "left_out", ()) if line not in self.notes]
            OmegaConf.set_struct(composed, True)
            OmegaConf.set_readonly(composed, False)
            composed.hydra.overrides.task = [""] * len(task)  # the places of what each job is called
            self._composed[known] = composed
        config: DictConfig = copied(self._composed[known])
        for override in values:
            if not _is_set_in_place(override, config):
                apply_overrides([override], config)
        self._name(config, task, number=number, directory=directory)
        return config

    def task(self, overrides: Sequence[str]) -> DictConfig:
        """What the task sees of a config, to look at: of two looks the second one is free. Raises what Hydra raises."""
        return self._looked_at(tuple(overrides))

    def _task_config(self, overrides: tuple[str, ...]) -> DictConfig:
        config = task_config(self.compose(overrides))
        OmegaConf.set_readonly(config, True)
        return config

    def _sets_a_value(self, override: Override) -> bool:
        """Options come through the defaults list; so does what deletes from it, and Hydra's own settings."""
        if override.is_hydra_override() or override.package is not None:
            return False
        return isinstance(override.value(), dict) or not self._is_group(override.key_or_group)

    def _parse(self, text: str) -> Override:
        """Parse an override by Hydra's grammar, but a plain number, what most trials differ in, without it."""
        found = _NUMBER.fullmatch(text)
        number = _number(found[2]) if found else None
        if found is None or number is None:
            return self._parser.parse_overrides([text])[0]
        override = Override(OverrideType.CHANGE, found[1], ValueType.ELEMENT, number, input_line=text)
        override.config_loader = self._loader
        return override

    def choices(self, overrides: Sequence[str]) -> dict[str, str]:
        """The option that is chosen for each group."""
        chosen = OmegaConf.to_container(self.compose(overrides).hydra.runtime.choices)
        assert isinstance(chosen, dict)
        return {str(group): str(option) for group, option in chosen.items() if option is not None}

    def _name(self, config: DictConfig, task: list[Override], *, number: int, directory: str | None) -> None:
        """Write the job's names into the existing nodes of `hydra`: setting keys takes three times as long."""
        hydra = config.hydra
        job, listed = hydra.job, hydra.overrides.task
        for place, override in enumerate(task):
            set_raw(listed, place, str(override.input_line))
        if not OmegaConf.is_interpolation(job, "override_dirname"):  # as it is since Hydra 1.4
            set_raw(job, "override_dirname", _dirname(task, job.config.override_dirname))
        set_raw(job, "id", str(number))
        set_raw(job, "num", number)
        if raw(hydra.sweep, "subdir") == "${hydra.job.num}":  # the usual one is not parsed for each job
            set_raw(hydra.sweep, "subdir", str(number))
        if directory is not None:
            set_raw(hydra.sweep, "dir", directory)
        OmegaConf.copy_cache(from_config=self._master, to_config=config)


def _is_set_in_place(override: Override, config: DictConfig) -> bool:
    """Set a number where there is a value of no declared type: what most overrides are. Returns whether it was one."""
    value = override.value()
    if override.type != OverrideType.CHANGE or type(value) not in {int, float}:
        return False
    return set_number(config, override.key_or_group.split("."), value)


def _number(text: str) -> float | None:
    """What Python writes as `text`; None for anything else."""
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        if repr(number) == text:
            return number
    return None


def task_config(config: DictConfig) -> DictConfig:
    """What the task sees: everything but Hydra's own node."""
    return OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])


def _dirname(overrides: list[Override], style: Any) -> str:
    """What hydra.job.override_dirname is: the sorted overrides, in the `style` of hydra.job.config.override_dirname."""
    lines = sorted(str(each.input_line) for each in overrides if each.key_or_group not in style.exclude_keys)
    return str(style.item_sep).join(lines).replace("=", style.kv_sep)
