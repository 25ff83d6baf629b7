"""Split-conformal sets of classes: which classes an example may have, so that the true one is seldom missing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ratchet.errors import ConfigError
from ratchet.tasks.base import Floats, Predictions
from ratchet.tasks.binary import BinaryPredictions
from ratchet.tasks.multiclass import MulticlassPredictions


@dataclass(frozen=True)
class Conformal:
    """A class belongs to an example's set if its probability is 1 - threshold at least.

    coverage: the share of new examples, of the kind that calibrated, whose set holds the true class: at least, on
    average. examples: how many calibrated.
    """

    coverage: float
    threshold: float
    examples: int

    @classmethod
    def calibrated(cls, said: Predictions, coverage: float) -> Self:
        """By what a model says of examples that it was not trained on: least ambiguous sets.

        The threshold is the ceil((n + 1) coverage)-th smallest of 1 - p(true class), 1 where there are fewer (Sadinle,
        Lei & Wasserman 2019, JASA 114; Vovk et al. 2005). Raises ConfigError for a task that is not of classes.
        """
        scores = 1 - np.sort(probabilities_of(said)[0][np.arange(len(said)), true_classes(said)])[::-1]
        rank = math.ceil(round((len(scores) + 1) * coverage, 9))
        return cls(coverage, float(scores[rank - 1]) if rank <= len(scores) else 1.0, len(scores))

    def sets(self, said: Predictions) -> NDArray[np.bool_]:
        """(n, classes): which classes an example may have; the one that is decided for is always among them."""
        probabilities, decided = probabilities_of(said)
        found: NDArray[np.bool_] = probabilities >= 1 - self.threshold
        found[np.arange(len(found)), decided] = True
        return found


def probabilities_of(said: Predictions) -> tuple[Floats, NDArray[np.int64]]:
    """The probability of each class (n, classes), and the class decided for (n,). Raises ConfigError as above."""
    if isinstance(said, BinaryPredictions):
        positive = said.two_way.probability
        return np.stack([1 - positive, positive], axis=1), said.two_way.predicted.astype(np.int64)
    if isinstance(said, MulticlassPredictions):
        return said.probabilities, said.predicted
    raise ConfigError("abstain=true is of tasks that decide for one of several classes; type: abstain=false")


def true_classes(said: Predictions) -> NDArray[np.int64]:
    """(n,) the class of each example, as `probabilities_of` counts them."""
    return said.positive.astype(np.int64) if isinstance(said, BinaryPredictions) else said.labels  # type: ignore[attr-defined]
