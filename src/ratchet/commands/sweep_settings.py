"""`sweep=`, `sweep.<key>=` and `sweep/<group>=` of a command line: read from sweeps/, and checked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from hydra.core.override_parser.types import IntervalSweep
from hydra.errors import HydraException

from ratchet.config.command_line import is_for_a_sweep
from ratchet.config.composed import composed
from ratchet.config.explanation import explain
from ratchet.config.grammar import each_of, parse_override, values_of
from ratchet.config.groups import groups, is_group, options
from ratchet.config.hints import OverrideError, to_type
from ratchet.config.override_errors import OverrideContext, override_error
from ratchet.config.request import Request, plain_config
from ratchet.config.tables import data_name
from ratchet.errors import ConfigError
from ratchet.files import read_text
from ratchet.names import nearest, suggestion
from ratchet.project import Project
from ratchet.search.space.samplers import arguments_of
from ratchet.search.space.settings import SweepSettings, read_settings

_TRAIN_ON = "trainer.train_on"
USUAL = {"sweep": "learning_rate", "sampler": "tpe", "pruner": "halving"}  # what to type where no name is near


def sweep_settings(project: Project, request: Request) -> tuple[dict[str, SweepSettings], Request]:
    """The sweeps that the command line names, composed from sweeps/, and the request without them.

    `sweep=<file>` chooses, several with commas; `sweep.<key>=` sets a value in it, `sweep/<group>=` an option of
    it. Without sweep= typed intervals are searched, and anything else is a grid. Raises ConfigError.
    """
    directory = project.root / "sweeps"
    ours, rest = for_the_sweep(request.typed)
    for text in ours:
        _refuse_unreadable(text)
    named = [text for text in ours if text.partition("=")[0] == "sweep"]
    inner = [text for text in ours if text not in named]
    if named:
        names = [str(value) for value in values_of(parse_override(named[-1]))]
    else:
        names = ["search" if any(map(_is_searched, [*request.params, *rest])) else "grid"]
    settings = {name: read_settings(name, _composed(directory, name, inner)) for name in names}
    return settings, _validated(replace(request, typed=rest), settings.values())


def _validated(request: Request, sweeps: Iterable[SweepSettings]) -> Request:
    """A search decides on validation data: a pair that conf/tuned/ refits on them too is trained without them.

    Unless trainer.train_on was typed, which is checked where it is composed.
    """
    if any(text.partition("=")[0].lstrip("+") == _TRAIN_ON for text in request.overrides):
        return request
    chosen = {group: _chosen(group, request, sweeps) for group in ("data", "model")}
    for path in sorted((request.directory / "tuned").glob("*.yaml")):
        names = {data_name(choice, request.overrides) for choice in chosen["data"]}
        pair = (f"{data}_{model}" == path.stem for data in names for model in chosen["model"])
        if any(pair) and "train_on: train+validation" in read_text(path):
            notice = f"{_TRAIN_ON}=train: conf/tuned/{path.name} trains on validation too, and a search decides on that"
            added = (*request.typed, f"{_TRAIN_ON}=train")
            return replace(request, typed=added, notices=[*request.notices, notice])
    return request


def _chosen(group: str, request: Request, sweeps: Iterable[SweepSettings]) -> set[str]:
    named = [text for text in request.overrides if text.partition("=")[0] == group][-1:]
    searched = [f"{group}={sweep.space[group]}" for sweep in sweeps if group in sweep.space]
    values = set()
    for text in (*named, *searched):
        with suppress(HydraException):  # whoever composes it says what is wrong with it
            values |= {str(value) for value in values_of(parse_override(text))}
    return values


def for_the_sweep(typed: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What of a command line is for the sweep, and the rest."""
    return (
        tuple(text for text in typed if is_for_a_sweep(text)),
        tuple(text for text in typed if not is_for_a_sweep(text)),
    )


def _is_searched(text: str) -> bool:
    try:
        return isinstance(parse_override(text).value(), IntervalSweep)
    except HydraException:
        return False  # whoever composes it says what is wrong with it


def _refuse_unreadable(text: str) -> None:
    try:
        override = parse_override(text)
    except HydraException as error:
        mistake = override_error(text, _around(Path(), {"sweep": SweepSettings().model_dump()}))
        assert mistake is not None
        raise _settled(mistake) from error
    key, _, value = text.partition("=")
    if override.is_sweep_override() and key != "sweep":
        raise OverrideError(
            f"{text}: a sweep has one value for each of its settings, and {value} are several",
            instead=[[each] for each in each_of(text)[:1]],
        )


def _composed(directory: Path, name: str, typed: Sequence[str]) -> dict[str, Any]:
    """A file of sweeps/ under what was typed, as plain values. Raises ConfigError."""
    known = sorted(path.stem for path in directory.glob("*.yaml") if path.stem != "base")
    if not known:
        raise ConfigError(
            f"there are no sweeps in {directory}, and -m reads its settings there; type: git checkout sweeps"
        )
    if name not in known:
        _refuse(f"sweep={name}", "sweep", name, known)
    for text in typed:
        _refuse_wrong_option(text, directory)
    try:
        return _compose(directory, name, [re.sub(r"^([+~]*)sweep[./]", r"\1", text) for text in typed])
    except Exception as error:
        _refuse_wrong_keys(typed, _compose(directory, name, []) if typed else {}, directory)
        explained = explain(error, directory=directory)
        if explained is None:
            raise
        text = explained.said if isinstance(explained, OverrideError) else str(explained)
        told = "" if "allowed:" in text else f"; mend sweeps/{name}.yaml"
        raise ConfigError(f"sweep={name}: {text}{told}") from error


def _compose(directory: Path, name: str, overrides: Sequence[str]) -> dict[str, Any]:
    config, _ = composed(directory.resolve(), overrides, name=name)
    return plain_config(config)


def _refuse_wrong_option(text: str, directory: Path) -> None:
    """Raises ConfigError for a group of sweeps/ that is not there, and for an option that is not in its group."""
    found = re.fullmatch(r"\+*sweep([./])([^=.]*)=(.*)", text)
    if found is None:
        return
    separator, group, option = found.groups()
    if not is_group(directory, group):
        if separator == "/":
            here = groups(directory)
            best = [*nearest(group, here), "sampler"][0]
            names = options(directory, best)
            best_option = option if option in names else [*nearest(option, names), *[USUAL[best]], *names][0]
            said = f"{text}: there is no such group; {suggestion(group, here)}"
            raise ConfigError(f"{said}; type: {to_type(f'sweep/{best}={best_option}')}")
        return
    names = options(directory, group)
    if option == "null":
        typed = {"pruner": "sweep/pruner=none", "sampler": "sweep/sampler=tpe"}.get(group, "python src/train.py --help")
        allowed = f"options: {', '.join(names)}" if names else f"sweep.{group}.<key>=<value>"
        raise ConfigError(f"{text}: a group has an option, and null is none; allowed: {allowed}; type: {typed}")
    if names and option not in names and not option.startswith(("{", "[")):
        _refuse(text, group, option, names)


def _refuse_wrong_keys(typed: Sequence[str], plain: Mapping[str, Any], directory: Path) -> None:
    """Raises ConfigError for the first setting that a sweep does not have."""
    for text in typed:
        key = text.partition("=")[0]
        inside = re.match(r"(\+*)sweep\.(sampler|pruner)\.", key)
        if inside and not inside[1]:
            target = (plain.get(inside[2]) or {}).get("_target_", "none")
            raise _added(text, inside[2], str(target))
        if key.startswith("sweep/"):
            said = f"{text}: this sweep has no {key[6:]} of its own to replace"
            raise ConfigError(f"{said}; type: {to_type(f'+{text}')}, to add one")
        if mistake := override_error(text, _around(directory.parent, {"sweep": dict(plain)})):
            raise _settled(mistake)


def _added(text: str, what: str, target: str) -> OverrideError:
    """An argument that the option's file does not have: it is added, where the class takes it."""
    key, _, value = text.partition("=")
    name = key.rpartition(".")[2]
    taken = arguments_of({"_target_": target}, what)
    meant = [name] if name in taken else nearest(name, taken)
    said = f"{key}: sweeps/{what}/ says nothing of it; allowed: what {target} takes: {', '.join(taken) or 'nothing'}"
    return OverrideError(
        said, instead=[[f"+sweep.{what}.{each}={value}"] for each in meant[:1]], otherwise="leave it out"
    )


def _settled(mistake: OverrideError) -> ConfigError:
    """The error whose hint is a setting that a sweep may have."""

    def accepts(texts: Sequence[str]) -> bool:
        try:
            for text in texts:
                override = parse_override(text)
                key, value = override.key_or_group.removeprefix("sweep.").partition(".")[::2], override.value()
                given = {key[0]: {key[1]: value} if key[1] else value}
                if override.is_sweep_override():
                    return False
                SweepSettings.model_validate(given)
        except (HydraException, ValueError):
            return False
        return True

    return mistake.settled(mistake.accepted(accepts))


def _around(root: Path, known: dict[str, Any]) -> OverrideContext:
    return OverrideContext(root, known, multirun=True, to_see_keys="cat sweeps/base.yaml, which has every key")


def _refuse(text: str, what: str, name: str, known: Sequence[str]) -> NoReturn:
    usual = [USUAL[what]] if USUAL.get(what) in known else []
    best = [*nearest(name, known), *usual, *known][0]
    told = "sweep" if what == "sweep" else f"sweep/{what}"
    raise ConfigError(
        f"{text}: there is no such {'sweep' if what == 'sweep' else 'option'}; {suggestion(name, known)}; "
        f"type: {to_type(f'{told}={best}')}"
    )
