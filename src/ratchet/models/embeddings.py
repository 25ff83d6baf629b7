"""Numbers of a table embedded by sines, so that a network can bend where a number alone would stay a straight line."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ratchet.errors import ConfigError


class NumberEmbeddings(nn.Module):
    """Each number of a row becomes `width` values: sines of learnt frequencies, then a linear layer and a ReLU.

    Gorishniy et al., arXiv:2203.05556, as the package rtdl_num_embeddings has it. The other features, parts of one-hot
    categories, pass unchanged: the first linear layer of the network embeds them. Without numbers, or with a width of
    0, all features pass. Raises ConfigError where the package is not installed and is needed.
    """

    numbers: Tensor
    rest: Tensor

    def __init__(
        self, numbers: Sequence[int], *, n_features: int, width: int, frequencies: int, frequency_scale: float
    ) -> None:
        """numbers: their positions in ascending order; frequency_scale: the deviation frequencies are drawn with."""
        super().__init__()
        embedded = list(numbers) if width else []
        rest = sorted(set(range(n_features)) - set(embedded))
        self.register_buffer("numbers", torch.tensor(embedded, dtype=torch.long), persistent=False)
        self.register_buffer("rest", torch.tensor(rest, dtype=torch.long), persistent=False)
        self.chunks = [width] * len(embedded) + [1] * len(rest)  # how many values each feature becomes
        self.periodic: nn.Module | None = None
        if embedded:
            try:
                from rtdl_num_embeddings import PeriodicEmbeddings
            except ModuleNotFoundError as error:
                raise ConfigError(f"model.embedding needs {error.name}; type: pip install -e '.[tables]'") from error
            self.periodic = PeriodicEmbeddings(
                len(embedded), width, n_frequencies=frequencies, frequency_init_scale=frequency_scale, lite=False
            )

    def forward(self, x: Tensor) -> Tensor:
        """(batch, features) -> (batch, sum of chunks), numbers first."""
        if self.periodic is None:
            return x
        return torch.cat([self.periodic(x[:, self.numbers]).flatten(1), x[:, self.rest]], dim=1)
