"""data=table and data=folder: what a person says of a file or a folder becomes the whole config of a data set."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from warnings import catch_warnings

from omegaconf import OmegaConf

from ratchet.config import folders
from ratchet.config.checksums import noted, sha256_of
from ratchet.config.environment import Reference
from ratchet.config.hints import OverrideError, to_type
from ratchet.errors import ConfigError, DataError
from ratchet.names import listed, nearest, short
from ratchet.project import Project
from ratchet.tables import (
    NoColumnError,
    Setting,
    TableError,
    TableSettings,
    TargetColumn,
    columns_of,
    describe_target_column,
)
from ratchet.texts import TOKENIZER, tokenizer_checksum

SAID: Final = (
    "path",
    "target",
    "ignore",
    "types",
    "separator",
    "decimal",
    "thousands",
    "missing",
    "object",
    "id",
    "group",
    "time",
    "split",
)  # in conf/data/table.yaml
_FILE = re.compile(r"\.(csv|tsv|txt|parquet|pq|jsonl|ndjson)(\.gz)?$", re.I)
TEXT: Final = ("text", "vocabulary", "max_length", "tokenizer")  # in conf/data/text.yaml, beside those of a table
READER: Final = "ratchet.data.table_file.read"  # for the record; a table is read by its settings


SECTIONS: Final = ("table", "folder")  # what is said of them, once it is completed
OPTIONS: Final = ("table", "folder", "text")  # of conf/data, each completed from what a person's files are


def is_described(data: Mapping[str, Any]) -> bool:
    """Whether a section data is as conf/data/table.yaml or folder.yaml has it, not yet completed."""
    said = (data.get("path"), data.get("target"), data.get("text"))
    return "path" in data and "???" not in said  # else validation says what is missing


def completed(data: Mapping[str, Any], *, project: Project | None = None) -> dict[str, Any]:
    """The section data with all that follows from the file: name, checksum, kind of the target, classes.

    Raises ConfigError and DataError for a file or a column that is not there, and a target that teaches nothing.
    """
    project = project or Project.find()
    if "target" not in data:
        return folders.completed_folder({**data, "name": table_name(data)}, project=project)
    if "text" in data and isinstance(data["path"], str) and (project.root / Path(data["path"]).expanduser()).is_dir():
        idle = [name for name in (*SAID[1:], "text") if data.get(name) not in (None, [], ".")]
        if idle:
            told = f"data.path={data['path']} is a folder, whose folders are the classes: data.{idle[0]} says nothing"
            raise OverrideError(told, instead=[[f"data.{name}=null" for name in idle]])
        table = {"path": data["path"], **tokens_of(data, project)}
        found = folders.completed_texts(data["path"], table, project=project)
        return {**_others(data), **found, "name": table_name(data)}
    if "text" in data and not (data["text"] and data["target"]):
        raise texts_asked(data)
    target = data["target"]
    if not isinstance(data["path"], str) or not target:
        raise ConfigError(
            f"data.path={data['path']} and data.target={target}: a table needs both; "
            "type: data=table data.path=<file> data.target=<column>"
        )
    if not isinstance(types := data.get("types") or {}, Mapping):
        said = f"data.types is {types}; allowed: a mapping of columns, each to number, category or date"
        raise OverrideError(said, example=["'data.types={<column>: category}'"])
    table = {name: data[name] for name in SAID if data.get(name) is not None}
    if "text" in data:
        table |= _text(data, project)
    for name in {"target", "ignore", "missing"} & table.keys():
        table[name] = [str(each) for each in (table[name] if isinstance(table[name], list) else [table[name]])]
    file = project.root / Path(data["path"]).expanduser()
    if not file.is_file():
        from ratchet.config.grammar import assignment

        near, told = _file_meant(data["path"], project.root)
        instead = [[assignment("data.path", near)]] if near != data["path"] else []
        said = f"data.path={data['path']}: {told.removeprefix('; ')}"
        raise OverrideError(said, key="data.path", instead=instead, example=["data.path=<file>"])
    checksum, target_column = _described(file, table, data.get("target_kind"), project=project)
    return {
        **_others(data),
        "name": table_name(data),
        "table": table,
        "layout": "text" if "text" in table else "table",
        "shape": None,
        "target_kind": target_column.kind,
        "classes": list(target_column.classes),
        "files": [{"name": file.name, "checksum": f"sha256:{checksum}", "checksum_of": "file"}],
        "sources": [{"kind": "folder", "path": str(Path(data["path"]).parent)}],
        "reader": READER,
    }


def _others(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key not in {*SAID, *TEXT, "name", "target_kind"}}


def texts_asked(data: Mapping[str, Any]) -> OverrideError:
    """What is said where somebody names no file of texts, or not all that it needs."""
    from ratchet.config.grammar import assignment

    shown_as = {"path": "<file>", "text": "<column>", "target": "<column>"}
    words = [
        f"data.{name}={what}" if data[name] in (None, "???") else assignment(f"data.{name}", data[name])
        for name, what in shown_as.items()
    ]
    said = "texts need their file, their column and the column to predict; or a folder, in it one for each class"
    return OverrideError(said, example=["data=text", *words])


def _text(data: Mapping[str, Any], project: Project) -> dict[str, Any]:
    """What the section data.table says of texts: their column, and how they are cut into tokens."""
    column = data["text"]
    targets = data["target"] if isinstance(data["target"], list) else [data["target"]]
    if not isinstance(column, str) or column in targets:
        said = f"data.text={column}: allowed: the name of a column, and not of data.target"
        raise OverrideError(said, example=["data.text=<column>"])
    return {"text": column, **tokens_of(data, project)}


def tokens_of(data: Mapping[str, Any], project: Project) -> dict[str, Any]:
    """What the section data.table says of tokens."""
    folder = data.get("tokenizer")
    section = {key: data[key] for key in TEXT[1:] if key in data}
    if folder is not None:
        where = project.root / Path(str(folder)).expanduser()
        section["tokenizer_checksum"] = noted(
            [where / TOKENIZER], "tokenizer",
            lambda: {"checksum": tokenizer_checksum(where, said=f"data.tokenizer={folder}")}, project=project,
        )["checksum"]  # fmt: skip
    return section


def where_completed(reference: Reference, data: Mapping[str, Any]) -> Iterator[Reference]:
    """The places of a reference to the environment once the section data is completed."""
    option, said = ("table", (*SAID, *TEXT)) if "target" in data else ("folder", folders.SAID)
    match reference.path:
        case ("data", str(key), *rest) if key in said:
            _, written, value = reference
        case _:
            yield reference
            return
    alone = [0] if key == "target" and not rest else []
    yield Reference(("data", option, key, *rest, *alone), written, value)
    folder, _, last = written.rpartition("/")
    if key == "path" and folder and "}" not in last:
        yield Reference(("data", "sources", 0, "path"), folder, str(Path(value).parent))


def table_name(data: Mapping[str, Any]) -> str:
    """What the data are called: as somebody said, else as a table's file is."""
    stem = Path(str(data.get("path", ""))).name.partition(".")[0]
    return str(data.get("name") or re.sub(r"[^A-Za-z0-9_-]+", "_", stem).strip("_-") or "table")


def data_name(choice: str, overrides: Sequence[str]) -> str:
    """What conf/tuned/ calls the data of a choice: by its option, or by what the overrides describe."""
    if choice not in OPTIONS:
        return choice
    said = typed_values(overrides)
    return table_name({"path": said.get("data.path", ""), "name": said.get("data.name")})


def typed_values(overrides: Sequence[str]) -> dict[str, Any]:
    """What overrides say, by their keys, but for those of several values and those that cannot be read."""
    from hydra.errors import HydraException

    from ratchet.config.grammar import parse_override

    said: dict[str, Any] = {}
    for text in overrides:
        with suppress(HydraException):
            override = parse_override(text)
            if not override.is_sweep_override():
                said[override.key_or_group] = override.value()
    return said


with catch_warnings(action="ignore"):  # OmegaConf 2.4 has another name for this function
    OmegaConf.register_new_resolver("name_of_data", table_name, replace=True)  # of hydra.run.dir


def is_a_table_path(text: str, root: Path) -> bool:
    """Whether somebody means a table's file, or a folder of them, by what stands where a name is expected."""
    return bool(_FILE.search(text)) or ("/" in text and (root / Path(text).expanduser()).exists())


def to_describe(path: str | None, target: Any, root: Path, *, said: str, text: str = "") -> OverrideError:
    """A mistake whose hint is all that describes a table; what nobody said of it is left to be filled in."""
    from ratchet.config.grammar import assignment  # it imports Hydra, and looking at runs does not

    words = ["data=table", "data.path=<file>", "data.target=<column>"]
    if path is not None:
        path, told = _file_meant(path, root)
        words[1] = assignment("data.path", path)
        columns = [] if target else columns_of(root / Path(path).expanduser())
        said += told + (f"; its columns: {listed(map(short, columns))}" if columns else "")
    if target:
        words[2] = assignment("data.target", target)
    return OverrideError(said, text=text, instead=[words] if path and target else [], example=words)


def _file_meant(path: str, root: Path) -> tuple[str, str]:
    """The file that is likest what somebody wrote, and what is wrong with that; the same where there is none."""
    file = root / Path(path).expanduser()
    if file.is_file():
        return path, ""
    folder = file if file.is_dir() else file.parent
    here = sorted(each.name for each in folder.iterdir() if _FILE.search(each.name)) if folder.is_dir() else []
    if folder == file:
        near, told = here, f"; {file} is a folder, allowed: a file; its tables: {listed(here)}"
    else:
        by_stem = {name.partition(".")[0]: name for name in sorted(here, key=lambda each: each.endswith(file.suffix))}
        near = [by_stem[stem] for stem in nearest(file.name.partition(".")[0], by_stem)]
        told = f"; {file} is missing; {f'nearest: {near[0]}; ' if near else ''}allowed: .csv, .csv.gz, .jsonl, .parquet"
    return (str((Path(path) if folder == file else Path(path).parent) / near[0]) if near else path), told


def settings_of(table: Mapping[str, Any]) -> TableSettings:
    """How a table is read, by the section data.table."""
    return TableSettings(
        target=tuple(table["target"]),
        ignore=tuple(table.get("ignore") or ()),
        types=dict(table.get("types") or {}),
        separator=table.get("separator"),
        decimal=table.get("decimal") or ".",
        thousands=table.get("thousands"),
        missing=tuple(str(text) for text in table.get("missing") or ()),
        **{name: table.get(name) for name in ("object", "id", "group", "time", "split", "text")},
    )


def as_typed(said: Iterable[str | Setting], table: Mapping[str, Any]) -> str:
    """A sentence with its settings as they are typed, for the section data.table they are added to."""
    return "".join(part if isinstance(part, str) else to_type(*_overrides(part, table)) for part in said)


def _overrides(setting: Setting, table: Mapping[str, Any]) -> Iterator[str]:
    from ratchet.config.grammar import assignment

    key = "data." if table.get("path") else "++data.table."
    name, value, asked = setting.name, setting.typed, table.get(setting.name)
    if setting.column and setting.column == table.get("time"):
        yield assignment(f"{key}time", None)  # what is no time cannot be what the splits are made by
    if isinstance(value, dict):
        value = {**(asked or {}), **value}
    elif isinstance(value, list):
        value = [*(asked or ()), *value]
    try:
        yield assignment(key + name, value)
    except ConfigError:  # Hydra's grammar has no such key of a mapping
        yield assignment(
            f"{key}ignore", [*(table.get("ignore") or ()), *(each for each in value if each not in (asked or {}))]
        )


def _described(file: Path, table: Mapping[str, Any], kind: Any, *, project: Project) -> tuple[str, TargetColumn]:
    """The file's sha256 and its target's description; kept beside the data for as long as the file stays the same."""
    found = noted([file], [kind, dict(table)], lambda: _read_now(file, table, kind), project=project)
    return found["checksum"], TargetColumn(found["kind"], tuple(found["classes"]))


def _read_now(file: Path, table: Mapping[str, Any], kind: Any) -> dict[str, Any]:
    try:
        found = describe_target_column(file, settings_of(table), asked=kind)
    except NoColumnError as error:
        other = [] if error.column in (*table["target"], table.get("text")) else [None]
        instead = [_with_another(table, error.column, near) for near in [*error.nearest, *other]]
        raise OverrideError(str(error), instead=instead, otherwise="type: data.target=<column>") from error
    except TableError as error:
        raise DataError(as_typed(error.said, table)) from error
    return {"checksum": sha256_of(file), "kind": found.kind, "classes": list(found.classes)}


def _with_another(table: Mapping[str, Any], column: str, name: str | None) -> list[str]:
    """The setting that names a column, as an override that names another in its place, or none."""
    from ratchet.config.grammar import assignment

    for key in ("target", "ignore", "types", "id", "group", "time", "split", "text"):
        given: Any = table.get(key)
        if given == column:
            return [assignment(f"data.{key}", name)]
        if column in (given or ()) and not isinstance(given, str):
            others = [(name if each == column else each) for each in given if name or each != column]
            if key == "types":
                return [assignment("data.types", {one: given.get(one, given[column]) for one in others} or None)]
            return [assignment(f"data.{key}", others if key != "target" or len(others) > 1 else others[0])]
    return []
