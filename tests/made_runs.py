"""Runs that nobody trained, for tests and for measuring: their files are as training writes them."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ratchet.runs import RunDirectory, RunRecord
from ratchet.runs.record import Best
from ratchet.yaml_files import yaml_text

_METRICS = ("validation/loss", "validation/accuracy", "validation/f1", "train/loss", "train/accuracy")
_MODELS = {"logistic": 410, "mlp": 50_810, "cnn": 12_202, "gru": 27_018}


def make_run(
    directory: Path, *, accuracy: float = 0.9, seed: int = 0, model: str = "cnn", status: str = "completed",
    config: Mapping[str, Any] | None = None, study: str | None = None, trial: int | None = None, epochs: int = 20,
    data_hash: str = "d" * 64, error: Mapping[str, str] | None = None, wandb_id: str | None = None,
    mode: str = "offline", entity: str | None = None, seconds: float = 60.0, minute: int = 0,
    command: Sequence[str] = (),
) -> RunDirectory:  # fmt: skip
    """One run on record; `config` has dotted keys. A failed or running one has no best checkpoint."""
    run = RunDirectory(directory)
    directory.mkdir(parents=True)
    plain = _config(model, seed, mode=mode, entity=entity)
    for key, value in (config or {}).items():
        section, _, name = key.rpartition(".")
        (plain[section] if section else plain)[name] = value
    run.config.write_text(yaml_text(plain), encoding="utf-8")
    _write_curves(run, accuracy, epochs if status == "completed" else 4)
    metrics = dict(zip(_METRICS, (1 - accuracy, accuracy, accuracy - 0.01, 1 - accuracy, accuracy), strict=True))
    best = Best(
        checkpoint="checkpoints/best.ckpt", epoch=epochs - 1, step=epochs * 30, metric="validation/accuracy",
        value=accuracy, metrics={name: metrics[name] for name in _METRICS[:3]},
    )  # fmt: skip
    moment = f"2026-11-{1 + minute // 1440:02}T{minute // 60 % 24:02}:{minute % 60:02}:00+00:00"
    record = RunRecord.model_validate({
        "id": hashlib.sha256(str(directory).encode()).hexdigest()[:8],
        "status": status, "study": study, "trial": trial, "wandb_id": wandb_id,
        "command": ["train.py", f"seed={seed}", *command],
        "git": {"revision": "a" * 40, "dirty": False}, "data": {"name": plain["data"]["name"], "hash": data_hash},
        "config_hash": "c" * 64, "versions": {"python": "3.11.7", "torch": "2.13.0"}, "host": {"name": "vm"},
        "threads": 1, "seed": seed, "parameters": _MODELS.get(model, 1000), "started_at": moment, "finished_at": moment,
        "timings": {"setup": 0.1, "fit": seconds}, "best": best if status == "completed" else None,
        "metrics": metrics if status == "completed" else {}, "error": dict(error) if error else None,
    })  # fmt: skip
    run.record.write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")  # without a flush to disk
    return run


def make_study(folder: Path, name: str, trials: int, *, seed: int = 0, model: str = "cnn") -> None:
    """A search of three settings: most trials complete, some are pruned, a few fail, of those some before run.json."""
    draws = np.random.default_rng(seed)
    home = folder / "sweeps" / name
    lines = ["number,ticket,state,failure,error,seconds,directory"]
    for trial in range(trials):
        rate, dropout = float(10 ** draws.uniform(-4, -1)), float(draws.uniform(0, 0.5))
        width = int(draws.choice([16, 32, 64]))
        accuracy = 0.95 - 0.05 * (math.log10(rate) + 2.5) ** 2 - 0.1 * dropout + draws.normal(0, 0.005)
        state = "pruned" if trial % 7 == 3 else "fail" if trial % 40 == 11 else "complete"
        failure = "non-finite loss" if state == "fail" else ""
        lines.append(f"{trial},{trial},{state},{failure},{'loss is nan' if failure else ''},1.0,{trial}")
        if trial % 80 == 11:
            continue
        make_run(
            home / str(trial), accuracy=float(accuracy), model=model, study=name, trial=trial, minute=trial,
            config={"optimizer.lr": rate, "model.width": width, "model.dropout": dropout},
            status={"fail": "failed", "complete": "completed"}.get(state, state),
            error={"class": "NonFiniteLossError", "message": "loss is nan"} if failure else None,
            seconds=float(20 + width / 2 + draws.uniform(0, 5)),
        )  # fmt: skip
    (home / "trials.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    asks = {"space": {"optimizer.lr": "tag(log, interval(1e-4, 1e-1))"}, "objectives": {"validation/accuracy": "max"}}
    identity = {"op_code": 2, "study_id": 0, "user_attr": {"ratchet:study": asks}}
    (home / "study.journal").write_text(json.dumps(identity) + "\n", encoding="utf-8")


def _config(model: str, seed: int, *, mode: str, entity: str | None) -> dict[str, Any]:
    return {
        "seed": seed,
        "objective": {"metric": "validation/accuracy", "direction": "maximize"},
        "data": {
            "name": "mnist1d", "layout": "sequence", "shape": [1, 40], "classes": [str(k) for k in range(10)],
            "files": [{"name": f"{k}.npy", "checksum": "sha256:" + k * 64, "checksum_of": "file"} for k in "abcd"],
            "sources": [{"kind": "generated", "function": "ratchet.data.generators.mnist1d"}],
            "reader": "ratchet.data.readers.arrays",
            "prepare": {"validation": 500, "confirm": 500, "test": "published", "seed": 0, "normalise": "channel"},
        },
        "model": {
            "name": model, "_target_": f"ratchet.models.{model.upper()}", "depth": 3, "width": 32, "dropout": 0.0,
        },
        "optimizer": {"_target_": "torch.optim.AdamW", "lr": 0.01, "weight_decay": 0.01, "betas": [0.9, 0.999]},
        "scheduler": {"name": "one_cycle", "warmup": 0.2, "start_divisor": 25.0, "final_divisor": 10000.0},
        "augmentation": dict.fromkeys(("shift", "flip", "rotate", "scale", "noise", "cutout", "mixup"), 0.0),
        "loss": {"label_smoothing": 0.0, "class_weights": "none", "l1": 0.0, "l2": 0.0},
        "trainer": {
            "accelerator": "cpu", "devices": 1, "strategy": "auto", "precision": "32-true", "threads": 1,
            "batch_size": 100, "max_epochs": 20, "max_steps": None, "validate_every": 1, "early_stopping": None,
            "train_on": "train", "deterministic": True, "progress": "none", "profile": False,
        },
        "logger": {"name": "wandb", "mode": mode, "project": "ratchet", "entity": entity, "tags": []},
        "evaluation": {"bootstrap": 1000, "confidence": 0.95},
    }  # fmt: skip


def _write_curves(run: RunDirectory, accuracy: float, epochs: int) -> None:
    lines = ["epoch,step,lr,train/accuracy,train/loss,validation/accuracy,validation/f1,validation/loss"]
    for epoch in range(epochs):
        reached = accuracy * (1 - math.exp(-5 * (epoch + 1) / epochs))
        numbers = [reached + 0.01, 1.01 - reached, reached, reached - 0.01, 1 - reached]
        lines.append(f"{epoch},{30 * (epoch + 1)},0.001," + ",".join(f"{number:.17g}" for number in numbers))
    run.metrics.write_text("\n".join(lines) + "\n", encoding="utf-8")
