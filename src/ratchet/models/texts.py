"""Networks of texts, from their tokens: the mean of embeddings, and a small transformer."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from ratchet.config.base import Probability
from ratchet.models.layers import Activation
from ratchet.models.transformer import EncoderLayer, check_heads, initialise


def mean_over(tokens: Tensor, seen: Tensor) -> Tensor:
    """The mean (batch, width) over the tokens (batch, tokens, width) that are no padding, where `seen` is true."""
    share = seen[..., None].to(tokens.dtype)
    mean: Tensor = (tokens * share).sum(dim=1) / share.sum(dim=1).clamp(min=1)
    return mean


class TextBag(nn.Module):
    """The mean of the tokens' embeddings, whatever their order, and a linear layer (fastText, arXiv:1607.01759)."""

    def __init__(
        self,
        *,
        input_shape: tuple[int, ...],
        n_outputs: int,
        vocabulary: int,
        width: PositiveInt = 64,
        dropout: Probability = 0.3,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        nn.init.normal_(self.embedding.weight, std=0.1)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(width, n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens (batch, tokens), -1 where there is none -> outputs (batch, n_outputs)."""
        outputs: Tensor = self.classifier(self.dropout(mean_over(self.embedding(x.clamp(min=0)), x >= 0)))
        return outputs


class TextTransformer(nn.Module):
    """Embedded tokens with learned positions, `depth` pre-norm encoder layers, a linear layer.

    readout: mean, over the tokens; first, the first token alone, which a pretrained tokenizer puts there for it.
    """

    def __init__(
        self,
        *,
        input_shape: tuple[int, ...],
        n_outputs: int,
        vocabulary: int,
        depth: PositiveInt = 2,
        width: PositiveInt = 64,
        heads: PositiveInt = 4,
        mlp_ratio: Annotated[float, Field(gt=0, le=16)] = 2.0,
        activation: Activation = "gelu",
        readout: Literal["mean", "first"] = "mean",
        dropout: Probability = 0.1,
    ) -> None:
        super().__init__()
        check_heads(width, heads)
        self.first = readout == "first"
        self.embedding = nn.Embedding(vocabulary, width)
        self.positions = nn.Parameter(torch.zeros(input_shape[0], width))
        self.dropout = nn.Dropout(dropout)
        hidden = max(1, round(width * mlp_ratio))
        self.layers = nn.ModuleList(
            [EncoderLayer(width, heads=heads, hidden=hidden, act=activation, dropout=dropout) for _ in range(depth)]
        )
        self.norm = nn.LayerNorm(width)
        self.classifier = nn.Linear(width, n_outputs)
        self.apply(initialise)
        for weight in (self.embedding.weight, self.positions):
            nn.init.trunc_normal_(weight, std=0.02, a=-0.04, b=0.04)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens (batch, tokens), -1 where there is none -> outputs (batch, n_outputs)."""
        seen = x >= 0
        tokens = self.dropout(self.embedding(x.clamp(min=0)) + self.positions[: x.shape[1]])
        for layer in self.layers:
            tokens = layer(tokens, seen)
        tokens = self.norm(tokens)
        outputs: Tensor = self.classifier(tokens[:, 0] if self.first else mean_over(tokens, seen))
        return outputs
