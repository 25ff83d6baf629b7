"""Layers that several networks share, picked by name, for one spatial axis (sequences) or two (images)."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import AfterValidator, PositiveInt
from torch import Tensor, nn

Activation = Literal["relu", "leaky_relu", "elu", "gelu", "silu", "tanh"]
Normalisation = Literal["none", "batch", "layer", "group"]

_ACTIVATIONS: dict[Activation, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}
_GROUP_SIZE = 8  # channels that share their statistics under group normalisation, at least


def _odd(value: int) -> int:
    if value % 2 == 0:
        raise ValueError("must be odd, so that the padding is the same on both sides")
    return value


OddInt = Annotated[PositiveInt, AfterValidator(_odd)]


def activation(name: Activation) -> nn.Module:
    """The nonlinearity of that name, with torch's own constants."""
    return _ACTIVATIONS[name]()


def convolution(dimensions: int, channels: tuple[int, int], *, kernel: int, stride: int, bias: bool) -> nn.Module:
    """A convolution (in, out) of odd kernel that divides the size by `stride`, rounding up.

    Weights are drawn from He's normal distribution over the inputs (arXiv:1502.01852), biases are zero.
    """
    kind = {1: nn.Conv1d, 2: nn.Conv2d}[dimensions]
    layer = kind(*channels, kernel, stride=stride, padding=kernel // 2, bias=bias)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    if dimensions == 2:
        # Its output then keeps a pixel's channels together in memory, and so does all that follows: on CPU a
        # third to a half faster.
        layer.weight.data = layer.weight.data.contiguous(memory_format=torch.channels_last)
    return layer


def normalisation(name: Normalisation, channels: int, *, dimensions: int) -> nn.Module:
    """A layer over (batch, channels, *spatial) that centres and scales, then learns a scale and an offset.

    `batch`: per channel over the batch; `layer`: per example over all channels; `group`: per example over as
    many equal groups as can be with at least eight channels in each.
    `dimensions` 0 stands for (batch, channels).
    """
    if name == "none":
        return nn.Identity()
    if name == "batch":
        return nn.BatchNorm2d(channels) if dimensions == 2 else nn.BatchNorm1d(channels)
    return nn.GroupNorm(1 if name == "layer" else group_count(channels), channels)


def group_count(channels: int) -> int:
    """The largest number of equal groups with at least eight channels in each."""
    most = max(1, channels // _GROUP_SIZE)
    return next(count for count in range(most, 0, -1) if channels % count == 0)


class SpatialMean(nn.Module):
    """(batch, channels, *spatial) -> (batch, channels). torch's adaptive pooling is random on CUDA."""

    def forward(self, x: Tensor) -> Tensor:
        """Average over every spatial axis."""
        return x.flatten(2).mean(dim=2)
