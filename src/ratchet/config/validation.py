"""The one place where a composed config is checked, before any data loads."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ratchet.config import schema
from ratchet.config.explanation import nearest, suggestion
from ratchet.errors import ConfigError

_TAGS = {
    *("none", "step", "cosine", "cosine_restarts", "one_cycle", "plateau"),
    *("generated", "package", "folder", "debian", "urls"),
}


def validate(plain: Any) -> schema.Config:
    """A composed config, typed. Raises ConfigError for the first thing that is wrong with it."""
    try:
        config = schema.Config.model_validate(plain)
    except ValidationError as error:
        raise ConfigError(_one_line(error, plain)) from error
    for check in (_length, _splits, _objective, _regularisation, _devices, _debugging):
        check(config)
    return config


def _one_line(error: ValidationError, plain: Any) -> str:
    problems = error.errors(include_url=False)
    unknown = [problem for problem in problems if problem["type"] == "extra_forbidden"]
    problem = (unknown or problems)[0]
    path = [part for part in problem["loc"] if part not in _TAGS]
    key = ".".join(str(part) for part in path)
    if problem["type"] == "extra_forbidden":
        siblings = _allowed_keys(problem, plain)
        close = nearest(str(path[-1]), siblings)
        to_type = ".".join([*map(str, path[:-1]), close[0]]) + "=<value>" if close else f"~{key}"
        return f"{key}: there is no such key; {suggestion(str(path[-1]), siblings)}; type: {to_type}"
    if problem["type"] == "missing":
        return f"{key} is missing; type: +{key}=<value>"
    return f"{key}={_shown(problem['input'])}: {_rule(problem)}; type: {key}=<such a value>"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _rule(problem: ErrorDetails) -> str:
    if problem["type"] == "union_tag_invalid":
        return f"allowed: {problem['ctx']['expected_tags']}"
    message = problem["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return f"allowed: {message}"


def _allowed_keys(problem: ErrorDetails, plain: Any) -> list[str]:
    """The keys of the section that an unknown key was found in, from the schema."""
    model: Any = schema.Config
    node: Any = plain
    for part in problem["loc"][:-1]:
        if isinstance(node, dict) and part in node:
            node = node[part]
        annotation = model.model_fields.get(part) if hasattr(model, "model_fields") else None
        if annotation is not None:
            model = _section_for(annotation.annotation, node)
    fields = getattr(model, "model_fields", {})
    return [field.alias or name for name, field in fields.items()]


def _section_for(annotation: Any, node: Any) -> Any:
    candidates = [annotation, *getattr(annotation, "__args__", ())]
    sections = [c for c in candidates if isinstance(c, type) and issubclass(c, schema.Section)]
    tag = node.get("name", node.get("kind")) if isinstance(node, dict) else None
    for section in sections:
        field = section.model_fields.get("name") or section.model_fields.get("kind")
        if field is not None and tag in getattr(field.annotation, "__args__", ()):
            return section
    return sections[0] if sections else None


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
    wanted = "minimize" if config.objective.metric == "validation/loss" else "maximize"
    if config.objective.direction != wanted:
        raise ConfigError(
            f"objective.direction={config.objective.direction} for {config.objective.metric}; "
            f"type: objective.direction={wanted}"
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


def _debugging(config: schema.Config) -> None:
    if config.trainer.one_batch and config.trainer.overfit_one_batch:
        raise ConfigError("trainer.one_batch and trainer.overfit_one_batch exclude each other; type: debug=overfit")
