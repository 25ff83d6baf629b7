"""A person's LightningModule: built from conf/model, and as a network that predicts."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ratchet.config.hints import OverrideError
from ratchet.config.sections import ModelConfig
from ratchet.config.targets import built, refused
from ratchet.errors import ConfigError, RatchetError
from ratchet.models.build import checked_settings, model_class
from ratchet.tasks import Task
from ratchet.texts import TextInput

if TYPE_CHECKING:
    import pytorch_lightning as pl

_NEEDED = {
    "training_step": "it learns nothing without one that returns a loss",
    "configure_optimizers": "it needs one that returns an optimizer",
    "validation_step": "it needs one that logs what runs are judged by",
}


def check_module(config: ModelConfig) -> dict[str, Any]:
    """The settings of a LightningModule. Raises ConfigError for a method that it lacks, and settings it refuses."""
    found = model_class(config.target)
    usual = next(base for base in found.__mro__ if base.__name__ == "LightningModule")
    for name, why in _NEEDED.items():
        if getattr(found, name) is getattr(usual, name):
            raise OverrideError(
                f"model._target_={config.target} has no {name} of its own: {why}",
                key="model._target_", otherwise=f"write {name} into it, or type: model=mlp",
            )  # fmt: skip
    return checked_settings(found, config)


def build_module(
    config: ModelConfig,
    *,
    input_shape: tuple[int, ...] | None = None,
    n_outputs: int | None = None,
    numbers: Sequence[int] = (),
    text: TextInput | None = None,
) -> pl.LightningModule:
    """The LightningModule that conf/model asks for, with fresh weights from torch's global generator.

    Its constructor gets its settings, each `_target_` inside them built (`_partial_: true`: a function of the rest),
    and of `input_shape`, `numbers`, `vocabulary` and `n_outputs` (or `n_classes`) those that it names. A running best
    (torchmetrics' MaxMetric and MinMetric) becomes part of its state, so that a resumed run knows it. Raises
    ConfigError as check_module does, and for what the constructor refuses.
    """
    from torchmetrics import MaxMetric, MinMetric

    settings = check_module(config)
    found = model_class(config.target)
    told: dict[str, Any] = {"input_shape": input_shape, "n_outputs": n_outputs, "n_classes": n_outputs}
    told |= text.as_json() if text else {}
    told |= {"numbers": tuple(numbers) if input_shape is not None else None}
    takes = inspect.signature(found).parameters
    arguments: dict[str, Any] = {name: value for name, value in told.items() if name in takes and value is not None}
    arguments |= {name: built(value, key=f"model.{name}") for name, value in settings.items()}
    try:
        module = found(**arguments)
    except RatchetError:
        raise
    except Exception as error:
        raise refused("model", config.target, error, settings) from error
    for metric in module.modules():
        if isinstance(metric, MaxMetric | MinMetric):
            metric.persistent(mode=True)
    return module  # type: ignore[return-value] # model_class says Module


class Predicting(nn.Module):
    """A LightningModule as a network of x alone, which evaluate, promote and the measuring of latency run.

    Its predict_step is given the batch (x, y) with noughts for y, for what is predicted must not hang on it; where it
    has none its forward is given x. Either returns (n, n_outputs): logits, of several classes also probabilities, and
    of a number the number itself; (n,) where there is one output.
    """

    def __init__(self, module: pl.LightningModule, task: Task) -> None:
        super().__init__()
        self.module, self.task = module, task
        self._shares: bool | None = None  # None: each batch is looked at
        usual: Any = next(base for base in type(module).__mro__ if base.__name__ == "LightningModule")
        self._steps = type(module).predict_step is not usual.predict_step
        self._predicts = self._steps or type(module).forward is not usual.forward

    @property
    def _name(self) -> str:
        return f"{type(self.module).__module__}.{type(self.module).__qualname__}"

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (n, n_outputs) as a network of ours gives them. Raises ConfigError for others, and for none."""
        if not self._predicts:
            raise ConfigError(
                f"{self._name} has no predict_step and no forward, so it predicts nothing; allowed: a predict_step "
                "that returns logits or probabilities of a batch; write one, and train again"
            )
        outputs, target = self._said(x), self.task.target
        if target.kind == "number":
            return (outputs - target.mean) / target.std
        if target.kind == "class" and outputs.shape[1] > 1:
            shares = _are_probabilities(outputs) if self._shares is None else self._shares
            return outputs.double().clamp_min(torch.finfo(torch.float64).tiny).log() if shares else outputs
        return outputs

    def settle(self, x: Tensor) -> None:
        """Find out once, by these examples, whether it gives probabilities: what is traced can look at no values."""
        self._shares = _are_probabilities(self._said(x))

    def _said(self, x: Tensor) -> Tensor:
        n, target = x.shape[0], self.task.target
        wanted = (n, self.task.n_outputs)
        y = torch.zeros(
            (n, len(target.names)) if target.kind == "labels" else n,
            dtype=torch.long if target.kind == "class" else torch.float32, device=x.device,
        )  # fmt: skip
        outputs = self.module.predict_step((x, y), 0) if self._steps else self.module(x)
        if isinstance(outputs, Tensor) and outputs.shape == (n,) and wanted[1] == 1:
            outputs = outputs[:, None]
        if not isinstance(outputs, Tensor) or outputs.shape != wanted:
            got = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
            raise ConfigError(
                f"{self._name}.{'predict_step' if self._steps else 'forward'} gives {got} for {n} examples; "
                f"allowed: {wanted}, the outputs of a {type(self.task).__name__.lower()} task; mend it, and type the "
                "same again"
            )
        return outputs


def _are_probabilities(outputs: Tensor) -> bool:
    sums = outputs.double().sum(dim=1)
    return bool((outputs >= 0).all()) and torch.allclose(sums, torch.ones_like(sums), atol=1e-3)
