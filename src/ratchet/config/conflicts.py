"""Settings that each are fine and together are not."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ratchet.config.grammar import assignment
from ratchet.config.hints import OverrideError
from ratchet.config.schema import Config
from ratchet.config.sections import AugmentationConfig, LoggerConfig, LossConfig
from ratchet.config.tree import value_at
from ratchet.metrics import METRICS, find_metric
from ratchet.names import nearest, suggestion
from ratchet.tasks.build import task_class, usual_task

_AVERAGING = "pytorch_lightning.callbacks"


def refuse_conflicts(config: Config, usual: Callable[[], dict[str, Any]] = dict) -> None:
    """Raises OverrideError for the first settings that exclude each other. `usual` has the values that conf/ gives."""
    _length(config)
    _data(config, usual)
    checks = (_modules, _metrics, _splits, _augmentation, _objective, _loss, _named_classes, _regularisation, _devices)
    for check in (*checks, _sampling, _precision, _debugging):
        check(config)


def _length(config: Config) -> None:
    if config.trainer.max_epochs is None and config.trainer.max_steps is None:
        raise OverrideError(
            "trainer.max_epochs and trainer.max_steps are both null: the training would never end",
            instead=[["trainer.max_epochs=60"]],
        )


def _data(config: Config, usual: Callable[[], dict[str, Any]]) -> None:
    data = config.data
    if (data.texts is not None) != (data.layout == "text"):
        raise OverrideError(
            f"data.layout={data.layout}: texts are a column of a table, data.table.text",
            instead=[["data=text", "data.path=<file>", "data.text=<column>", "data.target=<column>"]],
        )
    if data.texts is not None and (data.prepare.normalise, data.prepare.constant_features) != ("none", "keep"):
        raise OverrideError(
            f"data.prepare.normalise={data.prepare.normalise} and data.prepare.constant_features="
            f"{data.prepare.constant_features} are for numbers, and {data.name} has texts",
            instead=[["data.prepare.normalise=none", "data.prepare.constant_features=keep"]],
        )
    if data.table is not None or data.folder is not None or data.module is not None:
        return
    if data.layout == "table" or data.shape is None:
        raise OverrideError(
            f"data.layout={data.layout} and data.shape={data.shape}: a table has no shape in its config, "
            "and is data=table data.path=<file> data.target=<column>",
            instead=[[assignment(key, value_at(usual(), key))] for key in ("data.shape", "data.layout")],
        )
    dimensions = {"sequence": 2, "image": 3}
    if len(data.shape) != dimensions[data.layout]:
        wanted = "[channels, length]" if data.layout == "sequence" else "[channels, height, width]"
        fits = [[f"data.layout={name}"] for name, count in dimensions.items() if count == len(data.shape)]
        had = [[assignment(key, value_at(usual(), key))] for key in ("data.shape", "data.layout")]
        said = f"data.shape={data.shape}: allowed for layout {data.layout}: {wanted}"
        raise OverrideError(said, instead=[*had, *fits])


def _modules(config: Config) -> None:
    """What a person's LightningModule or LightningDataModule does itself, and what goes with it alone."""
    if config.data.module is None:
        return
    if not config.model.is_lightning:
        raise OverrideError(
            f"data._target_={config.data.module.target} is a data module of your own, and model={config.model.name} is "
            "no LightningModule: it would not know the batches; allowed: a model whose _target_ is a LightningModule",
            instead=[["data=mnist1d"]],
        )
    if config.trainer.train_on != "train":
        raise OverrideError(
            f"trainer.train_on={config.trainer.train_on}: the splits of a data module of your own cannot be joined",
            instead=[["trainer.train_on=train"]],
        )


def _splits(config: Config) -> None:
    data = config.data
    shares = [s for s in (data.prepare.validation, data.prepare.confirm) if isinstance(s, float)]
    if sum(shares) >= 1:
        raise OverrideError(
            f"data.prepare.validation and confirm take {sum(shares):.0%} of the data, none is left to train on",
            instead=[["data.prepare.validation=0.1", "data.prepare.confirm=0.1"]],
        )
    _folds(config)


def _folds(config: Config) -> None:
    split, table = config.split, config.data.table
    if split.name == "holdout":
        return
    if split.fold is not None and split.fold >= split.folds:
        raise OverrideError(
            f"split.fold={split.fold} of split.folds={split.folds}; allowed: 0 to {split.folds - 1}, or null",
            instead=[["split.fold=null"]],
        )
    if config.data.module is not None:
        raise OverrideError(
            "split=kfold: a data module of your own splits its data itself", instead=[["split=holdout"]]
        )
    if config.data.folder is not None:
        raise OverrideError(
            "split=kfold and data.folder: folds are drawn by lot, and would part pictures that are nearly the same",
            instead=[["split=holdout"]],
        )
    ways = [name for name in ("group", "time", "split") if table is not None and getattr(table, name)]
    if ways:
        raise OverrideError(
            f"split=kfold and data.{ways[0]}: folds are drawn by lot, and would not keep to it",
            instead=[["split=holdout"], [f"data.{ways[0]}=null"]],
        )
    if config.trainer.train_on != "train":
        raise OverrideError(
            f"split=kfold and trainer.train_on={config.trainer.train_on}: no fold would be left to validate on",
            instead=[["trainer.train_on=train"], ["split=holdout"]],
        )


def _augmentation(config: Config) -> None:
    layout = config.data.layout
    moves = {"sequence": ("rotate",), "table": ("shift", "flip", "rotate", "scale", "cutout")}.get(layout, ())
    moves = tuple(AugmentationConfig.model_fields) if layout == "text" else moves
    asked = {f"augmentation.{key}": value for key in moves if (value := getattr(config.augmentation, key))}
    if asked:
        key, value = next(iter(asked.items()))
        needs = "images" if key == "augmentation.rotate" else "numbers" if layout == "text" else "sequences and images"
        raise OverrideError(
            f"{key}={value:g} is for {needs}, and {config.data.name} has {layout}s",
            instead=[["augmentation=none"], [f"{each}=0" for each in asked]],
        )


def _metrics(config: Config) -> None:
    for name, metric in config.task.metrics.items():
        key, without = f"task.metrics.{name}", f"type: the same and ~task.metrics.{name}, to do without it"
        if not re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII):
            said = f"{key}: allowed: letters, digits and _, a letter first"
            raise OverrideError(said, otherwise="type: the same with such a name")
        if name in METRICS:
            said = f"{key}: there is a metric {name} already; allowed: another name, such as my_{name}"
            raise OverrideError(said, otherwise=without)
        if metric.target.partition(".")[0] not in {"torchmetrics", "own"} or "." not in metric.target:
            said = f"{key}._target_={metric.target}; allowed: a metric of torchmetrics, or one of your own in src/own"
            raise OverrideError(said, otherwise=without)


def _objective(config: Config) -> None:
    if config.model.is_lightning:
        return  # the first validation says what it logs
    metric = find_metric(config.objective.metric)
    task = task_class(config.task.target or usual_task(config.data.target_kind))
    if config.data.target_kind not in task.kinds:
        raise OverrideError(
            f"a {task.__name__.lower()} task learns a target of the kind {' or '.join(task.kinds)}, and that of "
            f"{config.data.name} is of the kind {config.data.target_kind}",
            instead=[["task=auto"]],
        )
    allowed = ["loss", *task.objectives, *task.on_request, *config.task.metrics]
    folder, _, bare = config.objective.metric.rpartition("/")
    if bare not in allowed or folder != "validation":
        near = nearest(bare, allowed)
        raise OverrideError(
            f"objective.metric={config.objective.metric} is not measured of a {task.__name__.lower()} task; "
            f"{suggestion(bare, allowed)}, each as validation/<name>",
            instead=[[f"objective.metric=validation/{name}"] for name in near or [task.objectives[0]]],
            note="" if near else ", as without it",
        )
    if metric is not None and config.objective.direction != metric.direction:
        raise OverrideError(
            f"objective.direction={config.objective.direction} for {config.objective.metric}; "
            f"allowed: {metric.direction}",
            instead=[[f"objective.direction={metric.direction}"]],
            note=", or leave it out",
        )


def _loss(config: Config) -> None:
    unknown = [name for name in config.loss.arguments if config.loss.target is None]
    if unknown:
        known = [name for name in LossConfig.model_fields if name != "target"]
        raise OverrideError(
            f"loss.{unknown[0]}: there is no such key of the task's own loss; {suggestion(unknown[0], known)}, and "
            "what a loss takes that loss._target_ names",
            key=f"loss.{unknown[0]}",
        )


def _named_classes(config: Config) -> None:
    asked = config.logger.custom
    if config.logger.name == "custom" and "_target_" not in asked:
        raise OverrideError(
            "logger=custom names no class; allowed: a Lightning logger by its dotted path", key="logger._target_",
            instead=[["logger=custom"]],
        )  # fmt: skip
    if config.logger.name != "custom" and asked:
        known = [name for name in LoggerConfig.model_fields if name != "target"]
        name = next(iter(asked))
        said = f"logger.{name}: there is no such key; {suggestion(name, known)}"
        raise OverrideError(said, key=f"logger.{name}", otherwise="type: logger=custom, for a logger by its _target_")
    for name, asked in config.callbacks.items():
        if "_target_" not in asked:
            raise OverrideError(
                f"callbacks.{name} names no class; allowed: a Lightning callback by its dotted path",
                key=f"callbacks.{name}",
                instead=[[f"+callbacks.{name}._target_={_AVERAGING}.EMAWeightAveraging"]],
            )
        if asked["_target_"] == f"{_AVERAGING}.StochasticWeightAveraging":
            raise OverrideError(
                f"callbacks.{name}: StochasticWeightAveraging averages after the last validation, so that no "
                "checkpoint which is evaluated holds its average; allowed: EMAWeightAveraging, whose is validated",
                key=f"callbacks.{name}",
                instead=[
                    [f"+callbacks.{name}._target_={_AVERAGING}.EMAWeightAveraging", f"+callbacks.{name}.decay=0.99"]
                ],
            )  # fmt: skip


def _regularisation(config: Config) -> None:
    if config.trainer.train_on == "train":
        return
    reads = "trainer.early_stopping=null" if config.trainer.early_stopping else None
    reads = "scheduler=cosine" if config.scheduler.name == "plateau" else reads
    if reads:
        raise OverrideError(
            "trainer.train_on=train+validation leaves no validation data to decide on",
            instead=[["trainer.train_on=train"], [reads]],
            either=True,
        )


def _sampling(config: Config) -> None:
    asked = f"trainer.sampling={config.trainer.sampling}"
    if config.trainer.sampling == "none":
        return
    without = [["trainer.sampling=none"]]
    if config.data.module is not None:
        raise OverrideError(f"{asked}: a data module of your own draws its batches itself", instead=without)
    if config.data.target_kind != "class":
        kind = {"labels": "any number of labels", "number": "a number"}[config.data.target_kind]
        raise OverrideError(
            f"{asked} is for one class of several, and the target of {config.data.name} is {kind}", instead=without
        )
    if config.loss.class_weights == "balanced":
        raise OverrideError(
            f"{asked} and loss.class_weights=balanced each make up for rare classes, and together would for the others",
            instead=[["loss.class_weights=none"], *without],
            either=True,
        )


def _devices(config: Config) -> None:
    trainer = config.trainer
    if trainer.strategy != "auto" and trainer.devices == 1:
        said = f"trainer.strategy={trainer.strategy} with one device has no effect"
        raise OverrideError(said, instead=[["trainer.devices=2", f"trainer.strategy={trainer.strategy}"]])
    if trainer.strategy == "auto" and trainer.devices > 1:
        said = f"trainer.devices={trainer.devices} needs a strategy"
        raise OverrideError(said, instead=[["trainer=ddp", f"trainer.devices={trainer.devices}"]])
    if trainer.accelerator == "cpu" and trainer.precision == "16-mixed":
        instead = [["trainer.precision=bf16-mixed"], ["trainer=gpu"]]
        raise OverrideError("trainer.precision=16-mixed needs a GPU", instead=instead, either=True)


def _precision(config: Config) -> None:
    if config.optimizer.arguments.get("fused") and config.trainer.clips_mixed:
        raise OverrideError(
            f"optimizer.fused=true and trainer.gradient_clip={config.trainer.gradient_clip:g} exclude each other under "
            f"trainer.precision={config.trainer.precision}",
            instead=[["optimizer.fused=false"], ["trainer.gradient_clip=null"]],
            either=True,
        )


def _debugging(config: Config) -> None:
    if config.trainer.one_batch and config.trainer.overfit_one_batch:
        raise OverrideError(
            "trainer.one_batch and trainer.overfit_one_batch exclude each other",
            instead=[["debug=overfit"], ["trainer.overfit_one_batch=false"], ["trainer.one_batch=false"]],
        )
