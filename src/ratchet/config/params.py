"""params.yaml: the choices that every script reads as if they stood first on its command line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from ratchet.errors import ConfigError
from ratchet.project import Project


def read_params(project: Project) -> dict[str, Any]:
    """The contents of params.yaml; an absent file chooses nothing. Raises ConfigError where it is no mapping."""
    if not project.params.is_file():
        return {}
    try:
        params = yaml.safe_load(project.params.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f" line {where.line + 1}" if where else ""
        raise ConfigError(f"params.yaml{line} is not YAML; allowed: lines like `model: cnn`") from error
    if not isinstance(params, dict):
        raise ConfigError(f"params.yaml holds a {type(params).__name__}; allowed: lines like `model: cnn`")
    return params


def params_overrides(project: Project, command_line: Sequence[str]) -> tuple[list[str], list[str]]:
    """Params.yaml as Hydra overrides, and notices of what the command line sets aside.

    What the command line says of the same key wins. A value under a group (`overrides: {model: {width: 64}}`)
    belongs to the option it was chosen for: it is left out when the command line names another option. An
    `experiment=` is complete in itself: with it params.yaml is not read at all.
    """
    typed = _typed_choices(command_line)
    if typed.get("experiment", "null") != "null":
        return [], ["params.yaml is not read: experiment= starts from conf/ alone"]
    params = read_params(project)
    extra = params.pop("overrides", None) or {}
    if not isinstance(extra, dict):
        raise ConfigError(
            f"params.yaml: overrides is {extra!r}; allowed: a mapping such as {{trainer: {{max_epochs: 30}}}}"
        )
    kept, notices = [], []
    for key, value in [*params.items(), *_flatten(project, extra)]:
        group = key.split(".")[0]
        if key in typed:
            continue
        if "." in key and group in typed and typed[group] != params.get(group):
            notices.append(f"params.yaml's {key} is left out: it belongs to {group}={params.get(group, 'the default')}")
            continue
        kept.append(f"{key}={to_override_value(value)}")
    return kept, notices


def _typed_choices(command_line: Sequence[str]) -> dict[str, str]:
    pairs = (item.partition("=") for item in command_line if "=" in item)
    return {key.lstrip("+~").partition("@")[0]: value for key, _, value in pairs}


def _flatten(project: Project, extra: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Group choices as they are; a group's values one by one, since Hydra takes no mapping for a group."""
    for key, value in extra.items():
        if isinstance(value, dict) and ((project.conf / str(key)).is_dir() or "." not in str(key)):
            yield from ((f"{key}.{inner}", inner_value) for inner, inner_value in value.items())
        else:
            yield str(key), value


def to_override_value(value: Any) -> str:  # noqa: PLR0911 - one line for each kind of value
    """A YAML value written in Hydra's override grammar, quoted so that it is read back as the same value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list):
        return "[" + ",".join(to_override_value(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{to_override_value(item)}" for key, item in value.items()) + "}"
    text = str(value)
    if text and all(letter.isalnum() or letter in "_-/." for letter in text) and not _reads_as_other(text):
        return text
    quoted = text.replace("\\'", "\\\\'").replace("'", "\\'")
    return f"'{quoted}'"


def _reads_as_other(text: str) -> bool:
    return not isinstance(yaml.safe_load(text), str) or text.lower() in {"inf", "nan", "-inf"} or _is_number(text)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
