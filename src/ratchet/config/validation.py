"""The one place where a composed config is checked, before any data loads."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ratchet.config.conflicts import refuse_conflicts
from ratchet.config.environment import Reference, from_environment
from ratchet.config.following import with_what_follows
from ratchet.config.grammar import assignment, shown
from ratchet.config.hints import OverrideError
from ratchet.config.rules import example_at, keys_at, meant_at, rule_at
from ratchet.config.schema import Config
from ratchet.config.tables import is_described, texts_asked, to_describe, where_completed
from ratchet.config.tree import exists, paths, value_at
from ratchet.errors import ConfigError
from ratchet.names import nearest, suggestion
from ratchet.project import Project

_Path = Sequence[str | int]


def validate(plain: Any, *, usual: Callable[[], dict[str, Any]] = dict) -> Config:
    """A composed config, typed. Raises OverrideError for the first thing that is wrong with it.

    `usual` is called then: the config before any value was overridden, whose values are what to type.
    """
    for key in (path for path in paths(plain) if value_at(plain, path) == "???"):
        where = key.split(".")
        if key == "data.path" and "target" not in plain["data"]:
            said = "data.path has no value yet: a folder of pictures is needed, in it one for each class"
            raise OverrideError(said, example=["data=folder", "data.path=<folder>"])
        if key == "model.path":
            raise OverrideError(f"{key} has no value yet: the folder of an encoder", example=["model.path=<folder>"])
        if key == "data.path" and "text" in plain["data"]:
            raise texts_asked(plain["data"])
        if key in {"data.path", "data.target"}:
            path, target = (
                None if plain["data"][name] == "???" else plain["data"][name] for name in ("path", "target")
            )
            said = f"{key} has no value yet: a table needs its file and the column to predict"
            raise ConfigError(str(to_describe(path, target, Project.find().root, said=said)))
        said = f"{key} is ???, it has no value yet; allowed: {rule_at(where, plain)}"
        raise OverrideError(said, key=key, instead=values_for(where, plain, usual()))
    actual, references = whole(plain)
    try:
        config = Config.model_validate(actual)
        config._references = references
    except ValidationError as error:
        raise _mistake(error, plain, usual()) from error
    refuse_conflicts(config, usual)
    return config


def whole(plain: Any) -> tuple[Any, tuple[Reference, ...]]:
    """A composed config with all that follows from its data, a table's file among them; and where it has references.

    Raises ConfigError and DataError for a table that cannot be read.
    """
    actual, references = from_environment(plain)
    if isinstance(actual, dict) and isinstance(data := actual.get("data"), dict) and is_described(data):
        references = tuple(moved for reference in references for moved in where_completed(reference, data))
    return with_what_follows(actual), references


def values_for(path: _Path, plain: Any, usual: dict[str, Any]) -> list[list[str]]:
    """What may be typed for a value that is wrong: what is like it, what it is where nobody types it, or an example."""
    key, whole = ".".join(map(str, path)), [*itertools.takewhile(lambda part: isinstance(part, str), path)]
    around, _, leaf = key.rpartition(".")
    meant = meant_at(path, plain, value_at(plain, key)) if len(whole) == len(path) else None
    # what a section is called decides which keys it has: it is chosen by its group
    places = [] if meant is None else [(around if leaf == "name" else key, meant)]
    places += [(key, value_at(usual, key))] if exists(usual, key) or value_at(usual, key) is not None else []
    if len(whole) < len(path):
        key = ".".join(map(str, whole))
        places.append((key, value_at(usual, key)))
    elif around and exists(usual, around) and value_at(usual, around) is None:  # Hydra sets no key below a null
        known = keys_at(path[:-1], plain)  # none: any
        allowed = {name: each for name, each in (value_at(plain, around) or {}).items() if name in known or not known}
        value = example_at(path, plain) if meant is None else meant
        places = [(around, {**allowed, leaf: value}), (around, None)]
    useless = (value_at(plain, key), "???")
    if not places or (places[0][0] == key and all(value in useless for _, value in places)):
        places.append((key, example_at(path, plain)))
    return [[assignment(k, v)] for k, v in places if v != "???" and v != value_at(plain, k)]


def _mistake(error: ValidationError, plain: Any, usual: dict[str, Any]) -> OverrideError:
    problems = error.errors(include_url=False)
    # A metric of the task may be the objective, so what is wrong with the task is said first.
    problem = min(problems, key=lambda each: (each["type"] != "extra_forbidden", each["loc"][:1] != ("task",)))
    path = _path(problem, plain)
    key = ".".join(map(str, path))
    if not path:
        said = f"the config is a {type(plain).__name__}; allowed: {rule_at([], plain)}"
        return OverrideError(said, otherwise="mend it in conf/config.yaml, then type the same again")
    if problem["type"] == "extra_forbidden":
        return _unknown(path, plain, usual)
    got = "is missing" if problem["type"] == "missing" else f"is {shown(value_at(plain, key))}"
    said = f"{key} {got}; allowed: {rule_at(path, plain)}"
    return OverrideError(said, key=key, instead=values_for(path, plain, usual))


def _path(problem: ErrorDetails, plain: Any) -> list[str | int]:
    """Return the dotted key of a pydantic error, without the branch of a union that its location also names."""
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


def _unknown(path: _Path, plain: Any, usual: dict[str, Any]) -> OverrideError:
    *parent, name = path
    key, siblings = ".".join(map(str, path)), keys_at(parent, plain)
    close = nearest(str(name), siblings)
    around = ".".join(map(str, parent))
    instead = []
    if close and around and value_at(usual, around) is None:
        renamed = {close[0] if each == name else each: value for each, value in value_at(plain, around).items()}
        instead.append([assignment(around, renamed)])
    instead += values_for([*parent, close[0]], plain, usual) if close else []
    said = f"{key}: there is no such key; {suggestion(str(name), siblings)}"
    return OverrideError(said, key=key, instead=instead)
