"""What a composed config may say: its sections, and what all of them together say."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    NonNegativeInt,
    model_validator,
)

from ratchet.config.base import Section
from ratchet.config.data_sections import DataConfig
from ratchet.config.environment import Reference, with_references
from ratchet.config.following import IDLE, with_what_follows
from ratchet.config.sections import (
    AugmentationConfig,
    EvaluationConfig,
    LoggerConfig,
    LossConfig,
    ModelConfig,
    ObjectiveConfig,
    OptimizerConfig,
    SchedulerConfig,
    TaskConfig,
    TrainerConfig,
)
from ratchet.tasks.build import task_class, usual_task


class Holdout(Section):
    """conf/split: validation is the split that prepare set aside."""

    name: Literal["holdout"] = "holdout"


class KFold(Section):
    """conf/split: train and validation together are cut into folds, each of which validates once."""

    name: Literal["kfold"]
    folds: Annotated[int, Field(ge=2)] = 5
    fold: NonNegativeInt | None = None  # which one validates; null: the seed, modulo folds: repeats are folds
    seed: NonNegativeInt = 0  # of the lots

    def fold_of(self, seed: int) -> int:
        """Which fold a run with a seed validates on."""
        return seed % self.folds if self.fold is None else self.fold


class Config(Section):
    """The whole config of a run."""

    seed: Annotated[int, Field(ge=0, lt=2**32)]
    objective: ObjectiveConfig
    data: DataConfig
    split: Annotated[Holdout | KFold, Field(discriminator="name")] = Holdout()
    task: TaskConfig = TaskConfig()
    model: ModelConfig
    optimizer: OptimizerConfig
    scheduler: SchedulerConfig
    augmentation: AugmentationConfig
    loss: LossConfig
    trainer: TrainerConfig
    logger: LoggerConfig
    evaluation: EvaluationConfig
    callbacks: dict[str, dict[str, Any]] = {}  # Lightning callbacks by `_target_`
    _references: tuple[Reference, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _what_follows_from_the_data(cls, given: Any) -> Any:
        return with_what_follows(given)

    @property
    def judged_by(self) -> ObjectiveConfig:
        """What evaluate and promote judge by: the objective, by the name that the task has for it.

        What a LightningModule logs is its own: where the task has no metric of that name, it is the task's first.
        """
        if not self.model.is_lightning:
            return self.objective
        task = task_class(self.task.target or usual_task(self.data.target_kind))
        names, bare = [*task.objectives, *task.on_request, *self.task.metrics], self.objective.metric.rpartition("/")[2]
        return ObjectiveConfig.model_validate({"metric": f"validation/{bare if bare in names else names[0]}"})

    def plain(self) -> dict[str, Any]:
        """The config as dicts, lists and scalars, keys as in conf/; texts from the environment as references."""
        dumped = self.model_dump(by_alias=True)
        if self.data.module is not None:
            dumped["data"] = self.data.module.model_dump(by_alias=True)
        if self.model.is_lightning:
            dumped |= dict.fromkeys(IDLE)
        plain: dict[str, Any] = with_references(dumped, self._references)
        return plain
