"""A plain convolutional network for sequences and images."""

from __future__ import annotations

from itertools import pairwise
from math import ceil, prod
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

Pool = Literal["stride", "max", "average", "none"]

_POOLS: dict[tuple[Pool, int], type[nn.Module]] = {
    ("max", 1): nn.MaxPool1d,
    ("max", 2): nn.MaxPool2d,
    ("average", 1): nn.AvgPool1d,
    ("average", 2): nn.AvgPool2d,
}


class CNN(nn.Module):
    """`depth` stages of convolution, halving of every axis, normalisation and activation; then a head.

    Stage i has width * growth**i channels. `pool` says how a stage halves: by a stride of two in its
    convolution (rounding up, the cheapest), by max or average pooling (rounding down), or not at all.
    `head` classifies all positions (flatten) or their average, to which it is all one where a thing lies.
    Raises ConfigError when the input is too small for the kernel or the poolings.
    """

    needs_places = True

    def __init__(
        self,
        *,
        input_shape: tuple[int, ...],
        n_outputs: int,
        depth: PositiveInt = 3,
        width: PositiveInt = 32,
        growth: Annotated[float, Field(ge=0.25, le=4)] = 1.0,
        kernel: OddInt = 5,
        pool: Pool = "max",
        activation: Activation = "relu",
        normalisation: Normalisation = "batch",
        dropout: Probability = 0.0,
        head: Literal["flatten", "average"] = "flatten",
    ) -> None:
        super().__init__()
        channels, *spatial = input_shape
        _check_fit(spatial, depth=depth, kernel=kernel, pool=pool)
        widths = [channels, *[max(1, round(width * growth**stage)) for stage in range(depth)]]
        self.stages = nn.Sequential(
            *[
                _stage(len(spatial), pair, kernel=kernel, pool=pool, act=activation, norm=normalisation)
                for pair in pairwise(widths)
            ]
        )
        sizes = [_size_after(axis, depth=depth, pool=pool) for axis in spatial]
        self.head = nn.Sequential(SpatialMean() if head == "average" else nn.Flatten(), nn.Dropout(dropout))
        self.classifier = nn.Linear(widths[-1] * (prod(sizes) if head == "flatten" else 1), n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, *spatial) -> outputs (batch, n_outputs)."""
        logits: Tensor = self.classifier(self.head(self.stages(x)))
        return logits


def _stage(
    dimensions: int,
    channels: tuple[int, int],
    *,
    kernel: int,
    pool: Pool,
    act: Activation,
    norm: Normalisation,
) -> nn.Sequential:
    stride = 2 if pool == "stride" else 1
    conv = convolution(dimensions, channels, kernel=kernel, stride=stride, bias=norm != "batch")
    finish = [normalisation(norm, channels[1], dimensions=dimensions), activation(act)]
    if pool in ("stride", "none"):
        return nn.Sequential(conv, *finish)
    # Pooled first, the rest has half the positions to do (a quarter on images).
    return nn.Sequential(conv, _POOLS[pool, dimensions](2), *finish)


def _size_after(axis: int, *, depth: int, pool: Pool) -> int:
    if pool == "none":
        return axis
    for _ in range(depth):
        axis = ceil(axis / 2) if pool == "stride" else axis // 2
    return axis


def _check_fit(spatial: list[int], *, depth: int, kernel: int, pool: Pool) -> None:
    smallest, shape = min(spatial), "x".join(map(str, spatial))
    if kernel > smallest:
        largest = smallest if smallest % 2 else smallest - 1
        raise ConfigError(
            f"model.kernel={kernel} is larger than the input, {shape}; "
            f"allowed: odd, at most {largest}; type: model.kernel={min(3, largest)}"
        )
    fits = (smallest - 1).bit_length() if pool == "stride" else smallest.bit_length() - 1
    if pool != "none" and depth > fits:
        raise ConfigError(
            f"model.depth={depth} halves the input, {shape}, more often than it can be; "
            f"allowed: at most {fits}; type: {f'model.depth={fits}, or ' if fits else ''}model.pool=none"
        )
