"""What is wrong with one override, found by looking at it beside conf/: Hydra's own words are for programmers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from ratchet.config.grammar import parse_override, to_override_value, values_of
from ratchet.config.groups import default_choices, groups, is_group, options
from ratchet.config.names import nearest, suggestion
from ratchet.config.tree import children, exists, paths, value_at


@dataclass(frozen=True)
class Surroundings:
    """What an override is looked at beside."""

    directory: Path  # of the config groups
    known: dict[str, Any]  # the config with every valid choice of an option, and no other override
    multirun: bool
    to_see_keys: str = "python src/train.py --cfg job, which shows every key"


def mistake_in(text: str, around: Surroundings) -> str | None:  # noqa: PLR0911 - one for each kind of mistake
    """The line for a mistaken override; None where nothing is wrong with it by itself."""
    try:
        override = parse_override(text)
    except HydraException:
        return _unreadable(text, around)
    key, written = override.key_or_group, text.partition("=")[2]
    if not key:
        return _unreadable(text, around)
    if override.is_sweep_override() and not around.multirun:
        return _needs_multirun(text, override, around)
    if override.is_force_add() or key.startswith(("hydra/", "hydra.")):
        return None
    if is_group(around.directory, key) and not any(isinstance(value, dict) for value in values_of(override)):
        return _wrong_option(override, around)
    if not around.known:
        return None  # conf/ is broken itself
    if override.is_add():
        there = exists(around.known, key)
        return f"{text}: {key} is there already; allowed: {key}=value; type: {key}={written}" if there else None
    if not exists(around.known, key):
        return _unknown(key, written, around)
    inner = (_unknown_inside(key, value, around) for value in values_of(override))
    return next(filter(None, inner), None)


def _unreadable(text: str, around: Surroundings) -> str:
    if text.startswith("-"):
        return f"{text}: there is no such flag; allowed: key=value, --help, --debug; type: --help"
    key, equals, value = text.partition("=")
    if not equals:
        key = key if exists(around.known, key) or is_group(around.directory, key) else "<key>"
        usual = default_choices(around.directory).get(key) or value_at(around.known, key)
        example = to_override_value(usual) if isinstance(usual, int | float | str) else "<value>"
        return f"{text!r} is no setting; allowed: key=value, without spaces around =; type: {key}={example}"
    quoted = value.strip().replace("'", "").replace('"', "")
    return (
        f"{text!r} cannot be read; allowed: key=value; a value with spaces, brackets, commas or = stands in two pairs "
        f"of quotes; type: '{key.strip()}=\"{quoted}\"'"
    )


def _needs_multirun(text: str, override: Override, around: Surroundings) -> str:
    names = values_of(override)
    got = f"{len(names)} values" if names else "a range of values"
    key, _, written = text.partition("=")
    as_list = f", or one list: '{key}=[{written}]'" if isinstance(value_at(around.known, key), list) else ""
    return f"{text} names {got}; allowed: one, or several with -m; type: train.py -m {text}, a run for each{as_list}"


def _wrong_option(override: Override, around: Surroundings) -> str | None:
    group, names = override.key_or_group, options(around.directory, override.key_or_group)
    for value in values_of(override):
        if override.is_delete() or (isinstance(value, str | int) and str(value) in names):
            continue
        what = "there is no such option" if isinstance(value, str) else "a choice is the name of an option"
        best = f"{group}={[*nearest(str(value), names), *names, '<name>'][0]}"
        if value is None and default_choices(around.directory).get(group) is None:
            best = f"~{group}, for none of them"
        got = to_override_value(value) if value != "" else ""
        return f"{group}={got}: {what}; {suggestion(str(value), names)}; type: {best}"
    return None


def _unknown(key: str, written: str, around: Surroundings) -> str:
    """An unknown key: the names that stand beside its first wrong part, and the same override mended."""
    parts = key.replace("/", ".").split(".")
    depth = next((i for i in range(len(parts)) if not exists(around.known, ".".join(parts[: i + 1]))), len(parts) - 1)
    parent = ".".join(parts[:depth])
    siblings = children(around.known, parent) or []
    if not parent:
        siblings = sorted({*siblings, *groups(around.directory)})
    elif not siblings and value_at(around.known, parent) is None:
        inner = "".join(f"{{{part}: " for part in parts[depth:]) + written + "}" * (len(parts) - depth)
        return f"{key}: {parent} is null, no key can be set inside it; allowed: a mapping; type: '{parent}={inner}'"
    elif not siblings:
        return f"{key}: there is no such key, {parent} is one value; allowed: {parent}=value; type: {parent}={written}"
    better = _better_keys(parts, depth, siblings, around)
    hint = f"nearest: {', '.join(better)}; " if better else ""
    to_type = f"{better[0]}={written}" if better else around.to_see_keys
    allowed = f"allowed{' in ' + parent if parent else ''}: {', '.join(siblings)}"
    return f"{key}: there is no such key; {hint}{allowed}; type: {to_type}"


def _better_keys(parts: list[str], depth: int, siblings: list[str], around: Surroundings) -> list[str]:
    """Keys that may have been meant, best first: the same name elsewhere, then similar names in the same place."""
    elsewhere = [path for path in paths(around.known) if path.split(".")[-1] == parts[-1]] if depth == 0 else []
    similar = [".".join([*parts[:depth], name, *parts[depth + 1 :]]) for name in nearest(parts[depth], siblings)]
    right = [path for path in similar if exists(around.known, path) or is_group(around.directory, path)]
    return list(dict.fromkeys([*elsewhere, *right] or similar))[:3]


def _unknown_inside(key: str, value: Any, around: Surroundings) -> str | None:
    """An unknown key of a mapping that is given to a mapping of conf/."""
    if not isinstance(value, dict) or not children(around.known, key):
        return None
    for name, inner in value.items():
        path = f"{key}.{name}"
        if not exists(around.known, path):
            return _unknown(path, to_override_value(inner), around)
        if (deeper := _unknown_inside(path, inner, around)) is not None:
            return deeper
    return None
