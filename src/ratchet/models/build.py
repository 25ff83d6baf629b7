"""Networks, built from conf/model and the shape of the data."""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence
from functools import partial
from typing import Any, NotRequired, get_type_hints

import torch
from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config
from torch import nn
from typing_extensions import TypedDict  # pydantic takes typing's own from Python 3.12 on

from ratchet.config.checksums import weights_checksum
from ratchet.config.grammar import assignment, shown
from ratchet.config.hints import OverrideError
from ratchet.config.modules import is_lightning_module
from ratchet.config.rules import example_of, rule_of
from ratchet.config.sections import ModelConfig
from ratchet.config.targets import built, check, names_a_class
from ratchet.dotted import named_by
from ratchet.errors import TO_SEE, ConfigError, OutOfMemoryError, RatchetError, failure, first_line, own_code, ran_out
from ratchet.names import nearest, suggestion
from ratchet.project import Project
from ratchet.texts import TextInput

# What a network is told by the data. n_classes is another word for n_outputs; who takes no numbers is not told them.
FROM_DATA = ("input_shape", "n_outputs", "n_classes", "numbers", "vocabulary", "digest", "architecture")
_TARGET, _EXAMPLE = "model._target_", [["model._target_=ratchet.models.CNN"]]
TO_SHRINK = "type: the same with --cfg job --package model, to see what would make it smaller"


def build_model(
    config: ModelConfig,
    *,
    input_shape: tuple[int, ...],
    n_outputs: int,
    numbers: Sequence[int] = (),
    text: TextInput | None = None,
) -> nn.Module:
    """The network that conf/model asks for, with fresh weights from torch's global generator.

    `config.target` is the dotted path of any nn.Module class, Ratchet's or a user's own, whose constructor
    takes `input_shape` (channels, length or height, width; of a table its columns), `n_outputs` or `n_classes`, the
    numbers that it gives for an example, and its settings by keyword; who takes `numbers` is told which features of a
    table are numbers, not parts of a category; who takes `vocabulary` is given tokens of texts, int64 (batch, tokens)
    and -1 behind a shorter text, and is told how many different ones there are.
    Settings are checked against the constructor's annotations; what is not annotated is passed on as it is.
    Raises ConfigError when the class cannot be imported, a setting is unknown or out of range, or the network
    does not turn a batch of such examples into (batch, n_outputs) numbers, and OutOfMemoryError where it is too large.
    """
    network = model_class(config.target)
    refuse_layout(network, config, "text" if text else "table" if len(input_shape) == 1 else "image")
    settings = checked_settings(network, config)
    if config.weights_checksum and not (text and text.architecture):  # else they are those of a checkpoint
        now = weights_checksum(config.arguments, Project.find())
        if now not in {None, config.weights_checksum}:
            said = f"model.path={config.arguments.get('path')}: its files are not those of the config any more"
            raise ConfigError(f"{said}; put them back, or train anew")
    try:
        takes = inspect.signature(network).parameters
        told: dict[str, Any] = {"n_classes" if "n_classes" in takes else "n_outputs": n_outputs}
        known = {"numbers": tuple(numbers), **(text.as_json() if text else {})}
        told |= {name: value for name, value in known.items() if name in takes}
        settings = {name: built(value, key=f"model.{name}") for name, value in settings.items()}
        model = network(input_shape=tuple(input_shape), **told, **settings)
        some = torch.zeros(2, *(input_shape if text is None else (1,)), dtype=torch.int64 if text else None)
        _check_output(model, some, n_outputs=n_outputs)
    except RatchetError:
        raise
    except (RuntimeError, ValueError, TypeError, IndexError, KeyError, MemoryError) as error:
        if ran_out(error) == "memory":
            said = f"out of memory while model {config.name} ({config.target}) is built ({first_line(error)[:120]})"
            raise OutOfMemoryError(f"{said}; {TO_SHRINK}") from error
        shape = "x".join(map(str, input_shape))
        examples = f"{shape} examples" if len(input_shape) > 1 else f"rows of {shape} features"
        raise ConfigError(
            f"model {config.name} ({config.target}) cannot take {examples} and give {n_outputs} outputs: "
            f"{failure(error)}; "
            + (TO_SEE if own_code(error) else f"change its settings in conf/model/{config.name}.yaml, or {TO_SEE}")
        ) from error
    return model


def refuse_layout(network: type[nn.Module], config: ModelConfig, layout: str) -> None:
    """Raise OverrideError for rows of a table and a class that says `needs_places`: nothing to slide along.

    Likewise for texts and a class that takes no vocabulary, and the other way round.
    """
    reads = "vocabulary" in inspect.signature(network).parameters
    if reads and layout != "text":
        raise OverrideError(
            f"model={config.name} is for texts, and these data are none; allowed: model=mlp, or one of your own",
            instead=[["model=mlp"]],
        )
    if layout == "text" and not reads:
        raise OverrideError(
            f"model={config.name} is for numbers, and these data are texts; allowed: model=text_bag, "
            "model=text_transformer, model=encoder, or one of your own whose constructor takes vocabulary",
            instead=[["model=text_bag"]],
        )
    if layout == "table" and getattr(network, "needs_places", False):
        raise OverrideError(
            f"model={config.name} is for sequences and images, and a row of a table has no order; "
            "allowed: model=mlp, model=tabm, model=logistic, or one of your own",
            instead=[["model=mlp"]],
        )


def parameter_count(model: nn.Module) -> int:
    """How many numbers training adjusts. Raises ConfigError for layers that have no size yet."""
    lazy = [name for name, each in model.named_parameters() if isinstance(each, nn.parameter.UninitializedParameter)]
    if lazy:
        raise ConfigError(
            f"{type(model).__name__}.{lazy[0]} has no size yet: a lazy layer; give it its size, or call it once in the "
            "constructor, with zeros"
        )
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def model_class(target: str) -> type[nn.Module]:
    """The nn.Module class at a dotted path; ConfigError when there is none."""
    allowed = "the dotted path of a class; put a class of your own into src/own/"
    refuse = partial(OverrideError, key=_TARGET, instead=_EXAMPLE)
    found = named_by(target, setting=_TARGET, allowed=allowed, refuse=refuse)
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise OverrideError(f"model._target_={target} is no torch.nn.Module class", key=_TARGET, instead=_EXAMPLE)
    if any(base.__name__ == "LightningModule" for base in found.__mro__) and not is_lightning_module(target):
        raise OverrideError(
            f"model._target_={target} is a LightningModule, which its source does not show; allowed: a class whose "
            "bases are named where it is defined, as in `class Mine(pl.LightningModule)`",
            key=_TARGET, instead=_EXAMPLE,
        )  # fmt: skip
    return found


def checked_settings(network: type[nn.Module], config: ModelConfig) -> dict[str, Any]:
    """The settings of `config`, as the annotations of the constructor of `network` would have them.

    What describes an object by `_target_` is left as it is, once its class is known to be there.
    """
    objects = {name: value for name, value in config.arguments.items() if names_a_class(value)}
    for name, value in objects.items():
        check(value, key=f"model.{name}")
    hints = _annotations(network, config) | dict.fromkeys(objects, Any)
    try:
        # JSON is what a config can hold; in JSON's strict mode a list is also a tuple, but "3" is no number.
        checked = _schema(network, hints).validate_json(json.dumps(config.arguments))
    except ValidationError as error:
        raise _mistake(error, config, network, hints) from error
    return dict(checked)


def _annotations(network: type[nn.Module], config: ModelConfig) -> dict[str, Any]:
    """The type of every keyword of the constructor; Any where it has none."""
    target, parameters = config.target, inspect.signature(network).parameters.values()
    named = [each.name for each in parameters if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]
    missing = [name for name in FROM_DATA[:2] if name not in named]
    missing = [name for name in missing if name != "n_outputs" or "n_classes" not in named]
    if missing and not _takes_any(network) and not config.is_lightning:
        raise OverrideError(
            f"{target} takes no {missing[0]}; allowed: a constructor like "
            "__init__(self, *, input_shape, n_outputs, <settings>)",
            key=_TARGET, instead=_EXAMPLE,
        )  # fmt: skip
    try:
        hints = get_type_hints(network.__init__, include_extras=True)
    except NameError as error:
        raise ConfigError(f"the annotations of {target} cannot be read: {error}; import it where it runs") from error
    return {name: hints.get(name, Any) for name in named}


def _schema(network: type[nn.Module], hints: dict[str, Any]) -> TypeAdapter[Any]:
    parameters = inspect.signature(network).parameters
    fields = {
        name: hint if parameters[name].default is inspect.Parameter.empty else NotRequired[hint]
        for name, hint in hints.items()
        if name not in FROM_DATA
    }
    settings: Any = TypedDict("settings", fields)  # type: ignore[misc] # its fields are those of the class at hand
    rules = ConfigDict(
        extra="allow" if _takes_any(network) else "forbid",
        strict=True,
        allow_inf_nan=False,
        arbitrary_types_allowed=True,
    )
    return TypeAdapter(with_config(rules)(settings))


def _takes_any(network: type[nn.Module]) -> bool:
    """Whether the constructor has **keywords."""
    return any(each.kind is each.VAR_KEYWORD for each in inspect.signature(network).parameters.values())


def _mistake(
    error: ValidationError, config: ModelConfig, network: type[nn.Module], hints: dict[str, Any]
) -> OverrideError:
    problem = error.errors()[0]
    name = str(problem["loc"][0])
    key, allowed = f"model.{name}", [each for each in hints if each not in FROM_DATA]
    if problem["type"] == "extra_forbidden":
        near = [f"model.{each}" for each in nearest(name, allowed)]
        said = f"{key}: {config.target} has no such setting; {suggestion(name, allowed)}"
        return OverrideError(said, key=key, instead=[[assignment(each, config.arguments[name])] for each in near])
    default = inspect.signature(network).parameters[name].default
    usual = example_of(hints[name]) if default is inspect.Parameter.empty else default
    if problem["type"] == "missing":
        said = f"{key} is missing: {config.target} has no default for it; allowed: {rule_of(hints[name])}"
        return OverrideError(said, key=key, instead=[[f"+{assignment(key, 1 if usual is None else usual)}"]])
    reason = f": {problem['ctx']['error']}" if problem["type"] == "value_error" else ""
    said = f"{key} is {shown(config.arguments[name])}{reason}; allowed: {rule_of(hints[name])}"
    return OverrideError(said, key=key, instead=[[assignment(key, usual)]])


def _check_output(model: nn.Module, x: torch.Tensor, *, n_outputs: int) -> None:
    training = model.training
    with torch.no_grad():
        logits = model.eval()(x)
    model.train(training)
    if not isinstance(logits, torch.Tensor) or logits.shape != (2, n_outputs):
        got = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
        raise ValueError(f"its output for 2 examples is {got} instead of {(2, n_outputs)}")
