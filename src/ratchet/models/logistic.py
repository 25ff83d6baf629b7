"""Multinomial logistic regression: the floor that every other network must beat."""

from __future__ import annotations

from math import prod

from torch import Tensor, nn


class Logistic(nn.Module):
    """One linear map of all values. Starts at zero: the loss is convex, so the start does not matter."""

    def __init__(self, *, input_shape: tuple[int, ...], n_outputs: int) -> None:
        super().__init__()
        self.classifier = nn.Linear(prod(input_shape), n_outputs)
        nn.init.zeros_(self.classifier.weight)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, *spatial) -> outputs (batch, n_outputs)."""
        logits: Tensor = self.classifier(x.flatten(1))
        return logits
