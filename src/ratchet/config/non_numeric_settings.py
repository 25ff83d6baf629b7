"""Settings that change no number: the one list that everything which compares configs goes by."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import cache
from typing import Any

# a section stands for all that is in it; of the data set's sources checksums fix the files
NON_NUMERIC_SETTINGS = ("logger", "evaluation", "data.sources", "trainer.progress", "trainer.profile")


@cache
def is_non_numeric(key: str) -> bool:
    """Whether a dotted key is on the list, or inside of what is."""
    return any(key == each or key.startswith(f"{each}.") for each in NON_NUMERIC_SETTINGS)


def without_non_numeric(plain: Mapping[str, Any]) -> dict[str, Any]:
    """A plain config without them."""
    kept = copy.deepcopy(dict(plain))
    for key in NON_NUMERIC_SETTINGS:
        section, _, leaf = key.partition(".")
        (kept[section] if leaf else kept).pop(leaf or section, None)
    return kept


def only_non_numeric(plain: Mapping[str, Any]) -> dict[str, Any]:
    """A plain config with nothing but them."""
    kept: dict[str, Any] = {}
    for key in NON_NUMERIC_SETTINGS:
        section, _, leaf = key.partition(".")
        if leaf:
            kept.setdefault(section, {})[leaf] = plain[section][leaf]
        else:
            kept[section] = plain[section]
    return kept


def with_non_numeric_of(plain: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """A plain config with those of another one. Raises KeyError and TypeError where one of them is no whole config."""
    made = without_non_numeric(plain)
    for section, values in only_non_numeric(other).items():
        made[section] = values if section in NON_NUMERIC_SETTINGS else {**made[section], **values}
    return made
