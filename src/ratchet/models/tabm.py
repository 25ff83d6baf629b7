"""TabM: many multilayer perceptrons in one, for tables, with periodic embeddings of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from pydantic import NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from ratchet.config.base import Probability
from ratchet.errors import ConfigError


class TabM(nn.Module):
    """`members` perceptrons that share most weights, each of which learns the target; a prediction is their mean.

    Gorishniy et al., TabM, arXiv:2410.24210, as the package tabm has it; with one member it is a plain perceptron.
    Numbers are embedded first, where `embedding` is not 0, by sines of learnt frequencies and a linear layer of that
    width (Gorishniy et al., arXiv:2203.05556, as the package rtdl_num_embeddings has it): `frequency_scale` is the
    standard deviation that the frequencies are drawn with. Categories, which arrive one-hot, are embedded by the first
    linear layer.
    """

    numbers: Tensor
    rest: Tensor

    def __init__(
        self,
        *,
        input_shape: tuple[int, ...],
        n_outputs: int,
        numbers: Sequence[int] = (),
        members: PositiveInt = 32,
        depth: PositiveInt = 3,
        width: PositiveInt = 256,
        dropout: Probability = 0.1,
        embedding: NonNegativeInt = 16,
        frequencies: PositiveInt = 48,
        frequency_scale: PositiveFloat = 0.05,
    ) -> None:
        """numbers: the positions of features that are numbers, in ascending order; the others are 0 or 1."""
        super().__init__()
        try:
            import rtdl_num_embeddings
            import tabm
        except ModuleNotFoundError as error:
            raise ConfigError(f"model=tabm needs the package {error.name}; type: pip install 'tabm>=0.0.3'") from error

        n_features = prod(input_shape)
        embedded = list(numbers) if embedding else []
        self.register_buffer("numbers", torch.tensor(embedded, dtype=torch.long), persistent=False)
        rest = sorted(set(range(n_features)) - set(embedded))
        self.register_buffer("rest", torch.tensor(rest, dtype=torch.long), persistent=False)
        self.embedding: nn.Module | None = None
        if embedded:
            self.embedding = rtdl_num_embeddings.PeriodicEmbeddings(
                len(embedded), embedding, n_frequencies=frequencies, frequency_init_scale=frequency_scale, lite=False
            )
        self.several = tabm.EnsembleView(k=members)
        chunks = [embedding] * len(embedded) + [1] * len(rest)
        self.backbone = tabm.MLPBackboneBatchEnsemble(
            d_in=sum(chunks), n_blocks=depth, d_block=width, dropout=dropout, k=members, tabm_init=True,
            scaling_init="random-signs" if embedded else "normal", start_scaling_init_chunks=chunks,
        )  # fmt: skip
        self.outputs = tabm.LinearEnsemble(width, n_outputs, k=members)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, features) -> outputs (batch, n_outputs); while training (batch, members, n_outputs)."""
        x = x.flatten(1)
        parts = [x[:, self.rest]]
        if self.embedding is not None:
            parts.insert(0, self.embedding(x[:, self.numbers]).flatten(1))
        outputs: Tensor = self.outputs(self.backbone(self.several(torch.cat(parts, dim=1))))
        return outputs if self.training else outputs.mean(dim=1)
