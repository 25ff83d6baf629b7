"""The project's one dialect of YAML, that of OmegaConf, in which Hydra reads conf/ and a run's own config."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import yaml

from ratchet.errors import FileError
from ratchet.files import read_text, shown

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
    """The content of a file as plain dicts, lists and scalars.

    Raises FileError, which names the line, for what is no YAML that can be read, and OSError as opening does.
    """
    try:
        return parse_yaml(read_text(path))
    except yaml.YAMLError as error:
        raise FileError(f"{shown(path)}{yaml_position(error)}") from error


def content(path: Path) -> Any:
    """What read_yaml() reads, or an empty dict where the file cannot be read."""
    try:
        return read_yaml(path)
    except (OSError, ValueError):
        return {}


def yaml_position(error: yaml.YAMLError) -> str:
    """` line 3: mapping values are not allowed here`, as far as the parser knows."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None) or "it is not YAML"
    return f" line {mark.line + 1}: {problem}" if mark else f": {problem}"


def parse_yaml(text: str) -> Any:
    """A text as plain dicts, lists and scalars. Raises yaml.YAMLError. The loader is a safe one: nothing is called."""
    try:
        return yaml.load(text, Loader=_Loader)
    except (RecursionError, ValueError, TypeError, LookupError) as error:  # a tag whose text does not suit it, too
        raise yaml.YAMLError(f"it is not YAML that can be read ({type(error).__name__})") from error


def yaml_text(plain: Mapping[str, Any], *, width: int = 80) -> str:
    """A plain mapping as YAML, keys in their order. What read_yaml() and OmegaConf read of it is equal to it."""
    text: str = yaml.dump(dict(plain), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=width)
    return text


def flow(value: Any) -> str:
    """A value on one line, as it stands behind a key."""
    text: str = yaml.dump(value, Dumper=_Dumper, default_flow_style=True, allow_unicode=True, width=10**6)
    return text.removesuffix("\n").removesuffix("...").rstrip()


def needs_quotes(text: str) -> bool:
    """Whether a text that is written plainly would be read as something else than text."""
    resolver: Any = _Dumper(io.StringIO())
    return bool(resolver.resolve(yaml.ScalarNode, text, (True, False)) != "tag:yaml.org,2002:str")
