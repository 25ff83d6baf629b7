"""Checkpoints that load without executing anything, and know which model they belong to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveInt, ValidationError
from torch import nn

from ratchet.config.hints import to_type
from ratchet.config.schema import Config
from ratchet.data.card import TargetFile
from ratchet.data.prepared import PreparedData
from ratchet.errors import CheckpointError, first_line
from ratchet.runs.directory import RunDirectory
from ratchet.runs.record import read_config
from ratchet.tasks import Target, Task
from ratchet.texts import TextInput
from ratchet.training.own_data import OwnData
from ratchet.training.tasks import network_for, task_for


class _Data(BaseModel):
    name: str
    hash: str


class _Identity(BaseModel):
    model: dict[str, Any]
    input_shape: list[PositiveInt]
    classes: list[str]
    numbers: list[NonNegativeInt] = []
    text: TextInput | None = None
    target: TargetFile | None = None  # checkpoints of older versions are of classes
    transform: str | None = None  # older ones have none, nor those of a person's data module
    data: _Data


class _Contents(BaseModel):
    """What is read of a checkpoint here; the rest is Lightning's."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    ratchet: _Identity
    state_dict: dict[str, torch.Tensor]
    global_step: int


KEY = "ratchet"  # the entry of a checkpoint that says what it is of


def identity(config: Config, data: PreparedData | OwnData) -> dict[str, Any]:
    """What a checkpoint says of itself: the model's settings, the shape of its data and how raw data become such."""
    transform = data.transform if isinstance(data, PreparedData) else None
    return {
        "model": config.plain()["model"],
        "input_shape": list(data.shape),
        "numbers": list(data.numbers),
        "text": data.text and data.text.as_json(),
        "classes": list(data.classes),
        "target": data.target and data.target.as_json(),
        "data": {"name": config.data.name, "hash": data.data_hash},
        "transform": transform and transform.as_text(),
    }


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint's contents, on the CPU. Raises CheckpointError where it is missing, damaged or not ours."""
    if not path.is_file():
        raise CheckpointError(f"there is no checkpoint {path}; type: {to_type('ls', str(path.parent))}")
    try:
        contents = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise CheckpointError(
            f"{path} is damaged or no checkpoint ({first_line(error)[:120]}); train again, or dvc checkout it"
        ) from error
    if not isinstance(contents, dict) or KEY not in contents:
        raise CheckpointError(f"{path} was not written by Ratchet; type: find runs -name run.json, to see runs")
    try:
        _Contents.model_validate(contents)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise CheckpointError(
            f"{path} is damaged or of another version ({'.'.join(map(str, first['loc']))}: {first['msg']}); "
            "train again, or dvc checkout it"
        ) from error
    return contents


def require_same_model(contents: dict[str, Any], wanted: dict[str, Any], path: Path) -> None:
    """Raises CheckpointError naming the first setting in which a checkpoint and the wanted model differ."""
    found = contents[KEY]
    for part in ("model", "input_shape", "classes"):
        if found[part] == wanted[part]:
            continue
        if part == "model":
            keys = [k for k in {**found[part], **wanted[part]} if found[part].get(k) != wanted[part].get(k)]
            key = keys[0]
            raise CheckpointError(
                f"{path} is of another model: model.{key}={found[part].get(key)} there, {wanted[part].get(key)} here; "
                f"type: model.{key}={found[part].get(key)}"
            )
        raise CheckpointError(
            f"{path} is of other data: {part} is {found[part]} there, {wanted[part]} here; "
            f"type: data={found['data']['name']}"
        )


def require_same_data(contents: dict[str, Any], data_hash: str, path: Path) -> None:
    """Raises CheckpointError where the prepared data is another than the checkpoint was trained on.

    Other splits would turn examples that the model was trained on into validation or test examples.
    """
    trained_on = contents[KEY]["data"]["hash"]
    if trained_on != data_hash:
        raise CheckpointError(
            f"{path} was trained on prepared data {trained_on[:12]}, here it is {data_hash[:12]}; "
            "bring that data back (dvc checkout, or src/prepare.py with its settings), or train anew without resume="
        )


def task_of(config: Config, described: dict[str, Any]) -> Task:
    """The task of a config, for the target that a checkpoint describes."""
    return task_for(config, Target.of(described))


def load_model(run: RunDirectory, *, target: Target | None = None) -> tuple[nn.Module, Config]:
    """The network of a run with its best weights, in evaluation mode on the CPU, and the run's config.

    target: what is predicted, where the checkpoint does not say it: of a person's data module.
    """
    config = read_config(run)
    contents = read_checkpoint(run.best_checkpoint)
    described = contents[KEY]
    require_same_model(contents, {**described, "model": config.plain()["model"]}, run.best_checkpoint)
    task = task_for(config, target) if target is not None else task_of(config, described)
    shape, numbers = tuple(described["input_shape"]) or None, described.get("numbers", ())
    text = TextInput(**described["text"]) if described.get("text") else None
    network = network_for(config, task, shape=shape, numbers=numbers, text=text)
    if config.trainer.precision == "64-true":
        network.double()
    prefix, weights = "network.", contents["state_dict"]
    if config.model.is_lightning:
        prefix, weights = "", {f"module.{k}".replace("_orig_mod.", ""): v for k, v in weights.items()}
    try:
        network.load_state_dict({k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)})
    except RuntimeError as error:
        raise CheckpointError(f"{run.best_checkpoint} does not fit {config.model.target}: {error}") from error
    return network.eval(), config
