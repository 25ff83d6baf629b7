"""A gated recurrent unit that reads a sequence step by step, or an image row by row."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from ratchet.config.base import Probability

Readout = Literal["last", "mean", "max"]


class GRU(nn.Module):
    """`depth` GRU layers of `width` units in each direction (Cho et al. 2014, arXiv:1406.1078); a linear map.

    A step is one position of a sequence, or one row of an image with all its channels. `readout` classifies
    from the state after the last step of each direction, or from the mean or the maximum over all steps.
    """

    needs_places = True

    def __init__(
        self,
        *,
        input_shape: tuple[int, ...],
        n_outputs: int,
        depth: PositiveInt = 1,
        width: PositiveInt = 64,
        bidirectional: bool = True,
        readout: Readout = "max",
        dropout: Probability = 0.0,
    ) -> None:
        super().__init__()
        channels, *spatial = input_shape
        self.readout = readout
        self.recurrent = nn.GRU(
            channels * (spatial[1] if len(spatial) == 2 else 1),
            width,
            num_layers=depth,
            bidirectional=bidirectional,
            batch_first=True,
            dropout=dropout if depth > 1 else 0.0,  # torch warns of dropout between layers that are not there
        )
        _initialise(self.recurrent)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(width * (2 if bidirectional else 1), n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, *spatial) -> outputs (batch, n_outputs)."""
        steps = x.transpose(1, 2).flatten(2)  # (batch, length or rows, values)
        states, last = self.recurrent(steps)
        logits: Tensor = self.classifier(self.dropout(self._read(states, last)))
        return logits

    def _read(self, states: Tensor, last: Tensor) -> Tensor:
        if self.readout == "mean":
            return states.mean(dim=1)
        if self.readout == "max":
            return states.amax(dim=1)
        directions = 2 if self.recurrent.bidirectional else 1
        return torch.cat(list(last[-directions:]), dim=1)


def _initialise(recurrent: nn.GRU) -> None:
    """Orthogonal recurrent weights (Saxe et al. 2013, arXiv:1312.6120), Glorot's for the inputs.

    The update gate starts open at a bias of 1, so that a state outlives many steps (Jozefowicz et al. 2015).
    """
    for name, parameter in recurrent.named_parameters():
        if name.startswith("bias"):
            nn.init.zeros_(parameter)
            if name.startswith("bias_ih"):
                nn.init.ones_(parameter.detach().chunk(3)[1])  # reset, update, new
            continue
        for gate in parameter.detach().chunk(3):
            if name.startswith("weight_hh"):
                nn.init.orthogonal_(gate)
            else:
                nn.init.xavier_uniform_(gate)
