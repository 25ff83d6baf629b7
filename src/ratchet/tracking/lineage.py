"""What a run read and made, for W&B's lineage graph: names and hashes. The bytes stay in DVC."""

from __future__ import annotations

import configparser
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ratchet.config.data_sections import DataConfig
from ratchet.config.schema import Config
from ratchet.files import read_json
from ratchet.project import Project
from ratchet.runs.directory import RunDirectory
from ratchet.runs.record import RunRecord
from ratchet.yaml_files import read_yaml


@dataclass(frozen=True)
class Material:
    """A data set, a model or an evaluation. Equal references are the same version of it."""

    kind: Literal["dataset", "model", "evaluation"]
    name: str
    references: Mapping[str, str]  # path: `dvc:md5/<hash>` where DVC holds it, else its checksum
    metadata: Mapping[str, Any] = field(default_factory=dict)


def data_materials(project: Project, data: DataConfig, *, data_hash: str) -> tuple[Material, Material]:
    """The raw and the prepared data of a run, with DVC's hashes where dvc.lock is of these very arrays."""
    hashes = _dvc_hashes(project, data.name)
    raw_path, prepared_path = f"data/raw/{data.name}", f"data/prepared/{data.name}"
    checksums = {file.name: file.checksum for file in data.files}
    known = hashes is not None
    raw = Material(
        "dataset", f"{data.name}-raw",
        {raw_path: f"dvc:md5/{hashes[0]}"} if hashes else {f"{raw_path}/{n}": sum_ for n, sum_ in checksums.items()},
        {"path": raw_path, "dvc_md5": hashes[0] if hashes else None, "checksums": checksums},
    )  # fmt: skip
    prepared = Material(
        "dataset", f"{data.name}-prepared",
        {prepared_path: f"dvc:md5/{hashes[1]}" if hashes else f"sha256:{data_hash}"},
        {"path": prepared_path, "dvc_md5": hashes[1] if hashes else None, "data_hash": data_hash, "in_dvc": known},
    )  # fmt: skip
    return raw, prepared


def model_material(project: Project, run: RunDirectory, record: RunRecord, config: Config) -> Material | None:
    """The best checkpoint of a run; None where it has none."""
    if not run.best_checkpoint.is_file():
        return None
    metadata: dict[str, Any] = {
        "path": _shown(run.best_checkpoint, project),
        "run": record.id,
        "data_hash": record.data["hash"],
        "config_hash": record.config_hash,
        "git_revision": record.git.get("revision"),
        "parameters": record.parameters,
    }
    if record.best is not None:
        metadata |= {record.best.metric: record.best.value}
    references = _references([run.best_checkpoint], project)
    return Material("model", f"{config.data.name}-{config.model.name}", references, metadata)


def evaluation_material(project: Project, output: Path, metrics: Mapping[str, Any], config: Config) -> Material:
    """The files of an evaluation that do not depend on when it was made."""
    files = [path for path in (output / "metrics.json", output / "predictions.csv") if path.is_file()]
    name = f"{config.data.name}-{config.model.name}-evaluation"
    return Material("evaluation", name, _references(files, project), dict(metrics))


def _references(files: list[Path], project: Project) -> dict[str, str]:
    """A file's md5 is DVC's name for it, where DVC has it; a champion's metrics.json is git's."""
    found = {}
    for path in files:
        held = path.resolve().is_relative_to(project.champion.resolve()) and path.name != "metrics.json"
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "md5").hexdigest()
        found[path.name] = f"dvc:md5/{digest}" if held else f"md5:{digest}"
    return found


def _shown(path: Path, project: Project) -> str:
    inside = path.resolve().is_relative_to(project.root.resolve())
    return str(path.resolve().relative_to(project.root.resolve())) if inside else path.name


def _dvc_hashes(project: Project, dataset: str) -> tuple[str, str] | None:
    """DVC's hashes of the raw and of the prepared data, from the stage of dvc.lock that made one of the other.

    None where dvc.lock does not know the data, or where other arrays lie there now: the data card, which has their
    hash, is compared with the one that DVC has listed.
    """
    for made, read in _stages(project):
        prepared, raw = made.get(f"data/prepared/{dataset}"), read.get(f"data/raw/{dataset}")
        if prepared and raw and _holds_the_card(project, prepared, project.prepared(dataset) / "card.json"):
            return raw, prepared
    return None


def _stages(project: Project) -> list[tuple[dict[str, str], dict[str, str]]]:
    """What each stage of dvc.lock made and what it read: hashes by path. None where no pipeline has run."""
    try:
        content = read_yaml(project.root / "dvc.lock")
        return [(_hashes(stage.get("outs")), _hashes(stage.get("deps"))) for stage in content["stages"].values()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []


def _hashes(entries: Any) -> dict[str, str]:
    return {str(entry["path"]): str(entry["md5"]) for entry in entries or [] if "md5" in entry}


def _holds_the_card(project: Project, directory_hash: str, card: Path) -> bool:
    listing = _cache(project) / "files" / "md5" / directory_hash[:2] / directory_hash[2:]
    try:
        listed = {entry["relpath"]: entry["md5"] for entry in read_json(listing)}
        found = hashlib.md5(card.read_bytes(), usedforsecurity=False).hexdigest()
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return listed.get(card.name) == found


def _cache(project: Project) -> Path:
    """DVC's cache: `cache.dir` of .dvc/config.local or .dvc/config, relative to .dvc/, or .dvc/cache."""
    folder = project.root / ".dvc"
    settings = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        settings.read([folder / "config", folder / "config.local"], encoding="utf-8")
    except (configparser.Error, OSError, ValueError):
        return folder / "cache"
    return folder / settings.get("cache", "dir", fallback="cache")
