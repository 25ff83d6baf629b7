"""Settings that each are fine and together are not."""

from __future__ import annotations

from ratchet.config import schema
from ratchet.errors import ConfigError
from ratchet.metrics import find_metric


def refuse_conflicts(config: schema.Config) -> None:
    """Raises ConfigError for the first settings that exclude each other."""
    for check in (_length, _splits, _objective, _regularisation, _devices, _precision, _debugging):
        check(config)


def _length(config: schema.Config) -> None:
    if config.trainer.max_epochs is None and config.trainer.max_steps is None:
        raise ConfigError(
            "trainer.max_epochs and trainer.max_steps are both null: the training would never end; "
            "type: trainer.max_epochs=60"
        )


def _splits(config: schema.Config) -> None:
    data = config.data
    dimensions = {"sequence": 2, "image": 3}[data.layout]
    if len(data.shape) != dimensions:
        wanted = "[channels, length]" if dimensions == 2 else "[channels, height, width]"
        raise ConfigError(f"data.shape={data.shape}: allowed for layout {data.layout}: {wanted}; type: data.layout=...")
    shares = [s for s in (data.prepare.validation, data.prepare.confirm) if isinstance(s, float)]
    if sum(shares) >= 1:
        raise ConfigError(
            f"data.prepare.validation and confirm take {sum(shares):.0%} of the data, none is left to train on; "
            "type: data.prepare.validation=0.1 data.prepare.confirm=0.1"
        )
    if data.layout == "sequence" and config.augmentation.rotate:
        raise ConfigError("augmentation.rotate turns images; the data are sequences; type: augmentation.rotate=0")


def _objective(config: schema.Config) -> None:
    metric = find_metric(config.objective.metric)
    if metric is not None and config.objective.direction != metric.direction:
        raise ConfigError(
            f"objective.direction={config.objective.direction} for {config.objective.metric}; "
            f"allowed: {metric.direction}; type: objective.direction={metric.direction}, or leave it out"
        )


def _regularisation(config: schema.Config) -> None:
    if config.trainer.train_on == "train":
        return
    reads = "trainer.early_stopping=null" if config.trainer.early_stopping else None
    reads = "scheduler=cosine" if config.scheduler.name == "plateau" else reads
    if reads:
        raise ConfigError(
            "trainer.train_on=train+validation leaves no validation data to decide on; "
            f"type: trainer.train_on=train, or {reads}"
        )


def _devices(config: schema.Config) -> None:
    trainer = config.trainer
    if trainer.strategy != "auto" and trainer.devices == 1:
        raise ConfigError(f"trainer.strategy={trainer.strategy} with one device has no effect; type: trainer.devices=2")
    if trainer.strategy == "auto" and trainer.devices > 1:
        raise ConfigError(
            f"trainer.devices={trainer.devices} needs a strategy; type: trainer=ddp trainer.devices={trainer.devices}"
        )
    if trainer.accelerator == "cpu" and trainer.precision == "16-mixed":
        raise ConfigError("trainer.precision=16-mixed needs a GPU; type: trainer.precision=bf16-mixed, or trainer=gpu")


def _precision(config: schema.Config) -> None:
    if config.optimizer.arguments.get("fused") and config.trainer.clips_mixed:
        raise ConfigError(
            f"optimizer.fused=true and trainer.gradient_clip={config.trainer.gradient_clip:g} exclude each other under "
            f"trainer.precision={config.trainer.precision}; type: optimizer.fused=false, or trainer.gradient_clip=null"
        )


def _debugging(config: schema.Config) -> None:
    if config.trainer.one_batch and config.trainer.overfit_one_batch:
        raise ConfigError("trainer.one_batch and trainer.overfit_one_batch exclude each other; type: debug=overfit")
