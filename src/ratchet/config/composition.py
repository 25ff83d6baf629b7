"""conf/, params.yaml and overrides become one plain, checked config."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from ratchet.config.inert import without_inert
from ratchet.config.request import Request
from ratchet.config.schema import Config
from ratchet.errors import ConfigError
from ratchet.files import write_atomically
from ratchet.project import Project
from ratchet.tasks.build import task_class, usual_task
from ratchet.yaml_files import yaml_text

LOCK_HEADER = "# conf/ + params.yaml, composed and resolved by `dvc repro`. Do not edit: edit those.\n"
WATCHED_HEADER = "# Written by `dvc repro`, for dvc.yaml: the file of data=table, and the metric that is drawn.\n"


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
    text = LOCK_HEADER + yaml_text(config.plain(), width=110)
    write_atomically(project.lock, text.encode())
    file = (config.data.table and config.data.table.path) or "conf/config.yaml"
    if project.watched.parent.is_dir():
        score = task_class(config.task.target or usual_task(config.data.target_kind)).training_metric
        told = {"table_file": file, "score": score}
        write_atomically(project.watched, (WATCHED_HEADER + yaml_text(told)).encode())
    return config


def config_hash(config: Config) -> str:
    """Sha256 (hex) of everything in a config that can change the trained model; loggers, reports and mirrors cannot."""
    decides = without_inert(config.plain())
    if not decides["callbacks"]:
        del decides["callbacks"]
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()
