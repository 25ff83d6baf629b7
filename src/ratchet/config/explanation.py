"""What Hydra and OmegaConf raise, said in one line: what was got, what is allowed, what to type."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any

from hydra.errors import (
    ConfigCompositionException,
    HydraException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf.errors import InterpolationResolutionError, MissingMandatoryValue, OmegaConfBaseException

from ratchet.errors import ConfigError


def explain_composition_error(error: BaseException, known: dict[str, Any]) -> ConfigError | None:
    """One line for an exception of Hydra or OmegaConf; None for any other. `known` is the config before overrides."""
    if isinstance(error, MissingConfigException):
        return _missing_option(error)
    if isinstance(error, OverrideParseException):
        first_line = str(error.args[0]).splitlines()[0] if error.args else ""
        return ConfigError(
            f"cannot read the override {error.override!r} ({first_line}); allowed: key=value; "
            f"type quotes twice around spaces and commas: 'key=\"a, b\"'"
        )
    if isinstance(error, MissingMandatoryValue):
        key = getattr(error, "full_key", None) or _search(r"full_key: (\S+)", str(error)) or "a value"
        return ConfigError(f"{key} is ???: it has no value yet; type: {key}=<value>")
    if isinstance(error, InterpolationResolutionError):
        key = getattr(error, "full_key", "")
        return ConfigError(f"{key}: {_first_line(error)}; allowed: ${{path.to.another.key}}")
    if isinstance(error, ConfigCompositionException | OmegaConfBaseException | HydraException):
        return _unknown_key(error, known)
    return None


def nearest(name: str, names: Iterable[str]) -> list[str]:
    """The names most like `name`, best first, at most three."""
    return difflib.get_close_matches(name, list(names), n=3, cutoff=0.5)


def suggestion(name: str, names: Iterable[str]) -> str:
    """`nearest: a, b; allowed: ...` for a one-line message."""
    all_names = sorted(names)
    close = nearest(name, all_names)
    return (f"nearest: {', '.join(close)}; " if close else "") + f"allowed: {', '.join(all_names)}"


def _missing_option(error: MissingConfigException) -> ConfigError:
    missing = error.missing_cfg_file or ""
    group, _, option = missing.rpartition("/")
    options = [str(name) for name in error.options or []]
    if not group or not options:
        return ConfigError(f"there is no config {missing!r}; allowed: a group of conf/ and one of its files")
    close = nearest(option, options)
    return ConfigError(
        f"{group}={option}: there is no such option; {suggestion(option, options)}; "
        f"type: {group}={(close or options)[0]}"
    )


def _unknown_key(error: BaseException, known: dict[str, Any]) -> ConfigError:
    texts = [str(error), str(error.__cause__ or "")]
    key = next(filter(None, (_search(r"full_key: (\S+)", text) for text in texts)), None)
    key = key or next(filter(None, (_search(r"[Cc]ould not override '([^']+)'", text) for text in texts)), None)
    if key is None:
        return ConfigError(f"{_first_line(error)}; type: python src/train.py --help")
    parent, _, leaf = key.rpartition(".")
    siblings = _children(known, parent)
    if not siblings or leaf in siblings:
        return ConfigError(f"{key}: {_first_line(error.__cause__ or error)}; type: python src/train.py --cfg job")
    prefix = f"{parent}." if parent else ""
    close = nearest(leaf, siblings)
    to_type = (
        f"{prefix}{close[0]}=<value>"
        if close
        else f"+{key}=<value> would add it"
        if parent
        else "python src/train.py --help"
    )
    return ConfigError(f"{key}: there is no such key; {suggestion(leaf, siblings)}; type: {to_type}")


def _children(known: dict[str, Any], parent: str) -> list[str]:
    node: Any = known
    for part in filter(None, parent.split(".")):
        node = node.get(part) if isinstance(node, dict) else None
    return [str(name) for name in node] if isinstance(node, dict) else []


def _search(pattern: str, text: str) -> str | None:
    found = re.search(pattern, text)
    return found.group(1).rstrip(".") if found else None


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
