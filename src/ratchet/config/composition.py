"""conf/, params.yaml and overrides become one plain, checked config."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

from ratchet.config.checksums import weight_files
from ratchet.config.non_numeric_settings import without_non_numeric
from ratchet.config.request import Request
from ratchet.config.schema import Config
from ratchet.errors import ConfigError
from ratchet.files import write_atomically
from ratchet.project import Project
from ratchet.tasks.build import task_class, usual_task
from ratchet.texts import TOKENIZER
from ratchet.yaml_files import yaml_text

LOCK_HEADER = "# conf/ + params.yaml, composed and resolved by `dvc repro`. Do not edit: edit those.\n"
WATCHED_HEADER = "# Written by `dvc repro`, for dvc.yaml: the metric that is drawn, and the folder that is watched.\n"


def load_config(project: Project, overrides: Sequence[str] = ()) -> Config:
    """The checked config of `params.yaml` and then `overrides`, which win; `params=null` among them: of conf/ alone.

    Raises ConfigError.
    """
    return Request.of(project, overrides, trains=False).compose()


def compose(project: Project, overrides: Sequence[str] = ()) -> Config:
    """Stage compose: write config.lock.yaml, the same bytes on every machine, and for DVC what file it hangs on."""
    request = Request.of(project, overrides, trains=False)
    config = request.compose()
    request.notify()
    if config.data.module is not None:
        raise ConfigError(
            f"data={config.data.name}: the pipeline fetches, prepares and splits data, and {config.data.module.target} "
            "does so itself; allowed: any other option of conf/data; write: data: mnist1d into params.yaml, and type: "
            f"python src/train.py data={config.data.name}, for a run of its own"
        )
    plain = config.plain()
    plain["trainer"]["sampling"] = config.trainer.sampling  # DVC watches it, and finds no key that is not there
    text = LOCK_HEADER + yaml_text(plain, width=110)
    write_atomically(project.lock, text.encode())
    _watch(config, project)
    if project.watched.parent.is_dir():
        score = task_class(config.task.target or usual_task(config.data.target_kind)).training_metric
        # the folder of data=folder; else one that stage compose depends on anyway
        folder = str(_folder(config) or "conf/data")
        watched = yaml_text({"score": score, "folder": folder})
        write_atomically(project.watched, (WATCHED_HEADER + watched).encode())
    return config


def _folder(config: Config) -> Path | None:
    """The folder of pictures or texts that a person described, as they wrote it."""
    folder = config.data.table if config.data.files[0].checksum_of == "texts" else config.data.folder
    return Path(folder.path).expanduser() if folder is not None and folder.path else None


def _watch(config: Config, project: Project) -> None:
    """Point links in conf/data at a person's table, tokenizer and weights, relative where the paths are; no others.

    DVC takes the checksums of what a stage depends on when the stage has run: of the files that it was run for.
    """
    table, folder = config.data.table, project.conf / "data"
    wanted = {"table": table.path} if table and table.path and not _folder(config) else {}
    if table and table.path and table.tokenizer:
        wanted["tokenizer"] = str(Path(table.tokenizer).expanduser() / TOKENIZER)
    path = Path(str(config.model.arguments.get("path"))).expanduser()
    files = weight_files(config.model.arguments, project)
    links = {folder / f"{name}.link": target for name, target in wanted.items()}
    links |= {folder / f"weights.{file.name}.link": str(path / file.name) for file in files}
    for link in {*folder.glob("*.link")} - {*links}:
        link.unlink()
    for link, named in links.items():
        target = Path(named if Path(named).is_absolute() else os.path.relpath(project.root / named, link.parent))
        if not link.is_symlink() or link.readlink() != target:
            link.unlink(missing_ok=True)
            link.symlink_to(target)


def config_hash(config: Config) -> str:
    """Sha256 (hex) of everything in a config that can change the trained model; loggers, reports and mirrors cannot."""
    decides = without_non_numeric(config.plain())
    if not decides["callbacks"]:
        del decides["callbacks"]
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()
