"""Every config group but data and split: its keys, their types and ranges."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import (
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from ratchet.config.base import FileName, Fraction, PositiveFloat, Probability, Section, WithArguments
from ratchet.config.modules import is_lightning_module
from ratchet.metrics import OBJECTIVES, Metric, Range, find_metric


class ModelConfig(WithArguments):
    """conf/model: a class by `_target_`, and the keyword arguments it takes (checked against its signature)."""

    name: FileName
    target: str = Field(alias="_target_")
    weights_checksum: str | None = None  # of a pretrained network's files in the folder `path`, sha256

    @model_serializer(mode="wrap")
    def _no_weights_of_fresh_ones(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        found: dict[str, Any] = serialize(self)
        return found if self.weights_checksum else {k: v for k, v in found.items() if k != "weights_checksum"}

    @property
    def is_lightning(self) -> bool:
        """Whether it is a person's LightningModule, which trains itself: see IDLE."""
        return is_lightning_module(self.target)


class OptimizerConfig(WithArguments):
    """conf/optimizer: a torch optimizer by `_target_`, its learning rate, and its other arguments."""

    target: str = Field(alias="_target_")
    lr: PositiveFloat
    weight_decay: NonNegativeFloat = 0.0

    @property
    def arguments(self) -> dict[str, Any]:
        """The keyword arguments of the optimizer."""
        return {"lr": self.lr, "weight_decay": self.weight_decay, **(self.model_extra or {})}


class NoSchedule(Section):
    """Settings of no scheduler: the learning rate stays constant."""

    name: Literal["none"]
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.0  # share of all steps, linear from 1 % of the rate


class StepSchedule(Section):
    """The rate is multiplied by `gamma` every `every` (share of all steps)."""

    name: Literal["step"]
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.0
    every: Fraction = 0.3
    gamma: Annotated[float, Field(gt=0, le=1)] = 0.1


class CosineSchedule(Section):
    """Half a cosine from the rate down to `floor` times the rate."""

    name: Literal["cosine"]
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.0
    floor: Annotated[float, Field(ge=0, lt=1)] = 0.0


class CosineRestartsSchedule(Section):
    """SGDR: `cycles` cosines, each `growth` times as long as the one before."""

    name: Literal["cosine_restarts"]
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.0
    cycles: PositiveInt = 3
    growth: PositiveInt = 2
    floor: Annotated[float, Field(ge=0, lt=1)] = 0.0


class OneCycleSchedule(Section):
    """1cycle: up to the rate over the `warmup` share of the steps, then down by a cosine."""

    name: Literal["one_cycle"]
    warmup: Fraction = 0.3
    start_divisor: PositiveFloat = 25.0
    final_divisor: PositiveFloat = 1e4


class PlateauSchedule(Section):
    """The rate is multiplied by `factor` when the objective has not improved for `patience` validations."""

    name: Literal["plateau"]
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.0
    patience: NonNegativeInt = 5
    factor: Fraction = 0.5
    floor: Annotated[float, Field(ge=0, lt=1)] = 0.0  # as a share of the rate


SchedulerConfig = Annotated[
    NoSchedule | StepSchedule | CosineSchedule | CosineRestartsSchedule | OneCycleSchedule | PlateauSchedule,
    Field(discriminator="name"),
]


class AugmentationConfig(Section):
    """conf/augmentation: random changes of a training batch. Zero is off."""

    shift: Annotated[float, Field(ge=0, lt=1)] = 0.0  # at most this share of each spatial axis, either way
    flip: Probability = 0.0  # probability of mirroring the last axis
    rotate: Annotated[float, Field(ge=0, le=180)] = 0.0  # degrees at most, either way; images only
    scale: Annotated[float, Field(ge=0, lt=1)] = 0.0  # zoom by 1 - scale to 1 + scale
    noise: NonNegativeFloat = 0.0  # sd of Gaussian noise, in units of the normalised data
    cutout: Annotated[float, Field(ge=0, lt=1)] = 0.0  # a patch of this share of each spatial axis set to zero
    mixup: NonNegativeFloat = 0.0  # alpha of the Beta distribution of mixup


class MetricConfig(WithArguments):
    """A metric of torchmetrics or of src/own by `_target_`, what the table of metrics says of it, and its arguments."""

    target: str = Field(alias="_target_")
    direction: Literal["maximize", "minimize"]
    range: Annotated[list[float | None], Field(min_length=2, max_length=2)] = [None, None]  # null: without an end
    unit: str = "points"  # points: the value is a share
    scores: Literal["examples", "pseudo-values"] = "pseudo-values"  # examples: it gives a number for each

    def named(self, name: str) -> Metric:
        """Return the name of a metric as the table of metrics has it."""
        low, high = self.range
        ends: Range = (-math.inf if low is None else low, math.inf if high is None else high)
        return Metric(name, self.direction, ends, self.unit, is_objective=True)


class TaskConfig(WithArguments):
    """conf/task: what is learnt, a class by `_target_` with the keyword arguments it takes; metrics of one's own."""

    target: str | None = Field(default=None, alias="_target_")  # null: the usual task of the data's kind of target
    metrics: dict[str, MetricConfig] = {}

    @model_serializer(mode="wrap")
    def _without_what_is_not_there(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A config without metrics of one's own is the one that it was before there were such metrics."""
        found: dict[str, Any] = serialize(self)
        return found if self.metrics else {key: value for key, value in found.items() if key != "metrics"}


class LossConfig(WithArguments):
    """conf/loss: a loss by `_target_` with its keyword arguments, and the penalties added to it."""

    target: str | None = Field(default=None, alias="_target_")  # null: the usual loss of the task
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    class_weights: Literal["none", "balanced"] | list[PositiveFloat] = "none"  # one for each class or label
    l1: NonNegativeFloat = 0.0  # times the sum of absolute weights
    l2: NonNegativeFloat = 0.0  # times half the sum of squared weights


class EarlyStoppingConfig(Section):
    """Stop when the objective has not improved by `min_delta` for `patience` validations."""

    patience: PositiveInt
    min_delta: NonNegativeFloat = 0.0


class TrainerConfig(Section):
    """conf/trainer: how long, on what, and how exactly."""

    accelerator: Literal["cpu", "gpu", "mps", "auto"] = "cpu"
    devices: PositiveInt = 1
    strategy: Literal["auto", "ddp"] = "auto"
    precision: Literal["32-true", "bf16-mixed", "16-mixed", "64-true"] = "32-true"
    threads: Annotated[int, Field(ge=1, le=1024)] = 1  # of one process; part of what makes a number come out again
    batch_size: PositiveInt = 100
    max_epochs: PositiveInt | None = None
    max_steps: PositiveInt | None = None  # whichever comes first
    validate_every: PositiveInt = 1  # epochs
    gradient_clip: PositiveFloat | None = None  # norm of all gradients
    early_stopping: EarlyStoppingConfig | None = None
    sampling: Literal["none", "oversample", "undersample"] = "none"  # of training examples, by class
    train_on: Literal["train", "train+validation"] = "train"
    deterministic: bool = True
    progress: Literal["auto", "rich", "plain", "none"] = "auto"
    overfit_one_batch: bool = False
    one_batch: bool = False
    profile: bool = False

    @model_serializer(mode="wrap")
    def _without_what_is_not_there(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A config without sampling is the one that it was before there was such a setting."""
        found: dict[str, Any] = serialize(self)
        return found if self.sampling != "none" else {key: found[key] for key in found if key != "sampling"}

    @property
    def clips_mixed(self) -> bool:
        """Whether gradients are clipped under mixed precision: Lightning refuses that for a fused optimizer."""
        return self.gradient_clip is not None and self.precision.endswith("-mixed")


class LoggerConfig(Section):
    """conf/logger: where curves go besides the run directory; custom: to a Lightning logger by `_target_`."""

    model_config = ConfigDict(extra="allow")
    name: Literal["wandb", "csv", "tensorboard", "none", "custom"]
    mode: Literal["offline", "online", "disabled"] = "offline"  # wandb
    project: str = "ratchet"
    entity: str | None = None
    tags: list[str] = []

    @property
    def custom(self) -> dict[str, Any]:
        """The class by `_target_` and its keyword arguments, of logger=custom."""
        return dict(self.model_extra or {})


class ObjectiveConfig(Section):
    """What makes one run better than another: a validation metric and its direction, which follows the metric."""

    metric: Annotated[str, Field(json_schema_extra={"enum": list(OBJECTIVES)})]  # or what a LightningModule logs
    direction: Literal["maximize", "minimize"]

    @model_validator(mode="before")
    @classmethod
    def _direction_of_the_metric(cls, given: Any) -> Any:
        """A direction that is null or absent is that of the table of metrics."""
        if not isinstance(given, dict) or given.get("direction") is not None:
            return given
        metric = find_metric(str(given.get("metric")))
        return {**given, "direction": metric.direction if metric else "maximize"}


class EvaluationConfig(Section):
    """How the test metrics are reported."""

    bootstrap: NonNegativeInt = 1000  # resamples; 0: no intervals
    confidence: Fraction = 0.95
    calibration_bins: PositiveInt = 15
    mistakes: NonNegativeInt = 16  # how many of the most confident mistakes are drawn
