"""The one place where a composed config is checked, before any data loads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ratchet.config import schema
from ratchet.config.conflicts import refuse_conflicts
from ratchet.config.environment import from_environment
from ratchet.config.grammar import shown
from ratchet.config.names import nearest, suggestion
from ratchet.config.rules import keys_at, rule_at
from ratchet.config.tree import exists, paths, value_at
from ratchet.errors import ConfigError

_Path = Sequence[str | int]


def validate(plain: Any, *, usual: Callable[[], dict[str, Any]] = dict) -> schema.Config:
    """A composed config, typed. Raises ConfigError for the first thing that is wrong with it.

    `usual` is called then: the config before any value was overridden, whose values are what to type.
    """
    for key in (path for path in paths(plain) if value_at(plain, path) == "???"):
        where = key.split(".")
        rule = rule_at(where, plain)
        raise ConfigError(f"{key} is ???, it has no value yet; allowed: {rule}; {_remedy(where, plain, usual())}")
    actual, references = from_environment(plain)
    try:
        config = schema.Config.model_validate(actual)
        config._references = references
    except ValidationError as error:
        raise ConfigError(_one_line(error, plain, usual())) from error
    refuse_conflicts(config)
    return config


def _one_line(error: ValidationError, plain: Any, usual: dict[str, Any]) -> str:
    problems = error.errors(include_url=False)
    problem = next((each for each in problems if each["type"] == "extra_forbidden"), problems[0])
    path = _path(problem, plain)
    key = ".".join(map(str, path))
    if not path:
        return f"the config is a {type(plain).__name__}; allowed: {rule_at([], plain)}; type: python src/compose.py"
    if problem["type"] == "extra_forbidden":
        return _unknown(path, plain, usual)
    if problem["type"] == "missing":
        to_type = _remedy(path, plain, usual) if exists(usual, key) else _mend_file(path, usual)
        return f"{key} is missing; allowed: {rule_at(path, plain)}; {to_type}"
    got = value_at(plain, key)
    return f"{key} is {shown(got)}; allowed: {rule_at(path, plain)}; {_remedy(path, plain, usual)}"


def _path(problem: ErrorDetails, plain: Any) -> list[str | int]:
    """Where the problem is. Pydantic's location also names the branch of a union that it tried; the config does not."""
    path: list[str | int] = []
    for part in problem["loc"]:
        inside = range(len(plain)) if isinstance(plain, list) else plain if isinstance(plain, dict) else ()
        if part in inside:
            plain = plain[part]
        elif problem["type"] != "missing" or part != problem["loc"][-1]:
            continue
        path.append(part)
    if problem["type"].startswith("union_tag"):
        path.append(problem["ctx"]["discriminator"].strip("'"))
    return path


def _unknown(path: _Path, plain: Any, usual: dict[str, Any]) -> str:
    *parent, name = path
    key, siblings = ".".join(map(str, path)), keys_at(parent, plain)
    close = nearest(str(name), siblings)
    to_type = _remedy([*parent, close[0]], plain, usual) if close else "type: the same without it"
    to_type = "mend it in conf/, then type the same again" if exists(usual, key) else to_type
    return f"{key}: there is no such key; {suggestion(str(name), siblings)}; {to_type}"


def _remedy(path: _Path, plain: Any, usual: dict[str, Any]) -> str:
    """What to type: the value that conf/ has; where that is what is wrong, the file to mend."""
    key = ".".join(map(str, path))
    if any(isinstance(part, int) for part in path):
        return _mend_file(path, usual)
    if not exists(usual, key):
        parent, _, leaf = key.rpartition(".")
        nested = exists(usual, parent) and value_at(usual, parent) is None  # Hydra sets no key below a null
        return f"type: '{parent}={{{leaf}: <such a value>}}'" if nested else f"type: {key}=<such a value>"
    value = value_at(usual, key)
    if value == value_at(plain, key) or value == "???":
        return f"type: {key}=<such a value>, or mend it in {_file_of(path, usual)}"
    return f"type: {key}={shown(value)}"


def _mend_file(path: _Path, usual: dict[str, Any]) -> str:
    return f"mend it in {_file_of(path, usual)}, then type the same again"


def _file_of(path: _Path, usual: dict[str, Any]) -> str:
    return f"conf/data/{value_at(usual, 'data.name')}.yaml" if path[0] == "data" else "conf/"
