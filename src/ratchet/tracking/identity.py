"""What W&B calls a run: the same after a resume, a retry, and in its evaluation."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ratchet.config.schema import Config
from ratchet.config.sections import LoggerConfig
from ratchet.config.tree import leaves
from ratchet.runs.record import RunRecord
from ratchet.tracking.lineage import Material
from ratchet.yaml_files import read_yaml

_OF_THE_AGENT = ("WANDB_SWEEP_ID", "WANDB_RUN_ID", "WANDB_SWEEP_PARAM_PATH")


@dataclass(frozen=True)
class SweepAgent:
    """What `wandb agent` says to a program that it starts: which run of which of W&B's sweeps it is to be."""

    run_id: str
    sweep: str
    project: str | None
    entity: str | None
    parameters: dict[str, Any]  # by the names that the sweep gives them

    @classmethod
    def take(cls) -> SweepAgent | None:
        """Return the agent that started this process, and remove its variables; None where there is none.

        They are of one run alone, and W&B puts the run that they name above every id that it is given: no other run
        of this process or of its children may find them.
        """
        found = {name: os.environ.pop(name, "") for name in _OF_THE_AGENT}
        sweep, run_id, parameters = found.values()
        if not sweep or not run_id:
            return None
        surroundings = (os.environ.get("WANDB_PROJECT"), os.environ.get("WANDB_ENTITY"))
        return cls(run_id, sweep, *surroundings, _parameters(Path(parameters)) if parameters else {})

    def tell(self, config: Config, *, typed: Sequence[str]) -> Config:
        """The config of its run: in the sweep's project, and online unless something else was typed."""
        logger = config.logger
        if logger.name != "wandb":
            print(
                f"warning: wandb agent waits for the run {self.run_id}, and logger={logger.name} tells W&B nothing; "
                "type: logger=wandb into the command of the sweep",
                file=sys.stderr,
            )
            return config
        said = any(text.lstrip("+").startswith("logger.mode=") for text in typed)
        mode = logger.mode if said else "online"
        where = {"project": self.project or logger.project, "entity": self.entity or logger.entity}
        return config.model_copy(update={"logger": logger.model_copy(update={**where, "mode": mode})})


def _parameters(file: Path) -> dict[str, Any]:
    """Return the parameters in the file that the agent wrote: {name: {value: ...}}."""
    try:
        written = read_yaml(file)
        return {str(name): each["value"] for name, each in written.items() if isinstance(each, dict)}
    except (OSError, ValueError, KeyError, AttributeError):
        return {}


@dataclass(frozen=True)
class Identity:
    """Identity of one W&B run."""

    id: str
    name: str
    job_type: str
    group: str | None = None
    tags: tuple[str, ...] = ()
    sweep: str | None = None  # of W&B


def identity_of(record: RunRecord, config: Config) -> Identity:
    """The run that a run.json is of. Its status is a tag where a pruner ended it."""
    assert record.wandb_id is not None
    if record.study is None:
        name = f"{config.data.name}-{config.model.name}-seed{config.seed}-{record.id}"
    else:
        name = f"{record.study}-{record.trial}-{config.model.name}-seed{config.seed}"
    pruned = ("pruned",) if record.status == "pruned" else ()
    tags = config.plain()["logger"]["tags"]  # what comes from the environment stays a reference
    return Identity(
        id=record.wandb_id, name=name, job_type="train" if record.study is None else "trial", group=record.study,
        tags=(*tags, *pruned), sweep=record.wandb_sweep,
    )  # fmt: skip


def preparation_of(raw: Material, prepared: Material, settings: LoggerConfig) -> Identity:
    """The run between raw and prepared data: one in a W&B project for each version of them."""
    parts = [settings.entity, settings.project, sorted(raw.references.items()), sorted(prepared.references.items())]
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]
    return Identity(f"prepare-{digest}", f"prepare-{prepared.name.removesuffix('-prepared')}", "prepare")


def evaluation_of(trained: Identity) -> Identity:
    """The run between a model and its evaluation."""
    return Identity(f"{trained.id}-evaluate", f"{trained.name}-evaluate", "evaluate", trained.group, trained.tags)


def summary_of(record: RunRecord) -> dict[str, Any]:
    """What stands in the table of runs: the best validation, which is the saved checkpoint's, and what it cost."""
    summary: dict[str, Any] = {**record.metrics, "status": record.status, "parameters": record.parameters}
    if record.best is not None:
        summary |= record.best.metrics
        summary |= {record.best.metric: record.best.value, "best": record.best.value}
        summary |= {"best/step": record.best.step, "best/epoch": record.best.epoch}
    summary |= {f"seconds/{name}": seconds for name, seconds in record.timings.items()}
    if record.error is not None:
        summary |= {"error/class": record.error["class"]}
    return summary


def config_of(record: RunRecord, config: Config) -> dict[str, Any]:
    """The resolved config with dotted keys, and under `run.` what else made the number."""
    about = {
        "id": record.id, "data_hash": record.data["hash"], "config_hash": record.config_hash, "git": record.git,
        "versions": record.versions, "host": record.host,
    }  # fmt: skip
    return {**dict(leaves(config.plain())), **dict(leaves(about, "run."))}
