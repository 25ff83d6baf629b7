"""A multilayer perceptron over all values: it knows nothing of neighbourhood."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod

from pydantic import NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from ratchet.config.base import Probability
from ratchet.models.embeddings import NumberEmbeddings
from ratchet.models.layers import Activation, Normalisation, activation, normalisation


class MLP(nn.Module):
    """`depth` hidden layers of `width` units: linear, normalisation, activation, dropout; then a linear layer.

    Numbers of a table are embedded first, to a width of `embedding` each, as NumberEmbeddings says; 0: they are not.
    Hidden weights are drawn from He's normal distribution (arXiv:1502.01852), biases are zero.
    """

    def __init__(
        self,
        *,
        input_shape: tuple[int, ...],
        n_outputs: int,
        depth: PositiveInt = 2,
        width: PositiveInt = 200,
        activation: Activation = "relu",
        normalisation: Normalisation = "batch",
        dropout: Probability = 0.0,
        numbers: Sequence[int] = (),
        embedding: NonNegativeInt = 0,
        frequencies: PositiveInt = 48,
        frequency_scale: PositiveFloat = 0.05,
    ) -> None:
        """numbers: the positions of features that are numbers, in ascending order; the others are 0 or 1."""
        super().__init__()
        if embedding and len(input_shape) > 1:
            raise ValueError(f"model.embedding={embedding} is for the numbers of a table; allowed: model.embedding=0")
        self.embedding = NumberEmbeddings(
            numbers, n_features=prod(input_shape), width=embedding, frequencies=frequencies,
            frequency_scale=frequency_scale,
        )  # fmt: skip
        sizes = [sum(self.embedding.chunks), *[width] * depth]
        self.hidden = nn.Sequential(
            *[
                _layer(n_in, n_out, act=activation, norm=normalisation, dropout=dropout)
                for n_in, n_out in pairwise(sizes)
            ]
        )
        self.classifier = nn.Linear(width, n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, *spatial) -> outputs (batch, n_outputs)."""
        logits: Tensor = self.classifier(self.hidden(self.embedding(x.flatten(1))))
        return logits


def _layer(n_in: int, n_out: int, *, act: Activation, norm: Normalisation, dropout: float) -> nn.Sequential:
    linear = nn.Linear(n_in, n_out, bias=norm != "batch")  # batch normalisation brings its own bias
    nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
    if norm != "batch":
        nn.init.zeros_(linear.bias)
    return nn.Sequential(linear, normalisation(norm, n_out, dimensions=0), activation(act), nn.Dropout(dropout))
