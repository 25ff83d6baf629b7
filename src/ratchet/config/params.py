"""params.yaml: the choices that every script reads as if they stood first on its command line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ratchet.config.grammar import to_override_value
from ratchet.config.groups import brought, default_choices, is_group, options
from ratchet.errors import ConfigError, first_line
from ratchet.files import not_a_file
from ratchet.names import suggestion
from ratchet.project import Project
from ratchet.yaml_files import yaml_position

_LINES = "allowed: lines such as `model: cnn`"


def read_params(project: Project) -> dict[str, Any]:
    """The contents of params.yaml, read as Hydra reads YAML; an absent file chooses nothing. Raises ConfigError."""
    if not project.params.exists():
        return {}
    if (wrong := not_a_file(project.params)) is not None:
        raise ConfigError(f"params.yaml {wrong}; type: git checkout params.yaml")
    try:
        loaded = OmegaConf.load(project.params)
        params = OmegaConf.to_container(loaded, resolve=False)
    except yaml.YAMLError as error:
        raise ConfigError(f"params.yaml{yaml_position(error)}; {_LINES}") from error
    except (OmegaConfBaseException, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"params.yaml cannot be read: {first_line(error)}; {_LINES}") from error
    except OSError as error:
        if error.filename is not None:
            raise
        raise ConfigError(f"params.yaml holds a single value; {_LINES}") from error
    if not isinstance(loaded, DictConfig) or not isinstance(params, dict):
        raise ConfigError(f"params.yaml holds a list; {_LINES}; type: each choice on a line of its own, without -")
    return {str(key): value for key, value in params.items()}


def without_params(command_line: Sequence[str]) -> tuple[list[str], bool]:
    """The command line without `params=null`, and whether that was on it. Raises ConfigError for another value."""
    named = [item for item in command_line if item.partition("=")[0] == "params"]
    for item in named:
        if item != "params=null":
            raise ConfigError(f"{item}: params.yaml is read, or not at all; allowed: params=null; type: params=null")
    return [item for item in command_line if item not in named], bool(named)


def params_overrides(project: Project, command_line: Sequence[str]) -> tuple[list[str], list[str]]:
    """Params.yaml as Hydra overrides, and notices of what the command line sets aside.

    What the command line says of the same key wins. A value under a group (`overrides: {model: {width: 64}}`)
    belongs to the option it was chosen for: it is left out when the command line names another option, and so is a
    group for which the option that was typed brings its own, as tables do a model. An
    `experiment=` is complete in itself: with it params.yaml is not read at all.
    """
    typed = _typed_choices(command_line)
    if "experiment" in typed:
        return [], ["params.yaml is not read: experiment= starts from conf/ alone"]
    entries = _entries(project)
    chosen = {**default_choices(project.conf), **entries}
    kept, notices = [], []
    others = [group for group in typed if is_group(project.conf, group) and typed[group] != chosen.get(group)]
    theirs = {each: (group, option) for group in others
              for each, option in brought(project.conf, group, typed[group]).items() if each not in typed}  # fmt: skip
    for key, value in entries.items():
        group = key.split(".")[0]
        _require_value(project, key, value)
        if key in typed or (value is None and is_group(project.conf, key)):
            continue
        if "." in key and group in typed and typed[group] != chosen.get(group):
            notices.append(f"params.yaml's {key} is left out: it belongs to {group}={chosen.get(group)}")
            continue
        if group in theirs:
            by, option = theirs[group]
            notices.append(f"params.yaml's {key} is left out: {by}={typed[by]} brings {group}={option}")
            continue
        kept.append(f"{key}={to_override_value(value)}")
    return kept, notices


def _entries(project: Project) -> dict[str, Any]:
    """Every choice and value of params.yaml by its dotted key."""
    params = read_params(project)
    extra = params.pop("overrides", None) or {}
    if not isinstance(extra, dict):
        raise ConfigError(
            f"params.yaml: overrides is {extra!r}; allowed: a mapping; write for example: "
            "overrides: {trainer: {max_epochs: 30}}"
        )
    return dict([*params.items(), *_flatten(project, extra)])


def _typed_choices(command_line: Sequence[str]) -> dict[str, str]:
    pairs = (item.partition("=") for item in command_line if "=" in item)
    return {key.lstrip("+").partition("@")[0]: value for key, _, value in pairs}


def _flatten(project: Project, extra: dict[Any, Any]) -> Iterator[tuple[str, Any]]:
    """A section's values one by one: Hydra takes no mapping for a group. Deeper mappings stay whole, as Hydra merges
    them even into a null.
    """
    for key, value in extra.items():
        if isinstance(value, dict) and value and "." not in str(key):
            yield from ((f"{key}.{inner}", inner_value) for inner, inner_value in value.items())
        elif not (isinstance(value, dict) and is_group(project.conf, str(key))):
            yield str(key), value


def _require_value(project: Project, key: str, value: Any) -> None:
    """A group takes the name of an option. Raises ConfigError for nothing, a mapping or a list."""
    if isinstance(value, str) or not is_group(project.conf, key):
        return
    usual = default_choices(project.conf).get(key)
    if value is None and usual is None:
        return
    if isinstance(value, dict):
        raise ConfigError(
            f"params.yaml: {key} is a mapping; allowed: the name of an option, values go under overrides; "
            f"write: overrides: {{{key}: {to_override_value(value)}}}"
        )
    got = "has no value" if value is None else f"is {value!r}"
    names = options(project.conf, key)
    raise ConfigError(f"params.yaml: {key} {got}; {suggestion(str(value), names)}; write: {key}: {usual or names[0]}")
