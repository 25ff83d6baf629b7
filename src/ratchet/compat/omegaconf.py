"""What Ratchet needs of OmegaConf beyond its public interface: a sweep's jobs in 1 ms each instead of 10."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from omegaconf import AnyNode, DictConfig, Node


def copied(node: Node, parent: Node | None = None) -> Any:
    """Copy a config so that it shares no node with it: a third of the time of pickle's, a tenth of deepcopy's."""
    made = object.__new__(type(node))
    state = made.__dict__
    state.update(node.__dict__)
    state["_parent"], state["_flags_cache"] = parent, None
    metadata = object.__new__(type(node._metadata))
    described = metadata.__dict__
    described.update(node._metadata.__dict__)
    described["flags"] = dict(described["flags"] or {})
    if parent is None:
        described["resolver_cache"] = defaultdict(dict)
    state["_metadata"] = metadata
    content = state.get("_content")
    if content is None:  # of most nodes, whose value needs no copy
        return made
    if isinstance(content, dict):
        state["_content"] = {key: copied(child, made) for key, child in content.items()}
    elif isinstance(content, list):
        state["_content"] = [copied(child, made) for child in content]
    elif isinstance(content, Node):
        state["_content"] = copied(content, made)
    return made


def set_number(config: DictConfig, keys: Sequence[str], value: Any) -> bool:
    """Set a number where there is a value of no declared type. Returns whether there was one."""
    node: Any = config
    for key in keys:
        content = node.__dict__["_content"] if isinstance(node, DictConfig) else None
        node = content.get(key) if isinstance(content, dict) else None
    if type(node) is not AnyNode or node._get_flag("readonly"):
        return False
    node._set_value(value)
    return True


def set_raw(container: Any, key: Any, value: object) -> None:
    """Set the value of an existing node: setting a key takes three times as long."""
    container._get_node(key)._set_value(value)


def raw(container: Any, key: Any) -> object:
    """Return the value of a node as it is written, interpolations as text."""
    return container._get_node(key)._value()


def taken_out(config: DictConfig, key: str) -> DictConfig:
    """Take the node `key` out of a config. Returns a config that has it, and shares all other nodes."""
    whole = DictConfig({}, flags=dict(config._metadata.flags or {}))
    content = config.__dict__["_content"]
    whole.__dict__["_content"].update(content)
    content.pop(key)._set_parent(whole)
    return whole
