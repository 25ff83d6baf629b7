"""A challenger's config as conf/tuned/ and params.yaml, without a line of a person's that need not change."""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.scalarstring import SingleQuotedScalarString

from ratchet.config.composition import config_hash, load_config
from ratchet.config.grammar import to_override_value
from ratchet.config.groups import default_choices, is_group, options
from ratchet.config.non_numeric_settings import is_non_numeric
from ratchet.config.schema import Config
from ratchet.config.tree import exists, leaves, value_at
from ratchet.errors import ConfigError, RatchetError
from ratchet.project import Project
from ratchet.promotion.backup import digests
from ratchet.promotion.differences import differences
from ratchet.yaml_files import needs_quotes, read_yaml, yaml_text

_GROUPS = ("optimizer", "scheduler", "augmentation", "trainer")
_ABOVE = ("experiment", "debug")  # what they say would win over conf/tuned/


@dataclass(frozen=True)
class Writing:
    """The files that make the pipeline train a config, as they are to be."""

    params: str
    tuned: str | None  # None: what conf/ has is all there is to say
    tuned_name: str  # <data>_<model>.yaml
    found: Mapping[str, str | None]  # what both were when this was made from them: digests by path

    def require_unchanged(self, project: Project) -> None:
        """Raises RatchetError where somebody has written into one of the files since: that would be lost."""
        for name, digest in digests(project, list(self.found)).items():
            if digest != self.found[name]:
                raise RatchetError(
                    f"{name} has changed since the test began, and promotion would write over it; nothing was written; "
                    f"type: git diff {name}, to see it, git add -A && git commit -m change, to keep it, then the same "
                    "command again: it goes on with the runs that it has"
                )

    @property
    def contents(self) -> dict[str, str | None]:
        """What each file is to hold; None: a tuned file that nothing is left for goes."""
        return {f"conf/tuned/{self.tuned_name}": self.tuned, "params.yaml": self.params}

    def put(self, project: Project) -> None:
        """Write both."""
        from ratchet.files import write_atomically

        for name, content in self.contents.items():
            file = project.root / name
            if content is None:
                file.unlink(missing_ok=True)
            else:
                file.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(file, content.encode())


def tuned_file(project: Project, name: str) -> Path:
    """Return the path of the tuned file of a data set and a model."""
    return project.conf / "tuned" / name


def write_for(target: Config, *, project: Project, header: Sequence[str] = ()) -> Writing:
    """What params.yaml and conf/tuned/<data>_<model>.yaml must say so that the pipeline trains `target`.

    header: comment lines of the tuned file. It is tried out on a copy first. Raises ConfigError where conf/ cannot say
    it any more, because it has changed.
    """
    name = f"{target.data.name}_{target.model.name}.yaml"
    found = digests(project, ["params.yaml", f"conf/tuned/{name}"])
    with tempfile.TemporaryDirectory() as scratch:
        copy = Project(Path(scratch))
        shutil.copytree(project.conf, copy.conf, symlinks=True)
        tuned_file(copy, name).unlink(missing_ok=True)
        chosen = _options(target, conf=project.conf)
        needed = _needed(target, conf=project.conf)
        said = [f"model.{key}={to_override_value(value)}" for key, value in needed.items()]
        base = load_config(copy, [*_overrides(target, chosen, conf=project.conf), *said])
        tuned, inline = _values(target, base, chosen=chosen, conf=project.conf)
        tuned |= {"model": {**needed, **tuned.get("model", {})}} if needed else {}
        params = _edited(project, target, chosen=chosen, inline=inline, tuned=tuned)
        writing = Writing(params, _as_file(tuned, header) if tuned else None, name, found)
        writing.put(copy)
        _require_same(load_config(copy), target)
    return writing


def _require_same(written: Config, target: Config) -> None:
    if config_hash(written) == config_hash(target):
        return
    keys = [key for key in differences(target.plain(), written.plain()) if not _is_left_alone(key)]
    raise ConfigError(
        f"conf/ cannot say this config any more ({', '.join(keys[:3])}): it has changed since; "
        "type: git log conf/, to see what, or train the challenger again"
    )


def _overrides(target: Config, chosen: Mapping[str, str], *, conf: Path) -> list[str]:
    usual = default_choices(conf)
    picked = [f"{group}={option}" for group, option in chosen.items() if option != usual.get(group)]
    said = [f"data.{key}={to_override_value(value)}" for key, value in target.data.described().items()]
    return [
        "params=null", f"data={_option_of('data', target, conf)}", *said, f"model={_option_of('model', target, conf)}",
        *picked, f"seed={target.seed}",
    ]  # fmt: skip


def _needed(target: Config, *, conf: Path) -> dict[str, Any]:
    """The settings of the model for which conf/ has no value: ???, and somebody typed one."""
    option = _section(conf, "model", _option_of("model", target, conf))
    return {key: target.plain()["model"][key] for key, value in option.items() if value == "???"}


def _options(target: Config, *, conf: Path) -> dict[str, str]:
    return {group: _option_of(group, target, conf) for group in _GROUPS}


def _option_of(group: str, target: Config, conf: Path) -> str:
    """The option of a group that a resolved section came from: of the same keys, the one with the fewest other values.

    The default one is preferred, then the one of the same name.
    """
    section = target.plain()[group]
    if group == "data" and target.data.described():
        return target.data.option
    usual = default_choices(conf).get(group)
    if section is None and usual is not None:
        return usual  # a LightningModule does that itself
    ranked = []
    for option in options(conf, group):
        plain = _section(conf, group, option)
        changed = differences(plain, section)
        kind = [key for key in ("name", "_target_") if plain.get(key) != section.get(key)]
        lost = [key for key, (_, now) in changed.items() if now == "absent"]
        ranked.append((len(kind), len(lost), option != usual, option != section.get("name"), len(changed), option))
    if not ranked:
        raise ConfigError(f"conf/{group} has no option; type: git checkout conf")
    return min(ranked)[-1]


def _section(conf: Path, group: str, option: str) -> dict[str, Any]:
    """An option's values, over those of the options in its own defaults list."""
    path = conf / group / f"{option}.yaml"
    loaded: Any = read_yaml(path) or {}
    if not isinstance(loaded, dict) or not isinstance(loaded.get("defaults", []), list):
        raise ConfigError(f"{path} holds no mapping of settings; type: git checkout {path}")
    plain: dict[str, Any] = {}
    for entry in loaded.pop("defaults", []):
        if isinstance(entry, str) and entry != "_self_":
            plain |= _section(conf, group, entry)
    return {**plain, **loaded}


def _values(
    target: Config, base: Config, *, chosen: Mapping[str, str], conf: Path
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What differs from conf/: nested for conf/tuned/; by dotted keys, of groups that params.yaml has to choose."""
    usual = default_choices(conf)
    tuned: dict[str, Any] = {}
    inline: dict[str, Any] = {}
    for key, value in _assignments(base.plain(), target.plain()):
        if _is_left_alone(key) or key == "model.weights_checksum":  # it follows from the files
            continue
        group = key.partition(".")[0]
        if group in chosen and chosen[group] != usual.get(group):
            inline[key] = value
            continue
        *above, leaf = key.split(".")
        node = tuned
        for part in above:
            node = node.setdefault(part, {})
        node[leaf] = value
    return tuned, inline


def _assignments(base: Mapping[str, Any], target: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The dotted keys to set so that `base` becomes `target`. Keys cannot be taken away: _require_same sees that."""
    for key, value in target.items():
        before = base.get(key)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            yield from _assignments(before, value, f"{prefix}{key}.")
        elif key not in base or before != value or type(before) is not type(value):
            yield f"{prefix}{key}", value


def _is_left_alone(key: str) -> bool:
    return key == "seed" or is_non_numeric(key)


def _as_file(tuned: Mapping[str, Any], header: Sequence[str]) -> str:
    comments = "".join(f"# {line}\n" for line in header)
    return "# @package _global_\n" + comments + yaml_text(tuned)


def _edited(
    project: Project, target: Config, *, chosen: Mapping[str, str], inline: Mapping[str, Any], tuned: Mapping[str, Any]
) -> str:
    """Params.yaml with the choices of the challenger; comments and what says the same stay."""
    editor = YAML()
    editor.preserve_quotes = True
    editor.width = 4096
    editor.indent(mapping=2, sequence=4, offset=2)
    text = project.params.read_text(encoding="utf-8") if project.params.is_file() else ""
    loaded = editor.load(text)
    params = loaded if isinstance(loaded, CommentedMap) else CommentedMap()
    usual = default_choices(project.conf)
    wanted = {group: _option_of(group, target, project.conf) for group in ("data", "model")} | dict(chosen)
    for group, option in wanted.items():
        if group in ("data", "model") or option != usual.get(group):
            _set(params, group, option)
        elif group in params and (params[group] != option or group in tuned):
            del params[group]  # who names the default wants it plain, without tuned values
    for key in [key for key in params if key in _ABOVE]:
        del params[key]
    said = target.data.described()
    plain = target.plain()
    plain["data"] |= said
    _drop_others(params, plain, project.conf)
    for key, value in {**{f"data.{key}": value for key, value in said.items()}, **inline}.items():
        if key not in params:
            _set_inline(params, key, value)
    stream = io.StringIO()
    editor.dump(params, stream)
    return stream.getvalue()


def _set(params: CommentedMap, key: str, value: Any) -> None:
    """Leave the line alone where it says that already."""
    if params.get(key) != value:
        params[key] = _quoted(value)


def _drop_others(params: CommentedMap, plain: Mapping[str, Any], conf: Path) -> None:
    """Values that say something else than the challenger's config go: they would win over conf/tuned/."""
    for key in [key for key in params if key not in ("overrides", "seed") and not is_group(conf, str(key))]:
        if not _says_the_same(str(key), params[key], plain):
            del params[key]
    overrides = params.get("overrides")
    if isinstance(overrides, CommentedMap):
        _prune(overrides, "", plain)


def _prune(node: CommentedMap, prefix: str, plain: Mapping[str, Any]) -> None:
    for key in list(node):
        dotted = f"{prefix}{key}"
        if isinstance(node[key], CommentedMap) and node[key] and isinstance(value_at(plain, dotted), Mapping):
            _prune(node[key], f"{dotted}.", plain)
            if not node[key]:
                del node[key]
        elif not _says_the_same(dotted, node[key], plain):
            del node[key]


def _says_the_same(key: str, value: Any, plain: Mapping[str, Any]) -> bool:
    if _is_left_alone(key):
        return True
    if isinstance(value, Mapping):
        return all(_says_the_same(f"{key}.{inner}", each, plain) for inner, each in leaves(value))
    try:
        return exists(plain, key) and to_override_value(value) == to_override_value(value_at(plain, key))
    except RatchetError:
        return False


def _set_inline(params: CommentedMap, key: str, value: Any) -> None:
    if not isinstance(params.get("overrides"), CommentedMap):
        params["overrides"] = CommentedMap()
    node = params["overrides"]
    *above, leaf = key.split(".")
    for part in above:
        if not isinstance(node.get(part), CommentedMap):
            node[part] = CommentedMap()
        node = node[part]
    node[leaf] = _quoted(value)


def _quoted(value: Any) -> Any:
    """Text that reads as text also where params.yaml is read: ruamel.yaml would write `no` and `1e-4` plainly."""
    if isinstance(value, list):
        return [_quoted(each) for each in value]
    if isinstance(value, Mapping):
        return {key: _quoted(each) for key, each in value.items()}
    return SingleQuotedScalarString(value) if isinstance(value, str) and needs_quotes(value) else value
