"""A run as a function: raw examples in, predictions out, by what its checkpoint holds and nothing else where it can."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ratchet.config.schema import Config
from ratchet.data.folds import Fold
from ratchet.data.prepared import Examples, PreparedData
from ratchet.data.transform import Transform
from ratchet.deployment.conformal import Conformal
from ratchet.deployment.exported import sha256_of
from ratchet.errors import CheckpointError, ConfigError, RatchetError
from ratchet.files import shown
from ratchet.project import Project
from ratchet.runs.directory import RunDirectory
from ratchet.runs.record import RunRecord, read_config
from ratchet.tasks import Predictions, Task
from ratchet.tasks.binary import Binary
from ratchet.training.checkpoint import KEY, load_model, read_checkpoint, require_same_data, task_of
from ratchet.training.predictions import outputs_of, threads

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Predictor:
    """The best checkpoint of a run, its transform, and its task with what it decides by."""

    run: RunDirectory
    config: Config
    model: nn.Module
    task: Task
    transform: Transform
    provenance: dict[str, Any]
    conformal: Conformal | None = None

    @classmethod
    def load(cls, run: RunDirectory, *, project: Project, coverage: float | None = None) -> Self:
        """Prepared data are opened only where the validation split decides: for a threshold that was chosen, and sets.

        coverage: of conformal sets; None: there are none. Raises CheckpointError and ConfigError for a run that cannot
        predict raw examples, DataError for prepared data that are needed and missing.
        """
        config = read_config(run)
        if config.data.module is not None:
            raise ConfigError(
                f"{shown(run.path)} was trained on {config.data.module.target}, which reads its data itself: how raw "
                "rows become input is not on record; allowed: runs on data that prepare made"
            )
        digest = sha256_of(run.best_checkpoint.read_bytes()) if run.best_checkpoint.is_file() else ""
        contents = read_checkpoint(run.best_checkpoint)
        described = contents[KEY]
        model, _ = load_model(run)
        task = task_of(config, described)
        record = RunRecord.read(run) if run.is_one else None
        of_run = {"id": record and record.id, "status": record.status if record else "no record"}
        provenance = {
            "run": {"path": shown(run.path), **of_run},
            "data": described["data"],
            "checkpoint": {"path": shown(run.best_checkpoint), "sha256": digest},
        }
        if digest != sha256_of(run.best_checkpoint.read_bytes()):
            raise RatchetError(
                f"{shown(run.best_checkpoint)} is being written just now: the run goes on; type the same again, "
                "or wait for its end"
            )
        predictor = cls(run, config, model, task, _transform(contents, run, config, project), provenance)
        chosen = isinstance(task, Binary) and not isinstance(task.threshold, int | float)
        return predictor._decided(contents, project, coverage) if chosen or coverage is not None else predictor

    def _decided(self, contents: dict[str, Any], project: Project, coverage: float | None) -> Self:
        """The same, with what the validation split decides."""
        config = self.config
        if coverage is not None and config.trainer.train_on != "train":
            raise ConfigError(
                "abstain=true needs examples that the run was not trained on, and trainer.train_on=train+validation "
                "left none; type: abstain=false, or train again with trainer.train_on=train"
            )
        directory = project.prepared(config.data.name)
        data = PreparedData.open(directory, reader="train", config=config.data, fold=Fold.asked(config))
        require_same_data(contents, data.data_hash, self.run.best_checkpoint)
        x, y = data.split("validation")
        with threads(config.trainer.threads):
            outputs = outputs_of(self.model, self.task, x)
        task = self.task.fitted(outputs, np.array(y))
        said = task.predictions(outputs, np.array(y))
        conformal = None if coverage is None else Conformal.calibrated(said, coverage)
        return replace(self, task=task, conformal=conformal)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of the run: that it did not end as it should."""
        status = self.provenance["run"]["status"]
        return () if status == "completed" else (f"the run is not complete ({status}): its best checkpoint so far",)

    def predict(self, x: Examples) -> Predictions:
        """What is said of transformed examples (n, *shape). Their targets in it mean nothing."""
        with threads(self.config.trainer.threads):
            outputs = outputs_of(self.model, self.task, x)
        target = self.task.target
        shape = (len(x), len(target.names)) if target.kind == "labels" else (len(x),)
        return self.task.predictions(outputs, np.zeros(shape, np.int64 if target.kind == "class" else np.float32))

    @property
    def decides_by(self) -> dict[str, Any] | None:
        """The probability from which on it says yes, and where that is from; None of other tasks."""
        if not isinstance(self.task, Binary):
            return None
        asked = self.config.task.arguments.get("threshold", 0.5)
        given = isinstance(asked, int | float)
        probability = asked if given else 1 / (1 + np.exp(-np.clip(self.task.cut, -700, 700)))
        return {"probability": float(probability), "from": "task.threshold" if given else f"validation, by {asked}"}


def _transform(contents: dict[str, Any], run: RunDirectory, config: Config, project: Project) -> Transform:
    """That of the checkpoint; of an older one that of the prepared data, if they are those it was trained on."""
    if kept := contents[KEY].get("transform"):
        try:
            return Transform.from_json(json.loads(kept))
        except (ValueError, KeyError, TypeError) as error:
            raise CheckpointError(f"{run.best_checkpoint} is damaged (its transform); train again") from error
    why = "keeps no transform of raw examples, as older versions did not"
    try:
        directory, fold = project.prepared(config.data.name), Fold.asked(config)
        data = PreparedData.open(directory, reader="train", config=config.data, fold=fold)
        require_same_data(contents, data.data_hash, run.best_checkpoint)
    except RatchetError as error:
        raise CheckpointError(f"{run.best_checkpoint} {why}, and {error}") from error
    if data.transform is None:
        raise CheckpointError(f"{run.best_checkpoint} {why}; type: python src/prepare.py {config.data.typed}")
    return data.transform
