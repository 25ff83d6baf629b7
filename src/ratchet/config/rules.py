"""What the schema allows at a place of the config, in words."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.errors import PydanticUserError

from ratchet.config.schema import Config
from ratchet.config.tables import SECTIONS
from ratchet.names import nearest

_Node = dict[str, Any]


def rule_at(path: Sequence[str | int], plain: Any, *, of: type[BaseModel] = Config) -> str:
    """What is allowed at `path`, such as `a number greater than 0`. `plain` says which of several sections is meant."""
    return _words(_node_at(path, plain, of))


def keys_at(path: Sequence[str | int], plain: Any, *, of: type[BaseModel] = Config) -> list[str]:
    """The keys that the section at `path` may have."""
    return list(_node_at(path, plain, of).get("properties", {}))


def example_at(path: Sequence[str | int], plain: Any, *, of: type[BaseModel] = Config) -> Any:
    """A value that is allowed at `path`; None where null is, or where no example is known."""
    return _example(_node_at(path, plain, of))


def meant_at(path: Sequence[str | int], plain: Any, got: Any) -> Any:
    """What may have been meant by a wrong value at `path`: a list of it, or the choice that it is like; else None."""
    node = _node_at(path, plain, Config)
    for each in node.get("anyOf", [node]):
        if each.get("type") == "array" and isinstance(got, str | int | float):
            return [got]
        if near := nearest(str(got), map(str, each.get("enum", ()))):
            return near[0]
    return None


def example_of(kind: Any) -> Any:
    """A value of a type, in the same way."""
    try:
        return _example(_without_references(TypeAdapter(kind).json_schema()))
    except PydanticUserError:
        return None


def rule_of(kind: Any) -> str:
    """What a type allows, in the same words; its name where a config cannot hold such values."""
    try:
        return _words(_without_references(TypeAdapter(kind).json_schema()))
    except PydanticUserError:
        return getattr(kind, "__name__", str(kind))


@cache
def _schema(of: type[BaseModel]) -> _Node:
    return _without_references(of.model_json_schema(by_alias=True))


def _without_references(schema: _Node) -> _Node:
    """Every reference replaced by what it refers to."""
    sections = schema.get("$defs", {})

    def followed(node: Any) -> Any:
        if isinstance(node, str) and node.startswith("#/$defs/"):
            return followed(sections[node.rpartition("/")[2]])
        if isinstance(node, list):
            return [followed(each) for each in node]
        if isinstance(node, dict):
            whole = {key: followed(value) for key, value in node.items() if key != "$defs"}
            return whole.get("$ref", whole)
        return node

    found: _Node = followed(schema)
    return found


def _node_at(path: Sequence[str | int], plain: Any, of: type[BaseModel]) -> _Node:
    node = _schema(of)
    for part in path:
        node = _inside(node, part)
        plain = plain[part] if _has(plain, part) else None
        node = _chosen(node, plain)
    return node


def _has(plain: Any, part: str | int) -> bool:
    return part in plain if isinstance(plain, dict) else isinstance(plain, list) and isinstance(part, int)


def _inside(node: _Node, part: str | int) -> _Node:
    if part == node.get("discriminator", {}).get("propertyName"):
        return {"enum": list(node["discriminator"]["mapping"])}
    for option in SECTIONS:  # where what is said of a table or a folder stands once it is completed
        within = _chosen(node.get("properties", {}).get(option, {}), {})
        if part not in node.get("properties", {}) and part in within.get("properties", {}):
            node = within
    others = node.get("additionalProperties")
    unnamed = others if isinstance(others, dict) else {}
    if isinstance(part, int):
        node = next((each for each in node.get("anyOf", []) if "items" in each), node)
    found: _Node = node.get("items", {}) if isinstance(part, int) else node.get("properties", {}).get(part, unnamed)
    return found


def _chosen(node: _Node, plain: Any) -> _Node:
    """Return the section of a union that the value's tag names, or the only section there is."""
    if "discriminator" in node and isinstance(plain, dict):
        found: _Node = node["discriminator"]["mapping"].get(plain.get(node["discriminator"]["propertyName"]), node)
        return found
    sections = [each for each in node.get("anyOf", []) if "properties" in each]
    return sections[0] if sections and isinstance(plain, dict) else node


def _words(node: _Node) -> str:
    if "anyOf" in node:
        return ", or ".join(map(_words, node["anyOf"]))
    if "discriminator" in node:
        key, mapping = node["discriminator"]["propertyName"], node["discriminator"]["mapping"]
        return f"a mapping whose {key} is one of {', '.join(mapping)}"
    if "enum" in node:
        return f"one of {', '.join(map(str, node['enum']))}"
    if "const" in node:
        return str(node["const"])
    if "properties" in node:
        return f"a mapping of {', '.join(node['properties'])}"
    return _plain_words(node)


def _example(node: _Node) -> Any:  # noqa: PLR0911 - one for each kind of rule
    if "anyOf" in node:
        return _example(node["anyOf"][0])
    if "enum" in node or "const" in node:
        return node["enum"][0] if "enum" in node else node["const"]
    if "properties" in node:
        required = {key: _example(node["properties"][key]) for key in node.get("required", [])}
        return None if None in required.values() else required
    kind = node.get("type")
    if kind == "array":
        items = [_example(node.get("items", {}))] * max(1, node.get("minItems", 1))
        return None if None in items else items
    if kind == "integer":
        return node["exclusiveMinimum"] + 1 if "exclusiveMinimum" in node else node.get("minimum", 1)
    if kind == "number":
        low, high = (node.get(name, node.get(f"exclusive{name.capitalize()}")) for name in ("minimum", "maximum"))
        if low is None or high is None:
            return low if "minimum" in node else 0.01
        return 0.01 if low < 0.01 < high else (low + high) / 2
    return {"boolean": True, "string": "a-name"}.get(str(kind))


def _plain_words(node: _Node) -> str:
    kind = node.get("type")
    if "words" in node:
        return str(node["words"])
    if kind == "array":
        at_least = f" (at least {node['minItems']})" if "minItems" in node else ""
        return f"a list, each item {_words(node.get('items', {}))}{at_least}"
    if kind == "string":
        most = f", of at most {node['maxLength']} characters" if "maxLength" in node else ""
        return (f"text of the form {node['pattern']}" if "pattern" in node else "text") + most
    if kind == "integer":
        lowest = node["exclusiveMinimum"] + 1 if "exclusiveMinimum" in node else node.get("minimum")
        return "a whole number" + (f", {lowest} or more" if lowest is not None else "")
    if kind == "number":
        return f"a number{_range(node)}"
    if isinstance(others := node.get("additionalProperties"), dict):
        kind = f"a mapping of names, each to {_words(others)}"
    return {"boolean": "true or false", "null": "null", "object": "a mapping"}.get(str(kind), str(kind or "a value"))


def _range(node: _Node) -> str:
    if "minimum" in node and "maximum" in node:
        return f" from {node['minimum']:g} to {node['maximum']:g}"
    low = f"{node['minimum']:g} or more" if "minimum" in node else ""
    low = f"greater than {node['exclusiveMinimum']:g}" if "exclusiveMinimum" in node else low
    high = f"{node['maximum']:g} or less" if "maximum" in node else ""
    high = f"less than {node['exclusiveMaximum']:g}" if "exclusiveMaximum" in node else high
    bounds = " and ".join(filter(None, (low, high)))
    return f" {bounds}" if low.startswith("g") or (not low and high) else f", {bounds}" if bounds else ""
