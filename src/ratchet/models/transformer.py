"""A transformer encoder over patches of a sequence or an image (the Vision Transformer, arXiv:2010.11929)."""

from __future__ import annotations

from math import gcd, prod
from typing import Annotated, Literal

import torch
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own documentation writes it so

from ratchet.config.base import Probability
from ratchet.errors import ConfigError
from ratchet.models.layers import Activation, activation


class Transformer(nn.Module):
    """Patches, learned positions, `depth` pre-norm encoder layers, a linear classifier.

    A patch is `patch` long on every spatial axis, embedded with `overlap` more values on each side.
    `readout` classifies from a learned class token (cls) or from the mean over patches.
    Weights start normal with sd 0.02 cut at two sd, biases at zero, as in the Vision Transformer.
    Raises ConfigError when patches do not tile the input or heads do not divide the width.
    """

    needs_places = True

    def __init__(
        self,
        *,
        input_shape: tuple[int, ...],
        n_outputs: int,
        depth: PositiveInt = 4,
        width: PositiveInt = 64,
        heads: PositiveInt = 4,
        patch: PositiveInt = 4,
        overlap: NonNegativeInt = 2,
        mlp_ratio: Annotated[float, Field(gt=0, le=16)] = 2.0,
        activation: Activation = "gelu",
        readout: Literal["cls", "mean"] = "mean",
        dropout: Probability = 0.0,
    ) -> None:
        super().__init__()
        channels, *spatial = input_shape
        check_heads(width, heads)
        _check_fit(spatial, patch=patch, overlap=overlap)
        kind = {1: nn.Conv1d, 2: nn.Conv2d}[len(spatial)]
        self.embedding = kind(channels, width, patch + 2 * overlap, stride=patch, padding=overlap)
        self.class_token = nn.Parameter(torch.zeros(1, 1, width)) if readout == "cls" else None
        tokens = prod(axis // patch for axis in spatial) + (readout == "cls")
        self.positions = nn.Parameter(torch.zeros(1, tokens, width))
        self.dropout = nn.Dropout(dropout)
        hidden = max(1, round(width * mlp_ratio))
        self.layers = nn.Sequential(
            *[EncoderLayer(width, heads=heads, hidden=hidden, act=activation, dropout=dropout) for _ in range(depth)]
        )
        self.norm = nn.LayerNorm(width)
        self.classifier = nn.Linear(width, n_outputs)
        self.apply(initialise)
        nn.init.trunc_normal_(self.positions, std=0.02, a=-0.04, b=0.04)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, *spatial) -> outputs (batch, n_outputs)."""
        tokens = self.embedding(x).flatten(2).transpose(1, 2)
        if self.class_token is not None:
            tokens = torch.cat([self.class_token.expand(len(x), -1, -1), tokens], dim=1)
        read = self.norm(self.layers(self.dropout(tokens + self.positions)))
        logits: Tensor = self.classifier(read[:, 0] if self.class_token is not None else read.mean(dim=1))
        return logits


class EncoderLayer(nn.Module):
    """Self-attention, then a two-layer perceptron, each behind a layer norm, beside a shortcut (pre-norm)."""

    def __init__(self, width: int, *, heads: int, hidden: int, act: Activation, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.attention_dropout = dropout
        self.attention_norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.projection = nn.Sequential(nn.Linear(width, width), nn.Dropout(dropout))
        self.perceptron = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, hidden),
            activation(act),
            nn.Dropout(dropout),
            nn.Linear(hidden, width),
            nn.Dropout(dropout),
        )

    def forward(self, tokens: Tensor, seen: Tensor | None = None) -> Tensor:
        """(batch, tokens, width) -> the same shape. seen: bool (batch, tokens), what others look at; None: all."""
        tokens = tokens + self.projection(self._attend(self.attention_norm(tokens), seen))
        after: Tensor = tokens + self.perceptron(tokens)
        return after

    def _attend(self, tokens: Tensor, seen: Tensor | None) -> Tensor:
        batch, count, width = tokens.shape
        heads = self.query_key_value(tokens).view(batch, count, 3, self.heads, width // self.heads)
        query, key, value = heads.permute(2, 0, 3, 1, 4)
        dropout = self.attention_dropout if self.training else 0.0
        mask = None if seen is None else seen[:, None, None, :]
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropout)
        return mixed.transpose(1, 2).reshape(batch, count, width)


def initialise(layer: nn.Module) -> None:
    """Weights of a linear layer normal with sd 0.02 cut at two sd, biases at zero."""
    if isinstance(layer, nn.Linear):
        nn.init.trunc_normal_(layer.weight, std=0.02, a=-0.04, b=0.04)
        nn.init.zeros_(layer.bias)


def check_heads(width: int, heads: int) -> None:
    """Raise ConfigError where the heads do not divide the width."""
    if width % heads:
        allowed = [number for number in range(1, width + 1) if width % number == 0]
        nearest = min(allowed, key=lambda number: abs(number - heads))
        raise ConfigError(
            f"model.heads={heads} does not divide model.width={width}; "
            f"allowed: {', '.join(map(str, allowed))}; type: model.heads={nearest}"
        )


def _check_fit(spatial: list[int], *, patch: int, overlap: int) -> None:
    common = gcd(*spatial)
    shape = "x".join(map(str, spatial))
    if common % patch:
        allowed = [number for number in range(1, common + 1) if common % number == 0]
        nearest = min(allowed, key=lambda number: abs(number - patch))
        raise ConfigError(
            f"model.patch={patch} does not divide the input, {shape}; "
            f"allowed: {', '.join(map(str, allowed))}; type: model.patch={nearest}"
        )
    if patch + 2 * overlap > min(spatial) + 2 * overlap or overlap >= min(spatial):
        raise ConfigError(
            f"model.overlap={overlap} is as large as the input, {shape}; "
            f"allowed: 0 to {min(spatial) - 1}; type: model.overlap=0"
        )
