"""What W&B calls a run: the same after a resume, a retry, and in its evaluation."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from ratchet.config.schema import Config, LoggerConfig
from ratchet.config.tree import leaves
from ratchet.runs.record import RunRecord
from ratchet.tracking.lineage import Material


@dataclass(frozen=True)
class Identity:
    """Of one W&B run."""

    id: str
    name: str
    job_type: str
    group: str | None = None
    tags: tuple[str, ...] = ()


def identity_of(record: RunRecord, config: Config) -> Identity:
    """The run that a run.json is of. Its status is a tag where a pruner ended it."""
    assert record.wandb_id is not None
    if record.study is None:
        name = f"{config.data.name}-{config.model.name}-seed{config.seed}-{record.id}"
    else:
        name = f"{record.study}-{record.trial}-{config.model.name}-seed{config.seed}"
    pruned = ("pruned",) if record.status == "pruned" else ()
    return Identity(
        id=record.wandb_id, name=name, job_type="train" if record.study is None else "trial", group=record.study,
        tags=(*config.logger.tags, *pruned),
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
