"""Thousands of config.yaml, read quickly: runs of one project repeat each other, so each piece is parsed once.

A block mapping falls apart at the lines of its own indentation; every piece is a mapping of one key. PyYAML parses the
pieces, but for plain decimal numbers, which every config has others of.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from ratchet.config.tree import leaves
from ratchet.errors import first_line
from ratchet.files import read_text
from ratchet.yaml_files import parse_yaml

_NUMBER = re.compile(r"([A-Za-z_]\w*): (-?(?:0|[1-9]\d*))(\.\d+(?:e[-+]\d+)?)?")


def read_flat(path: Path) -> dict[str, Any]:
    """A config as dotted keys; lists are tuples. Raises ValueError for what is no mapping, OSError as reading does."""
    flat: dict[str, Any] = {}
    for piece in _pieces(read_text(path)):
        flat.update(_section(piece))
    return flat


@cache
def _section(piece: str) -> Mapping[str, Any]:
    """The dotted keys of a top-level key's lines: sections that were seen before cost a look-up."""
    head, _, body = piece.partition("\n")
    if not body.startswith("  ") or not head.endswith(":") or " " in head:
        return _flat(_parsed(piece))
    indented = "\n".join(line[2:] for line in body.splitlines())
    name, flat = head[:-1], {}
    for inner in _pieces(indented):
        number = _NUMBER.fullmatch(inner)
        if number is not None:
            key, whole, rest = number.groups()
            flat[f"{name}.{key}"] = float(whole + rest) if rest else int(whole)
        else:
            flat.update(_inner(name, inner))
    return MappingProxyType(flat)


@cache
def _inner(name: str, piece: str) -> Mapping[str, Any]:
    return MappingProxyType({f"{name}.{key}": value for key, value in _flat(_parsed(piece)).items()})


def _pieces(text: str) -> Iterator[str]:
    lines: list[str] = []
    for line in text.splitlines():
        if line and line[0] not in " -#" and lines:
            yield "\n".join(lines)
            lines = []
        lines.append(line)
    if lines:
        yield "\n".join(lines)


def _parsed(piece: str) -> Any:
    try:
        return parse_yaml(piece)
    except yaml.YAMLError as error:
        raise ValueError(f"no YAML: {first_line(error)}") from error


def _flat(plain: Any) -> dict[str, Any]:
    if plain is None:
        return {}
    if not isinstance(plain, dict):
        raise ValueError(f"a mapping is needed, this is {plain!r}")
    return {key: _fixed(value) for key, value in leaves(plain)}


def _fixed(value: Any) -> Any:
    """A list as a tuple, with its mappings written out: what can be compared and hashed."""
    if isinstance(value, list):
        return tuple(_fixed(item) for item in value)
    return json.dumps(value, default=str) if isinstance(value, dict) else value
