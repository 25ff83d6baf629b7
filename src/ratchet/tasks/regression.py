"""A number, by one output in units of the target's standard deviation."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from ratchet.tasks.base import Arrays, Floats, Predictions, Resampled, Rows, Target, Task

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class RegressionPredictions(Predictions):
    """The target (n,) and what the model says (n,), float64, both in the target's own unit."""

    headline = ("r2", "mae", "rmse")
    shown = ("r2", "mae")

    actual: Floats
    predicted: Floats
    target: Target

    def __len__(self) -> int:
        return len(self.actual)

    @cached_property
    def error(self) -> Floats:
        """What is said too much (n,)."""
        error: Floats = self.predicted - self.actual
        return error

    def resampled(self, names: Collection[str]) -> Resampled:
        from scipy import sparse

        centred = self.actual - self.actual.mean()
        # Sparse, because numpy's own product gives other last digits with another number of BLAS threads.
        rows = sparse.csr_array(np.stack([np.abs(self.error), self.error**2, centred, centred**2]))

        def measure(weights: Floats) -> dict[str, Floats]:
            n = weights.sum(axis=0)
            absolute, squared, first, second = rows @ weights
            spread = second - first**2 / n
            r2 = np.divide(squared, spread, out=np.full(len(n), np.nan), where=spread > 0)
            found = {"r2": 1 - r2, "mae": absolute / n, "rmse": np.sqrt(squared / n)}
            return {name: value for name, value in found.items() if name in names}

        return measure

    def scores(self, name: str) -> Floats:
        from ratchet.evidence.jackknife import r2, root_mean_square

        if name == "mae":
            return -np.abs(self.error)
        if name == "loss":
            return -((self.error / self.target.std) ** 2)
        if name == "rmse":
            return -root_mean_square(self.error)
        if name == "r2":
            return r2(self.actual, self.error)
        raise KeyError(name)

    def arrays(self) -> Arrays:
        return Arrays(self.predicted, self.actual)

    def mistakes(self, count: int) -> NDArray[np.intp]:
        """The largest errors, either way; equals in the order of the split."""
        return np.argsort(-np.abs(self.error), kind="stable")[:count]

    def caption(self, index: int) -> str:
        return f"#{index} is {self.actual[index]:.6g}\ntaken for {self.predicted[index]:.6g}"

    def table(self) -> Rows:
        """The target and the prediction, to seven digits: float32 holds no more."""
        rows = ([f"{a:.7g}", f"{p:.7g}"] for a, p in zip(self.actual, self.predicted, strict=True))
        return ("label", "predicted"), rows

    def plots(self) -> dict[str, Rows]:
        rows = ([f"{a:.7g}", f"{p:.7g}"] for a, p in zip(self.actual, self.predicted, strict=True))
        return {"predicted": (("actual", "predicted"), rows)}


class Regression(Task):
    """A number: the squared error of one output, which is in standard deviations of the training split's target."""

    kinds = ("number",)
    objectives: ClassVar[tuple[str, ...]] = ("rmse", "mae", "r2")
    training_metric = "mae"
    usual_loss = "torch.nn.MSELoss"

    @property
    def n_outputs(self) -> int:
        return 1

    def learnable(self, y: Tensor) -> Tensor:
        return ((y - self.target.mean) / self.target.std)[:, None]

    def training_score(self, outputs: Tensor, y: Tensor) -> Tensor:
        return self.target.std * (outputs - self.learnable(y)).abs().mean()

    def plain_loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return (outputs.float() - self.learnable(y)).square().mean()

    def activate(self, outputs: Tensor) -> Tensor:
        return outputs.double() * self.target.std + self.target.mean

    def outputs_saying(self, said: Floats) -> Floats:
        return said

    def predictions(self, outputs: Floats, y: np.ndarray) -> RegressionPredictions:
        return RegressionPredictions(np.asarray(y, np.float64), outputs[:, 0], self.target)
