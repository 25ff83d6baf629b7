"""data=table: what a person says of a table's file becomes the whole config of a data set."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, NoReturn

from omegaconf import OmegaConf

from ratchet.config.environment import Reference
from ratchet.config.hints import MistakeError
from ratchet.errors import ConfigError
from ratchet.files import write_atomically
from ratchet.project import Project
from ratchet.tables import NoColumnError, TableSettings, TargetColumn, describe_target_column

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
READER: Final = "ratchet.data.table_file.read"  # for the record; a table is read by its settings


def is_table(data: Mapping[str, Any]) -> bool:
    """Whether a section data is as conf/data/table.yaml has it, not yet completed."""
    return "path" in data and "???" not in (data["path"], data.get("target"))  # else validation says what is missing


def completed(data: Mapping[str, Any], *, project: Project | None = None) -> dict[str, Any]:
    """The section data with all that follows from the file: name, checksum, kind of the target, classes.

    Raises ConfigError and DataError for a file or a column that is not there, and a target that teaches nothing.
    """
    project = project or Project.find()
    target = data.get("target")
    if not isinstance(data["path"], str) or not target:
        raise ConfigError(
            f"data.path={data['path']} and data.target={target}: a table needs both; "
            "type: data=table data.path=<file> data.target=<column>"
        )
    table = {name: data[name] for name in SAID if data.get(name) is not None}
    table["target"] = [target] if isinstance(target, str) else list(target)
    file = project.root / Path(data["path"]).expanduser()
    if not file.exists():
        _refuse_missing(data["path"], file)
    checksum, found = _described(file, table, data.get("target_kind"), project=project)
    rest = {key: value for key, value in data.items() if key not in {*SAID, "name", "target_kind"}}
    return {
        **rest,
        "name": table_name(data),
        "table": table,
        "layout": "table",
        "shape": None,
        "target_kind": found.kind,
        "classes": list(found.classes),
        "files": [{"name": file.name, "checksum": f"sha256:{checksum}", "checksum_of": "file"}],
        "sources": [{"kind": "folder", "path": str(Path(data["path"]).parent)}],
        "reader": READER,
    }


def where_completed(reference: Reference) -> Iterator[Reference]:
    """The places of a reference to the environment once the section data is completed."""
    match reference.path:
        case ("data", str(key), *rest) if key in SAID:
            _, written, value = reference
        case _:
            yield reference
            return
    alone = [0] if key == "target" and not rest else []
    yield Reference(("data", "table", key, *rest, *alone), written, value)
    folder, _, last = written.rpartition("/")
    if key == "path" and folder and "}" not in last:
        yield Reference(("data", "sources", 0, "path"), folder, str(Path(value).parent))


def table_name(data: Mapping[str, Any]) -> str:
    """What the data are called: as somebody said, else as a table's file is."""
    stem = Path(str(data.get("path", ""))).name.partition(".")[0]
    return str(data.get("name") or re.sub(r"[^A-Za-z0-9_-]+", "_", stem).strip("_-") or "table")


def data_name(choice: str, overrides: Sequence[str]) -> str:
    """What conf/tuned/ calls the data of a choice: by its option, or by the table that the overrides describe."""
    if choice != "table":
        return choice
    from hydra.errors import HydraException

    from ratchet.config.grammar import parse_override

    said: dict[str, Any] = {}
    for text in overrides:
        with suppress(HydraException):
            override = parse_override(text)
            if not override.is_sweep_override():
                said[override.key_or_group] = override.value()
    return table_name({"path": said.get("data.path", ""), "name": said.get("data.name")})


OmegaConf.register_new_resolver("name_of_data", table_name, replace=True)  # of hydra.run.dir


def _refuse_missing(said: str, file: Path) -> NoReturn:
    from ratchet.config.grammar import assignment  # it imports Hydra, and looking at runs does not

    here = [each.name for each in file.parent.iterdir() if each.is_file()] if file.parent.is_dir() else []
    near = [str(Path(said).parent / name) for name in get_close_matches(file.name, here, n=1)]
    told = f"nearest: {near[0]}; " if near else ""
    raise MistakeError(
        f"data.path={said}: {file} is missing; {told}allowed: a .csv, .csv.gz or .parquet",
        instead=[[assignment("data.path", each)] for each in near],
        otherwise="type: data.path=<file>",
    )


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
        **{name: table.get(name) for name in ("object", "id", "group", "time", "split")},
    )


def _described(file: Path, table: Mapping[str, Any], kind: Any, *, project: Project) -> tuple[str, TargetColumn]:
    """The file's sha256 and its target's description; kept beside the data for as long as the file stays the same."""
    settings = settings_of(table)
    status = file.stat() if file.is_file() else None
    stamp = [str(file), kind, dict(table), [status.st_size, status.st_mtime_ns, status.st_ino] if status else None]
    key = hashlib.sha256(json.dumps(stamp, sort_keys=True, default=str).encode()).hexdigest()[:16]
    note = project.root / "data" / ".tables" / f"{key}.json"
    with suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(note.read_text(encoding="utf-8"))
        return kept["checksum"], TargetColumn(kept["kind"], tuple(kept["classes"]))
    try:
        found = describe_target_column(file, settings, asked=kind)
    except NoColumnError as error:
        instead = [_with_another(table, error.column, near) for near in error.nearest]
        raise MistakeError(str(error), instead=instead, otherwise="type: data.target=<column>") from error
    with file.open("rb") as stream:
        checksum = hashlib.file_digest(stream, "sha256").hexdigest()
    with suppress(OSError):  # nothing is lost but time
        note.parent.mkdir(parents=True, exist_ok=True)
        content = {"checksum": checksum, "kind": found.kind, "classes": list(found.classes)}
        write_atomically(note, json.dumps(content).encode())
    return checksum, found


def _with_another(table: Mapping[str, Any], column: str, name: str) -> list[str]:
    """The setting that names a column, as an override that names another in its place."""
    from ratchet.config.grammar import assignment

    def renamed(columns: Iterable[str]) -> list[str]:
        return [name if each == column else each for each in columns]

    columns_of: dict[str, Any] = {
        key: table.get(key) or () for key in ("target", "ignore", "types", "id", "group", "time", "split")
    }
    key = next(key for key, named in columns_of.items() if column in ([named] if isinstance(named, str) else named))
    given = columns_of[key]
    if isinstance(given, str):
        return [assignment(f"data.{key}", name)]
    columns = renamed(given)
    value: Any = dict(zip(columns, given.values(), strict=True)) if key == "types" else columns
    return [assignment(f"data.{key}", value if key != "target" or len(columns) > 1 else columns[0])]
