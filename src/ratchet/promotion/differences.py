"""In what two configs differ, by dotted keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

ABSENT = "absent"


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Each dotted key whose value differs: (before, now), ABSENT where there is none."""
    was, is_now = dict(leaves(before)), dict(leaves(now))
    keys = dict.fromkeys([*was, *is_now])
    pairs = {key: (was.get(key, ABSENT), is_now.get(key, ABSENT)) for key in keys}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def leaves(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and values; lists and empty mappings are values."""
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
