"""A number with an interval: an output for each quantile of what it may be."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ratchet.errors import ConfigError
from ratchet.tasks.base import Floats, Resampled, Rows, Target
from ratchet.tasks.regression import Regression, RegressionPredictions

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class QuantilePredictions(RegressionPredictions):
    """Predictions of quantiles: a regression's, which predict the median, and rising values (n, quantiles) in its unit.

    `coverage` is the share of targets between the outermost two, those included, and `width` their mean distance;
    `pinball` is the mean pinball loss over examples and quantiles.
    """

    headline = ("pinball", "coverage", "width", "mae", "rmse", "r2")  # type: ignore[assignment]
    shown = ("r2", "pinball", "coverage")  # type: ignore[assignment]

    values: Floats
    quantiles: Floats

    @cached_property
    def of_examples(self) -> dict[str, Floats]:
        """The metrics that are means over examples, of each (n,)."""
        error = self.actual[:, None] - self.values
        low, high = self.values[:, 0], self.values[:, -1]
        return {
            "pinball": np.maximum(self.quantiles * error, (self.quantiles - 1) * error).mean(axis=1),
            "coverage": ((low <= self.actual) & (self.actual <= high)).astype(np.float64),
            "width": high - low,
        }

    def resampled(self, names: Collection[str]) -> Resampled:
        from scipy import sparse

        of_the_median, kept = super().resampled(names), [name for name in self.of_examples if name in names]
        rows = sparse.csr_array(np.stack([self.of_examples[name] for name in [*kept, "width"]]))

        def measure(weights: Floats) -> dict[str, Floats]:
            means = zip(kept, rows @ weights / weights.sum(axis=0), strict=False)
            found = of_the_median(weights) | dict(means)
            return {name: found[name] for name in self.headline if name in names}

        return measure

    def scores(self, name: str) -> Floats:
        if name == "loss":
            return -self.of_examples["pinball"] / self.target.std
        if name in self.of_examples:
            return self.of_examples[name] if name == "coverage" else -self.of_examples[name]
        return super().scores(name)

    def caption(self, index: int) -> str:
        low, high = self.values[index, [0, -1]]
        return f"{super().caption(index)} ({low:.4g} to {high:.4g})"

    def table(self) -> Rows:
        """The target, the median, and each quantile, to seven digits: float32 holds no more."""
        rows = (
            [f"{a:.7g}", f"{p:.7g}", *(f"{value:.7g}" for value in each)]
            for a, p, each in zip(self.actual, self.predicted, self.values, strict=True)
        )
        return ("label", "predicted", *(f"quantile_{each:g}" for each in self.quantiles)), rows


class Quantile(Regression):
    """Quantiles of a number: the pinball loss of an output for each. The median decides, the outer two are an interval.

    quantiles: between 0 and 1, rising, 0.5 among them. A network's outputs are sorted before anything is decided, so
    that none cross (Chernozhukov et al. 2010, Econometrica 78).
    """

    objectives = ("pinball", "mae", "rmse", "r2", "coverage", "width")
    usual_loss = "ratchet.tasks.losses.QuantileLoss"
    defining = dict.fromkeys(("loss", "pinball", "coverage", "width"), "quantiles")

    def __init__(
        self, target: Target, *, calibration_bins: int = 15, quantiles: Sequence[float] = (0.05, 0.5, 0.95)
    ) -> None:
        super().__init__(target, calibration_bins=calibration_bins)
        _check(quantiles)
        self.quantiles = tuple(map(float, quantiles))
        self.median = self.quantiles.index(0.5)
        self._around: Floats | None = None  # quantiles of the error of a model that says numbers alone

    @property
    def n_outputs(self) -> int:
        return len(self.quantiles)

    @property
    def loss_arguments(self) -> dict[str, Any]:
        return {"quantiles": self.quantiles}

    def training_score(self, outputs: Tensor, y: Tensor) -> Tensor:
        return super().training_score(outputs.sort(dim=1).values[:, self.median, None], y)

    def plain_loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        from ratchet.tasks.losses import QuantileLoss

        loss = QuantileLoss(self.quantiles).to(outputs.device)
        rising: Tensor = loss(outputs.float().sort(dim=1).values, self.learnable(y))
        return rising

    def activate(self, outputs: Tensor) -> Tensor:
        return super().activate(outputs).sort(dim=1).values

    def outputs_saying(self, said: Floats) -> Floats:
        """Numbers have no quantiles: what lies around them, `fitted` finds on validation."""
        outputs = np.full((len(said), self.n_outputs), np.nan)
        outputs[:, self.median] = said[:, 0]
        return outputs

    def fitted(self, outputs: Floats, y: np.ndarray) -> Self:
        said = outputs[:, self.median]
        if not (np.isnan(outputs).any() and np.isfinite(said).all()):
            return self
        fitted = copy(self)
        fitted._around = np.quantile(np.asarray(y, np.float64) - said, self.quantiles)
        return fitted

    def predictions(self, outputs: Floats, y: np.ndarray) -> QuantilePredictions:
        if self._around is not None:
            outputs = outputs[:, self.median, None] + self._around
        actual, quantiles = np.asarray(y, np.float64), np.array(self.quantiles)
        return QuantilePredictions(actual, outputs[:, self.median], self.target, outputs, quantiles)


def _check(quantiles: Any) -> None:
    """Raises ConfigError for what are no quantiles, or not those of an interval around a median."""
    given = list(quantiles) if isinstance(quantiles, Sequence) and not isinstance(quantiles, str) else []
    good = {each for each in given if isinstance(each, int | float) and 0 < each < 1}
    if len(good) > 1 and given == sorted(good) and 0.5 in good:
        return
    likely = sorted({*good, 0.5}) if good - {0.5} else [0.05, 0.5, 0.95]
    raise ConfigError(
        f"task.quantiles={quantiles}; allowed: numbers between 0 and 1, rising, two at least and 0.5 among them, the "
        f"median, which decides; type: 'task.quantiles=[{','.join(f'{each:g}' for each in likely)}]'"
    )
