"""What a composed config may say: every key, its type and its range.

The classes mirror conf/: one class for one config group. Values are plain scalars, lists and dicts, so that a
config fits into config.lock.yaml, run.json and a checkpoint alike.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    SerializerFunctionWrapHandler,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from ratchet.config.environment import Reference, with_references
from ratchet.config.hints import MistakeError, to_type
from ratchet.config.modules import is_lightning_module
from ratchet.config.tables import completed, is_table, table_name
from ratchet.metrics import METRICS, OBJECTIVES, Metric, Range, declare, find_metric
from ratchet.tables.targets import MOST_CLASSES
from ratchet.tasks.base import Target, TargetKind
from ratchet.tasks.build import task_class, usual_task

Fraction = Annotated[float, Field(gt=0, lt=1)]
Probability = Annotated[float, Field(ge=0, le=1)]
PositiveFloat = Annotated[float, Field(gt=0)]


def _is_a_file_name(name: str) -> str:
    if not name.strip(". ") or len(name.encode()) > LONGEST_NAME or re.search(r"[/\\\x00-\x1f\x7f]", name):
        raise ValueError(name)
    return name


LONGEST_NAME = 120  # bytes; what is added to it must fit into a file system's 255
FileName = Annotated[
    str,
    AfterValidator(_is_a_file_name),
    Field(json_schema_extra={"words": f"a file's name, without / and of at most {LONGEST_NAME} bytes"}),
]


class Section(BaseModel):
    """A part of the config. Unknown keys, wrong types, NaN and infinity are refused."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
        populate_by_name=True,
        protected_namespaces=(),
    )


class WithArguments(Section):
    """A section that names a class by `_target_`, and beside its own keys has the keyword arguments of that class."""

    model_config = ConfigDict(extra="allow")

    @property
    def arguments(self) -> dict[str, Any]:
        """The keyword arguments that are no keys of the section's own."""
        return dict(self.model_extra or {})


class RawFile(Section):
    """One file of data/raw/<name>/ and the checksum that it must have."""

    name: FileName
    checksum: str = Field(pattern=r"^(md5:[0-9a-f]{32}|sha256:[0-9a-f]{64})$")
    checksum_of: Literal["file", "content"] = "file"  # content: what is inside a .gz


class GeneratedSource(Section):
    """Files that a function writes: `function(directory: Path) -> None`, named by its dotted path."""

    kind: Literal["generated"]
    function: str


class PackageSource(Section):
    """Files that lie inside an installed Python package."""

    kind: Literal["package"]
    package: str  # its import name
    path: str = "."  # folder inside the package
    requirement: str | None = None  # what to `pip install` when it is absent


class FolderSource(Section):
    """Files in a folder of this machine, copied. A relative path is read from the project's root."""

    kind: Literal["folder"]
    path: str


class DebianSource(Section):
    """Files of a Debian package: read where it is installed, else downloaded by apt-get and unpacked (no root)."""

    kind: Literal["debian"]
    package: str
    path: str  # folder of the files once installed, absolute


class WheelSource(Section):
    """Files inside a wheel, which pip downloads and nobody installs."""

    kind: Literal["wheel"]
    requirement: str  # of one version, such as ISLP==0.6.0
    path: str  # folder of the files inside the wheel


class UrlSource(Section):
    """Files under one of several base addresses, tried in order."""

    kind: Literal["urls"]
    mirrors: Annotated[list[str], Field(min_length=1)]
    timeout: PositiveFloat = 30.0  # seconds without a byte


Source = Annotated[
    GeneratedSource | PackageSource | FolderSource | DebianSource | WheelSource | UrlSource,
    Field(discriminator="kind"),
]


class TableConfig(Section):
    """A table's file, and how it is read. Null: it is found out."""

    path: str | None = None  # of the file, relative to the project's root; null: of files
    target: Annotated[list[str], Field(min_length=1)]  # the column to predict; several are labels, of 0 and 1
    ignore: list[str] = []  # columns that are left out
    types: dict[str, Literal["number", "category", "date"]] = {}
    separator: str | None = None
    decimal: str = "."
    thousands: str | None = None
    missing: list[str] = []  # texts that mean a gap, beside the usual ones
    object: str | None = None  # a data frame's name, in an R package's Rdata.rdb
    id: str | None = None  # a column that names a row
    group: str | None = None  # a column: rows of one group are in one split
    time: str | None = None  # a column: the latest rows are the test split, those before them confirm, and so on
    split: str | None = None  # a column that says a row's split


class PrepareConfig(Section):
    """How raw examples become clean, split, normalised arrays."""

    validation: PositiveInt | Fraction  # a count, or a share of what is not test
    confirm: PositiveInt | Fraction  # likewise; for promotion alone
    test: Literal["published"] | PositiveInt | Fraction  # published: as the data set's makers split it
    seed: NonNegativeInt = 0
    duplicates: Literal["drop", "keep"] = "drop"
    constant_features: Literal["drop", "keep"] = "keep"
    normalise: Literal["feature", "channel", "none"] = "channel"


_CLASSES = "a list of names: two classes or more, one label or more, none of a number"


DataName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=LONGEST_NAME)]


class DataModuleConfig(WithArguments):
    """conf/data of a person's LightningDataModule: a class by `_target_`, and the keyword arguments that it takes."""

    name: DataName
    target: str = Field(alias="_target_")
    classes: list[str] = []  # the names that an evaluation shows


class DataConfig(Section):
    """conf/data: all there is to say of a data set."""

    name: DataName
    table: TableConfig | None = None
    layout: Literal["sequence", "image", "table"]
    shape: (
        list[PositiveInt] | None
    )  # [channels, length] or [channels, height, width]; of a table null: prepare finds it
    target_kind: Literal["class", "labels", "number"] = "class"  # of a class, of any number of labels, of a number
    # the classes or labels; of a number none
    classes: Annotated[list[str], Field(json_schema_extra={"words": _CLASSES})]
    files: Annotated[list[RawFile], Field(min_length=1)]
    sources: Annotated[list[Source], Field(min_length=1)]  # tried in order
    reader: str  # dotted path of `reader(directory: Path) -> RawExamples`
    prepare: PrepareConfig
    module: DataModuleConfig | None = Field(default=None, exclude=True)  # then nothing is fetched or prepared

    @property
    def target(self) -> Target:
        """What is to be predicted, but for the mean and the spread of a number, which prepare finds."""
        return Target(self.target_kind, tuple(self.classes) or (self.name,))

    @property
    def typed(self) -> str:
        """What chooses these data on a command line: `data=<name>`, or the words that a table was described by."""
        from ratchet.config.grammar import assignment

        if self.table is None or not self.table.path:
            return to_type(f"data={self.name}")
        said = self.said_of_the_table()
        return to_type("data=table", *(assignment(f"data.{key}", value) for key, value in said.items()))

    def said_of_the_table(self) -> dict[str, Any]:
        """What a person said of a table of their own, by keys of conf/data/table.yaml; nothing for other data."""
        if self.table is None or not self.table.path:
            return {}
        said = self.table.model_dump(exclude_defaults=True)
        said["target"] = self.table.target if len(self.table.target) > 1 else self.table.target[0]
        if self.name != table_name({"path": self.table.path}):
            said["name"] = self.name
        if self.target_kind == "number" or len(self.classes) > MOST_CLASSES:  # else it may be taken for another
            said["target_kind"] = self.target_kind
        return said

    @field_validator("classes")
    @classmethod
    def _as_many_as_the_kind_has(cls, names: list[str], info: ValidationInfo) -> list[str]:
        kind = info.data.get("target_kind", "class")
        if len(names) < {"class": 2, "labels": 1, "number": 0}[kind] or (kind == "number" and names):
            raise ValueError(names)
        return names


class ModelConfig(WithArguments):
    """conf/model: a class by `_target_`, and the keyword arguments it takes (checked against its signature)."""

    name: FileName
    target: str = Field(alias="_target_")

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
    """A constant learning rate."""

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
        """As the table of metrics has it."""
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
    train_on: Literal["train", "train+validation"] = "train"
    deterministic: bool = True
    progress: Literal["auto", "rich", "plain", "none"] = "auto"
    overfit_one_batch: bool = False
    one_batch: bool = False
    profile: bool = False

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


# Sections that a person's LightningModule does itself, and what stands in for them: in a config of it they are null.
IDLE: Final[dict[str, Any]] = {
    "optimizer": {"_target_": "torch.optim.SGD", "lr": 1.0}, "scheduler": {"name": "none"}, "augmentation": {},
    "loss": {},
}  # fmt: skip
_NO_FILES: Final[dict[str, Any]] = {
    "layout": "table", "shape": None, "target_kind": "number", "classes": [], "reader": "",
    "files": [{"name": "none", "checksum": f"md5:{0:032}"}], "sources": [{"kind": "folder", "path": ""}],
    "prepare": {"validation": 1, "confirm": 1, "test": 1},
}  # fmt: skip


def with_what_follows(given: Any) -> Any:
    """A plain config whose null task is the usual one of the data's target, and whose null objective the task's.

    Of a LightningModule the objective is what conf/model says, and the sections that it does itself say nothing.
    """
    if not isinstance(given, dict) or not isinstance(data := given.get("data"), dict):
        return given
    model = given.get("model")
    if isinstance(model, dict) and is_lightning_module(model.get("_target_")):
        given = {**given, **IDLE, **_objective_of(model, given.get("objective"))}
    elif isinstance(model, dict) and all(given.get(name, "") is None for name in IDLE):
        raise MistakeError(
            f"model._target_={model.get('_target_')} was a LightningModule of src/own, and there is none now; allowed: "
            "the file that the run was trained with",
            key="model._target_", otherwise="type: git log src/own, to find it, and put it back",
        )  # fmt: skip
    if "_target_" in data or "module" in data:  # what it predicts an evaluation sees
        data = data if "module" in data else {**_NO_FILES, "name": data.get("name"), "module": data}
        objective = given.get("objective")
        if isinstance(objective, dict) and objective.get("metric", "") is None:  # of a network of ours: it is refused
            objective = {**objective, "metric": "validation/loss"}
        return {**given, "data": data, "objective": objective}
    if is_table(data):
        data = completed(data)
        given = {**given, "data": data}
    task = given.get("task") or {}
    kind = data.get("target_kind", "class")
    if not isinstance(task, dict) or kind not in get_args(TargetKind):
        return given
    declare(own_metrics(task))
    path = task.get("_target_") or usual_task(kind)
    objective = given.get("objective")
    if isinstance(objective, dict) and objective.get("metric", "") is None and isinstance(path, str):
        objective = {**objective, "metric": f"validation/{task_class(path).objectives[0]}"}
    return {**given, "task": {**task, "_target_": path}, "objective": objective}


def own_metrics(task: Mapping[str, Any]) -> Iterator[Metric]:
    """The metrics that a plain `task` section names, those that are said well: the others are refused later."""
    metrics = task.get("metrics")
    for name, given in metrics.items() if isinstance(metrics, Mapping) else ():
        with suppress(ValidationError):
            yield MetricConfig.model_validate(given).named(str(name))


def _objective_of(model: dict[str, Any], asked: Any) -> dict[str, Any]:
    """The sections model and objective of a LightningModule: model.objective is what is not asked for otherwise."""
    own = model.get("objective")
    given = {key: value for key, value in (asked if isinstance(asked, dict) else {}).items() if value is not None}
    if not isinstance(own, dict) or given.get("metric", own.get("metric")) != own.get("metric"):
        own = {}
    objective = {"direction": None, **own, **given}
    if not objective.get("metric"):
        raise MistakeError(
            f"model._target_={model['_target_']} logs what it likes, so its objective has no usual name; allowed: a "
            "metric that its validation logs, here or as `objective: {metric: ..., direction: ...}` of its conf/model",
            key="objective.metric", instead=[["objective.metric=val/loss", "objective.direction=minimize"]],
        )  # fmt: skip
    known = METRICS.get(str(objective["metric"]).rpartition("/")[2])
    if objective["direction"] is None:
        objective["direction"] = known.direction if known else "unknown"
    return {"model": {key: value for key, value in model.items() if key != "objective"}, "objective": objective}


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
    """Everything a run is asked to do."""

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
