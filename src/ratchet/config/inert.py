"""Settings that change no number: the one list that everything which compares configs goes by."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import cache
from typing import Any

# a section stands for all that is in it; of the data set's sources checksums fix the files
INERT = ("logger", "evaluation", "data.sources", "trainer.progress", "trainer.profile")


@cache
def is_inert(key: str) -> bool:
    """Whether a dotted key is on the list, or inside of what is."""
    return any(key == each or key.startswith(f"{each}.") for each in INERT)


def without_inert(plain: Mapping[str, Any]) -> dict[str, Any]:
    """A plain config without them."""
    kept = copy.deepcopy(dict(plain))
    for key in INERT:
        section, _, leaf = key.partition(".")
        (kept[section] if leaf else kept).pop(leaf or section, None)
    return kept


def only_inert(plain: Mapping[str, Any]) -> dict[str, Any]:
    """A plain config with nothing but them."""
    kept: dict[str, Any] = {}
    for key in INERT:
        section, _, leaf = key.partition(".")
        if leaf:
            kept.setdefault(section, {})[leaf] = plain[section][leaf]
        else:
            kept[section] = plain[section]
    return kept


def with_inert_of(plain: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """A plain config with those of another one. Raises KeyError and TypeError where one of them is no whole config."""
    made = without_inert(plain)
    for section, values in only_inert(other).items():
        made[section] = values if section in INERT else {**made[section], **values}
    return made
