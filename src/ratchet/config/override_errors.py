"""What is wrong with one override, found by looking at it beside conf/: Hydra's own words are for programmers."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import IntervalSweep, Override, QuotedString, ValueType
from hydra.errors import HydraException

from ratchet.config.grammar import assignment, parse_override, to_override_value, values_of
from ratchet.config.groups import groups, is_group, options
from ratchet.config.hints import EVERY_KEY, OverrideError, names_in, unquoted
from ratchet.config.tables import OPTIONS, is_a_table_path, to_describe, typed_values
from ratchet.config.targets import class_at
from ratchet.config.tree import children, exists, paths, value_at
from ratchet.names import listed, nearest, suggestion
from ratchet.pictures import holds_pictures
from ratchet.yaml_files import content

_SWEEP = re.compile(r"(choice|range|interval|glob|tag|shuffle|sort|int|float)\(")
_HELP = "type: python src/train.py --help, which shows every choice, or leave it out"


@dataclass(frozen=True)
class OverrideContext:
    """What an override is looked at beside."""

    directory: Path  # of the config groups
    known: dict[str, Any]  # the config with every valid choice of an option, and no other override
    multirun: bool
    several: str | None = None  # the command that gives each value a run; None: there is none
    choices: Mapping[str, Any] = field(default_factory=dict)  # the option of each group where nobody types one
    hydra: Callable[[], dict[str, Any]] = dict  # Hydra's own settings
    accepts: Callable[[str], bool] = lambda _: True  # whether an override by itself is fine
    others: tuple[str, ...] = ()  # all that was typed, and said in params.yaml
    to_see_keys: str = f"{EVERY_KEY}, which shows every key"

    def usual(self, key: str) -> list[list[str]]:
        """The key with the choice or the value that it has where nobody types one; empty where there is none."""
        if is_group(self.directory, key):
            return [[assignment(key, self.choices[key])]] if self.choices.get(key) is not None else []
        known = exists(self.known, key) and value_at(self.known, key) != "???"
        return [[assignment(key, value_at(self.known, key))]] if known else []


def override_error(text: str, around: OverrideContext) -> OverrideError | None:  # noqa: PLR0911 - one for each kind of mistake
    """A mistaken override; None where nothing is wrong with it by itself."""
    try:
        override = parse_override(text)
    except HydraException:
        return _unreadable(text, around)
    key, written = override.key_or_group, text.partition("=")[2]
    if not key:
        return _unreadable(text, around)
    if override.is_sweep_override() and not around.multirun:
        return _needs_multirun(text, override, around)
    if override.value_type == ValueType.GLOB_CHOICE_SWEEP and is_group(around.directory, key):
        said = f"{text}: -m cannot count these values; allowed: a list of {listed(options(around.directory, key))}"
        return OverrideError(said, text=text, instead=around.usual(key))
    if key.startswith("hydra."):
        return _of_hydra(text, override, around)
    if override.is_force_add() or key.startswith("hydra/"):
        return None
    if is_group(around.directory, key) and not any(isinstance(value, dict) for value in values_of(override)):
        return _wrong_option(text, override, around)
    if not around.known:
        return None  # conf/ is broken itself
    if override.is_add():
        there = exists(around.known, key)
        said = f"{text}: {key} is there already; allowed: {key}=value"
        return OverrideError(said, text=text, instead=[[f"{key}={written}"], *around.usual(key)]) if there else None
    if not exists(around.known, key):
        return _unknown(text, key, written, around)
    is_text = isinstance(value_at(around.known, key), str)
    if override.is_delete():
        return _undeletable(text, override, around)
    if isinstance(override._value, QuotedString) and _SWEEP.match(override._value.text) and not is_text:
        said = f"{text}: in quotes it is text, and no values to choose from"
        instead = [*_rewritten(key, override._value.text, around), *around.usual(key)]
        return OverrideError(said, text=text, instead=instead)
    inner = (_unknown_inside(text, key, value, around) for value in values_of(override))
    return next(filter(None, inner), None)


def _unreadable(text: str, around: OverrideContext) -> OverrideError:  # noqa: PLR0911 - one for each kind of mistake
    if text.startswith("-"):
        said = f"{text}: there is no such flag; allowed: key=value, --help, --debug"
        return OverrideError(said, text=text, otherwise="type: --help")
    key, equals, value = (part.strip() for part in text.partition("="))
    if is_a_table_path(value or text, around.directory.parent) and key in {"data", text}:
        return _a_table(value or text, text, around)
    if not equals:
        here = [*children(around.known, ""), *groups(around.directory), *paths(around.known)]
        word = next(iter(key.split()), "")
        meant = [word] if word in here else nearest(word, here)[:1]
        usual = [each for name in meant for each in around.usual(name)]
        said = f"{text!r} is no setting; allowed: key=value, without spaces around ="
        return OverrideError(said, text=text, instead=usual, otherwise=_HELP)
    said = (
        f"{text!r} cannot be read; allowed: key=value; a value with spaces, brackets, commas or = stands in two pairs "
        "of quotes"
    )
    plain = key.lstrip("+~")
    if not plain:
        return OverrideError(said, text=text, otherwise=_HELP)
    is_known = is_group(around.directory, plain) or exists(around.known, plain)
    if plain == key and not is_known and not key.startswith("hydra"):
        return _unknown(text, key, to_override_value(value), around)
    rewritten = [*_rewritten(key, value, around), *around.usual(plain)]
    several = next((each for each in rewritten if _is_several(each[0])), None)
    if several and not around.multirun:
        found = _needs_multirun(several[0], parse_override(several[0]), replace(around, several=None), said=said)
        found.text = text
        return found
    return OverrideError(said, text=text, instead=rewritten)


def _rewritten(key: str, value: str, around: OverrideContext) -> Iterator[list[str]]:
    """An override that cannot be read, in each of the ways that it may have been meant, those that can be read."""
    inside = re.fullmatch(r"choice\((.*)\)", unquoted(value), re.S)
    meant = [value, *([inside[1]] if inside else [])]
    if value.startswith("[") or isinstance(value_at(around.known, key.lstrip("+~")), list):
        meant.append(to_override_value(names_in(value.removeprefix("[").removesuffix("]")), typed=True))
    meant.append(to_override_value(value.strip("'\"") if unquoted(value) == value else unquoted(value), typed=True))
    for each in dict.fromkeys(meant):
        try:
            parse_override(f"{key}={each}")
        except HydraException:
            continue
        yield [f"{key}={each}"]


def _is_several(text: str) -> bool:
    return bool(parse_override(text).is_sweep_override())


def _needs_multirun(text: str, override: Override, around: OverrideContext, *, said: str = "") -> OverrideError:
    key, _, written = text.partition("=")
    found, value = values_of(override), override.value()
    ends = [value.start, value.end] if isinstance(value, IntervalSweep) else found
    each = [assignment(key, one) for one in ends]
    got = f"{len(found)} values" if found else "a range of values"
    as_one = [[f"{key}=[{written}]"]] if isinstance(value_at(around.known, key), list) else []
    if key.startswith("hydra."):
        as_one = [[assignment(key, written)]]
    if around.several is not None and each and not as_one and all(map(around.accepts, each)):
        said = said or f"{text} names {got}; allowed: one, or several with -m"
        return OverrideError(said, text=text, otherwise=f"type: {around.several}, a run for each")
    instead = [*as_one, *([one] for one in each), *around.usual(key)]
    return OverrideError(said or f"{text} names {got}; allowed: one", text=text, instead=instead)


def _of_hydra(text: str, override: Override, around: OverrideContext) -> OverrideError | None:
    """Hydra's own settings: its words for an unknown one are those of a dataclass."""
    key, known = override.key_or_group, {"hydra": around.hydra()}
    if not known["hydra"] or exists(known, key) or override.is_add() or override.is_force_add():
        return None
    to_see = "python src/train.py --cfg hydra, which shows every key"
    return _unknown(text, key, text.partition("=")[2], replace(around, known=known, to_see_keys=to_see))


def _undeletable(text: str, override: Override, around: OverrideContext) -> OverrideError | None:
    key, usual = override.key_or_group, value_at(around.known, override.key_or_group)
    if usual is None:
        said = f"{text}: {key} is null, so there is nothing to delete; allowed: to leave it out, or another value"
        return OverrideError(said, text=text, instead=[[f"{key}=null"]])
    if override.value() is not None and override.value() != usual:
        said = f"{text}: {key} is {to_override_value(usual)}; allowed: ~{key}, or {key}=value"
        return OverrideError(said, text=text, instead=[[f"~{key}"], *around.usual(key)])
    return None


def _wrong_option(text: str, override: Override, around: OverrideContext) -> OverrideError | None:
    group, names = override.key_or_group, options(around.directory, override.key_or_group)
    stands = around.choices.get(group)
    if override.is_delete():
        if stands is None:
            return None
        said = f"{text}: every run has a {group}; {suggestion('', names)}"
        return OverrideError(said, text=text, instead=around.usual(group))
    values = values_of(override)
    for value in values:
        if isinstance(value, str | int) and str(value) in names:
            continue
        if group == "data" and is_a_table_path(str(value), around.directory.parent):
            return _a_table(str(value), text, around)
        what = "there is no such option" if isinstance(value, str) else "a choice is the name of an option"
        got = to_override_value(value) if value != "" else ""
        best = nearest(str(value), names) if value is not None else []
        rest = [str(each) for each in values if str(each) in names]
        close = [[f"{group}={','.join([*rest, *([name] if name not in rest else [])])}"] for name in best]
        close += [[f"{group}={','.join(rest)}"]] if rest else []
        said = f"{group}={got}: {what}; {suggestion(str(value), names)}"
        if not close and re.fullmatch(r"[A-Za-z_]\w*", str(value or "")) and isinstance(value, str):
            said += f"; a new one is a file conf/{group}/{value}.yaml"
        if close or stands is not None:
            return OverrideError(said, text=text, instead=close, otherwise=_HELP)
        return OverrideError(said, text=text, instead=[[f"~{group}"]], note=", for none of them")
    return None


def _a_table(path: str | None, text: str, around: OverrideContext) -> OverrideError:
    """A table or a folder of a person's own where conf/data has no such option, or the option is another one."""
    typed, root = typed_values(around.others), around.directory.parent
    where = str(path or typed.get("data.path") or text.partition("=")[2])
    if "data.target" not in typed and holds_pictures(root / Path(where).expanduser()):
        said = f"{text}: pictures of your own are data=folder"
        return OverrideError(said, text=text, instead=[["data=folder", assignment("data.path", where)]])
    said = f"{text}: a table of your own is data=table"
    return to_describe(path or typed.get("data.path"), typed.get("data.target"), root, said=said, text=text)


def _unknown(text: str, key: str, written: str, around: OverrideContext) -> OverrideError:
    """An unknown key: the names that stand beside its first wrong part, and the same override mended."""
    parts = key.replace("/", ".").split(".")
    depth = next((i for i in range(len(parts)) if not exists(around.known, ".".join(parts[: i + 1]))), len(parts) - 1)
    parent = ".".join(parts[:depth])
    siblings = children(around.known, parent) or []
    if not parent:
        siblings = sorted({*siblings, *groups(around.directory)})
    elif not siblings and value_at(around.known, parent) is None:
        inner = "".join(f"{{{part}: " for part in parts[depth:]) + written + "}" * (len(parts) - depth)
        said = f"{key}: {parent} is null, no key can be set inside it; allowed: a mapping"
        return OverrideError(said, key=key, text=text, instead=[[f"{parent}={inner}"], *around.usual(parent)])
    elif value_at(around.known, parent) == {}:
        said = f"{key}: there is no such key, {parent} is empty; allowed: +{key}=value, to add one"
        return OverrideError(said, text=text, instead=[[f"+{key}={written}"], *around.usual(parent)])
    elif not siblings:
        said = f"{key}: there is no such key, {parent} is one value; allowed: {parent}=value"
        return OverrideError(said, text=text, instead=[[f"{parent}={written}"], *around.usual(parent)])
    group, _, inside = key.partition(".")
    having = options(around.directory, group) if depth and is_group(around.directory, group) else []
    having = [each for each in having if exists(content(around.directory / group / f"{each}.yaml"), inside)]
    if having and group == "data" and set(having) <= set(OPTIONS):
        return _a_table(None, text, around)
    better = _better_keys(parts, depth, siblings, around)
    close = better or nearest(parts[depth], siblings)
    hint = f"nearest: {', '.join(close)}; " if close else ""
    said = f"{key}: there is no such key; {hint}allowed{' in ' + parent if parent else ''}: {listed(siblings)}"
    instead = [[f"{name}={written}"] for name in better] if written else []
    if (target := _taking(parent, ".".join(parts[depth:]), around)) and written:
        said += f", and +{key}, which {target} takes"
        instead.insert(0, [f"+{key}={written}"])
    usual = [each for name in better for each in around.usual(name)]
    if having:
        said += f"; it is one of {listed(f'{group}={each}' for each in having)}"
        instead = [*([f"{group}={each}", text] for each in having), *instead]
    otherwise = f"type: {around.to_see_keys}, or leave it out"
    return OverrideError(said, text=text, instead=[*instead[:1], *usual[:1], *instead[1:]], otherwise=otherwise)


def _taking(section: str, name: str, around: OverrideContext) -> str:
    """The class that a section names, where its constructor has such an argument: Hydra adds it with a plus alone."""
    target = typed_values(around.others).get(f"{section}._target_") or value_at(around.known, f"{section}._target_")
    try:
        return str(target) if name in inspect.signature(class_at(target, key=section)).parameters else ""
    except Exception:  # noqa: BLE001 - whoever builds it says what is wrong with it
        return ""


def _better_keys(parts: list[str], depth: int, siblings: list[str], around: OverrideContext) -> list[str]:
    """Keys that may have been meant, best first: the same name elsewhere, then similar names in the same place."""
    leaves = {path: path.rpartition(".")[2] for path in paths(around.known)} if depth == 0 else {}
    elsewhere = [path for path, leaf in leaves.items() if leaf == parts[-1]]
    if not elsewhere and not nearest(parts[0], siblings):
        elsewhere = [path for near in nearest(parts[-1], leaves.values()) for path in leaves if leaves[path] == near]
    similar = [".".join([*parts[:depth], name, *parts[depth + 1 :]]) for name in nearest(parts[depth], siblings)]
    right = [path for path in similar if exists(around.known, path) or is_group(around.directory, path)]
    return list(dict.fromkeys([*elsewhere, *right]))[:3]


def _unknown_inside(text: str, key: str, value: Any, around: OverrideContext) -> OverrideError | None:
    """An unknown key of a mapping that is given to a mapping of conf/: the whole of it, mended."""
    if not isinstance(value, dict) or not children(around.known, key):
        return None
    for name, inner in value.items():
        path = f"{key}.{name}"
        found = _unknown_inside(text, path, inner, around)
        if not exists(around.known, path):
            found = _unknown(text, path, to_override_value(inner), around)
        if found is not None:
            top = text.partition("=")[0]
            close = nearest(str(name), children(around.known, key))
            whole = [{(close[0] if each == name else each): one for each, one in value.items()}] if close else []
            mended = [[assignment(key, one)] for one in whole if top == key]
            found.instead = [*mended, *found.instead]
            return found
    return None
