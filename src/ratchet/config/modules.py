"""Is a model a LightningModule? Its source says it: importing it would bring torch, which light commands do without."""

from __future__ import annotations

import ast
import importlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_OTHERS = {"", "ratchet", "torch"}  # of which none is a LightningModule


def is_lightning_module(target: Any) -> bool:
    """Whether a dotted path names a LightningModule. Only a class of another package is imported for it."""
    module, _, name = str(target).rpartition(".")
    root = module.partition(".")[0]
    if name == "LightningModule" or root in _OTHERS:
        return name == "LightningModule"
    try:
        if root != "own":
            found = getattr(importlib.import_module(module), name, None)
            return any(base.__name__ == "LightningModule" for base in getattr(found, "__mro__", ()))
        spec = importlib.util.find_spec(module)
        tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8")) if spec and spec.origin else ast.parse("")
    except (ImportError, SyntaxError, OSError, ValueError):
        return False  # whoever imports it says what is wrong with it
    names = dict(_imported(tree, module))
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            bases = (ast.unparse(base).partition("[")[0].partition(".") for base in node.bases)
            return any(is_lightning_module(names.get(first, f"{module}.{first}") + dot + rest)
                       for first, dot, rest in bases if first != name)  # fmt: skip
    return name in names and is_lightning_module(names[name])


def _imported(tree: ast.Module, module: str) -> Iterator[tuple[str, str]]:
    """The names that a module imports, and the dotted path of each."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for each in node.names:
                yield (each.asname, each.name) if each.asname else (each.name.partition(".")[0],) * 2
        elif isinstance(node, ast.ImportFrom):
            above = ".".join(module.split(".")[: -node.level]) if node.level else ""
            place = ".".join(filter(None, (above, node.module)))
            yield from ((each.asname or each.name, f"{place}.{each.name}") for each in node.names)
