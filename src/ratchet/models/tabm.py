"""TabM: many multilayer perceptrons in one, for tables, with periodic embeddings of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from pydantic import NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from ratchet.config.base import Probability
from ratchet.errors import ConfigError
from ratchet.models.embeddings import NumberEmbeddings


class TabM(nn.Module):
    """`members` perceptrons that share most weights, each of which learns the target; a prediction is their mean.

    Gorishniy et al., TabM, arXiv:2410.24210, as the package tabm has it; with one member it is a plain perceptron.
    Numbers are embedded first, to a width of `embedding` each, as NumberEmbeddings says; 0: they are not.
    """

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
            import tabm
        except ModuleNotFoundError as error:
            raise ConfigError(f"model=tabm needs the package {error.name}; type: pip install 'tabm>=0.0.3'") from error

        self.embedding = NumberEmbeddings(
            numbers, n_features=prod(input_shape), width=embedding, frequencies=frequencies,
            frequency_scale=frequency_scale,
        )  # fmt: skip
        self.several = tabm.EnsembleView(k=members)
        chunks = self.embedding.chunks
        self.backbone = tabm.MLPBackboneBatchEnsemble(
            d_in=sum(chunks), n_blocks=depth, d_block=width, dropout=dropout, k=members, tabm_init=True,
            scaling_init="random-signs" if self.embedding.periodic else "normal", start_scaling_init_chunks=chunks,
        )  # fmt: skip
        self.outputs = tabm.LinearEnsemble(width, n_outputs, k=members)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, features) -> outputs (batch, n_outputs); while training (batch, members, n_outputs)."""
        rows = self.embedding(x.flatten(1))
        outputs: Tensor = self.outputs(self.backbone(self.several(rows)))
        return outputs if self.training else outputs.mean(dim=1)
