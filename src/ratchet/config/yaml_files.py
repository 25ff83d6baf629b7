"""The project's one dialect of YAML, that of OmegaConf, in which Hydra reads conf/ and a run's own config."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import yaml

_FLOAT = re.compile(
    r"""^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?
    |[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+
    |[-+]?\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?
    |[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*
    |[-+]?\.(?:inf|Inf|INF)
    |\.(?:nan|NaN|NAN))$""",
    re.X,
)
_TIMESTAMP = "tag:yaml.org,2002:timestamp"


_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # five times as fast


class _Loader(_Base):  # type: ignore[misc]
    """1e-4 is a number, where YAML 1.1 asks for a point; 2026-01-01 is text."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


class _Dumper(yaml.SafeDumper):
    """Quotes every text that some reader of YAML could take for something else."""


for _kind in (_Loader, _Dumper):
    _kind.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))
# Readers of YAML 1.2, such as ruamel.yaml, know octal numbers with an o.
_Dumper.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?0o[0-7]+$"), list("-+0"))


def read_yaml(path: Path) -> Any:
    """The content of a file as plain dicts, lists and scalars. Raises OSError, ValueError and yaml.YAMLError."""
    return parse_yaml(path.read_text(encoding="utf-8"))


def parse_yaml(text: str) -> Any:
    """A text as plain dicts, lists and scalars. Raises yaml.YAMLError. The loader is a safe one: nothing is called."""
    return yaml.load(text, Loader=_Loader)


def yaml_text(plain: Mapping[str, Any], *, width: int = 80) -> str:
    """A plain mapping as YAML, keys in their order. What read_yaml() and OmegaConf read of it is equal to it."""
    text: str = yaml.dump(dict(plain), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=width)
    return text


def needs_quotes(text: str) -> bool:
    """Whether a text that is written plainly would be read as something else than text."""
    resolver: Any = _Dumper(io.StringIO())
    return bool(resolver.resolve(yaml.ScalarNode, text, (True, False)) != "tag:yaml.org,2002:str")
