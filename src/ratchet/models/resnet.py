"""A residual network for sequences and images (He et al. 2015, arXiv:1512.03385; 2016, arXiv:1603.05027)."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Annotated, Literal

from pydantic import Field, PositiveInt
from torch import Tensor, nn

from ratchet.config.base import Probability
from ratchet.errors import ConfigError
from ratchet.models.layers import (
    Activation,
    Normalisation,
    OddInt,
    SpatialMean,
    activation,
    convolution,
    normalisation,
)

Order = Literal["pre", "post"]


class ResNet(nn.Module):
    """A stem, `stages` stages of `blocks` residual blocks, the average over positions, a linear classifier.

    Stage i has width * growth**i channels; every stage but the first halves each axis, rounding up. The
    stem is one convolution; a `stem_stride` of 2 makes all that follows on images four times as cheap.
    `order` puts normalisation and activation before each convolution of a block (pre) or after it (post).
    Raises ConfigError when the input is too small for the kernels or the halvings.
    """

    needs_places = True

    def __init__(
        self,
        *,
        input_shape: tuple[int, ...],
        n_outputs: int,
        stages: PositiveInt = 3,
        blocks: PositiveInt = 2,
        width: PositiveInt = 32,
        growth: Annotated[float, Field(ge=0.25, le=4)] = 2.0,
        kernel: OddInt = 3,
        stem_kernel: OddInt = 5,
        stem_stride: Literal[1, 2] = 2,
        order: Order = "pre",
        activation: Activation = "relu",
        normalisation: Normalisation = "batch",
        dropout: Probability = 0.0,
    ) -> None:
        super().__init__()
        channels, *spatial = input_shape
        _check_fit(spatial, stages=stages, kernel=kernel, stem_kernel=stem_kernel, stem_stride=stem_stride)
        parts = _Parts(dimensions=len(spatial), kernel=kernel, order=order, act=activation, norm=normalisation)
        widths = [max(1, round(width * growth**stage)) for stage in range(stages)]
        stem = parts.convolution(channels, width, kernel=stem_kernel, stride=stem_stride)
        self.stem = nn.Sequential(stem, *(parts.finish(width) if order == "post" else []))
        pairs = zip([width, *widths], widths, strict=False)
        self.stages = nn.Sequential(
            *[
                parts.stage(n_in, n_out, blocks=blocks, stride=2 if number else 1)
                for number, (n_in, n_out) in enumerate(pairs)
            ]
        )
        last = parts.finish(widths[-1]) if order == "pre" else []
        self.head = nn.Sequential(*last, SpatialMean(), nn.Dropout(dropout))
        self.classifier = nn.Linear(widths[-1], n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, *spatial) -> outputs (batch, n_outputs)."""
        logits: Tensor = self.classifier(self.head(self.stages(self.stem(x))))
        return logits


@dataclass(frozen=True, kw_only=True)
class _Parts:
    """What every block of one network has in common."""

    dimensions: int
    kernel: int
    order: Order
    act: Activation
    norm: Normalisation

    def finish(self, channels: int) -> list[nn.Module]:
        """Normalisation and activation: what comes before a convolution (pre) or after it (post)."""
        return [normalisation(self.norm, channels, dimensions=self.dimensions), activation(self.act)]

    def convolution(self, n_in: int, n_out: int, *, kernel: int | None = None, stride: int = 1) -> nn.Module:
        bias = self.norm != "batch"  # batch normalisation brings its own
        return convolution(self.dimensions, (n_in, n_out), kernel=kernel or self.kernel, stride=stride, bias=bias)

    def stage(self, n_in: int, n_out: int, *, blocks: int, stride: int) -> nn.Sequential:
        first = Residual(self, n_in, n_out, stride=stride)
        return nn.Sequential(first, *[Residual(self, n_out, n_out, stride=1) for _ in range(blocks - 1)])


class Residual(nn.Module):
    """Two convolutions beside a shortcut, which is a convolution of kernel 1 where shapes differ.

    The branch starts as zero, so that a deep network starts as a shallow one (arXiv:1706.02677).
    """

    def __init__(self, parts: _Parts, n_in: int, n_out: int, *, stride: int) -> None:
        super().__init__()
        first = parts.convolution(n_in, n_out, stride=stride)
        second = parts.convolution(n_out, n_out)
        same = stride == 1 and n_in == n_out
        self.shortcut = nn.Identity() if same else parts.convolution(n_in, n_out, kernel=1, stride=stride)
        norm, act = parts.finish(n_out)
        if parts.order == "pre":
            self.before, self.after = nn.Sequential(*parts.finish(n_in)), nn.Sequential()
            self.branch = nn.Sequential(first, norm, act, second)
        else:
            last_norm, last_act = parts.finish(n_out)
            self.before, self.after = nn.Sequential(), nn.Sequential(last_act)
            self.branch = nn.Sequential(first, norm, act, second, last_norm)
        _start_at_zero(self.branch)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, n_in, *spatial) -> (batch, n_out, *spatial), each spatial axis divided by the stride."""
        ready = self.before(x)
        # Pre-activation keeps the path from block to block free of nonlinearities; a projection reads what
        # the branch reads.
        kept = x if isinstance(self.shortcut, nn.Identity) else self.shortcut(ready)
        after: Tensor = self.after(kept + self.branch(ready))
        return after


def _start_at_zero(branch: nn.Sequential) -> None:
    last = next(layer for layer in reversed(list(branch)) if list(layer.parameters(recurse=False)))
    for parameter in last.parameters():
        nn.init.zeros_(parameter)


def _check_fit(spatial: list[int], *, stages: int, kernel: int, stem_kernel: int, stem_stride: int) -> None:
    smallest = min(spatial)
    shape = "x".join(map(str, spatial))
    for key, value in {"kernel": kernel, "stem_kernel": stem_kernel}.items():
        if value > smallest:
            largest = smallest if smallest % 2 else smallest - 1
            raise ConfigError(
                f"model.{key}={value} is larger than the input, {shape}; "
                f"allowed: odd, at most {largest}; type: model.{key}={min(3, largest)}"
            )
    fits = 1 + (ceil(smallest / stem_stride) - 1).bit_length()
    if stages > fits:
        raise ConfigError(
            f"model.stages={stages} halves the input, {shape}, more often than it can be; "
            f"allowed: at most {fits}; type: model.stages={fits}"
        )
