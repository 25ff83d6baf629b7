"""Differences between two configs, by dotted keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ratchet.config.tree import leaves

ABSENT = "absent"


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Each dotted key whose value differs: (before, now), ABSENT where there is none."""
    was, is_now = dict(leaves(before)), dict(leaves(now))
    keys = dict.fromkeys([*was, *is_now])
    pairs = {key: (was.get(key, ABSENT), is_now.get(key, ABSENT)) for key in keys}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}
