"""A plain config looked at by dotted keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def exists(config: Any, key: str) -> bool:
    """Whether the config has the dotted key."""
    parent, _, leaf = key.rpartition(".")
    return leaf in children(config, parent)


def children(config: Any, key: str) -> list[str]:
    """The keys directly below a dotted key; none where there is no mapping."""
    node = value_at(config, key)
    return [str(name) for name in node] if isinstance(node, dict) else []


def value_at(config: Any, key: str) -> Any:
    """The value at a dotted key, through mappings and lists; None where there is none."""
    for part in filter(None, key.split(".")):
        if isinstance(config, list) and part.isdecimal() and int(part) < len(config):
            config = config[int(part)]
        else:
            config = config.get(part) if isinstance(config, dict) else None
    return config


def paths(config: Any, prefix: str = "") -> Iterator[str]:
    """Yield every dotted key of a nested mapping."""
    if isinstance(config, dict):
        for name, value in config.items():
            yield f"{prefix}{name}"
            yield from paths(value, f"{prefix}{name}.")


def leaves(config: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and values; lists and empty mappings are values."""
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
