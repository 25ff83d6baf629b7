"""Why a run says what it says: which columns it needs, which of them moved each answer, do the weights matter."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ratchet.deployment.predictor import Predictor
from ratchet.evidence.intervals import Interval, t_interval
from ratchet.tasks import Task
from ratchet.tasks.binary import Binary
from ratchet.tasks.quantile import Quantile
from ratchet.tasks.regression import Regression
from ratchet.training.predictions import outputs_of, threads

STEPS = 64  # of a path from the baseline
REPEATS = 5  # permutations of a column
_ROWS = 4096  # of validation at most
_BATCH_VALUES = 2**20  # of all steps together


@dataclass(frozen=True)
class Importance:
    """What is lost without a column: the mean growth of an example's loss where its values are mixed among the rows.

    growth: with an interval over examples, corrected for the number of columns. told: whether it lies above nought.
    """

    name: str
    growth: Interval

    @property
    def told(self) -> bool:
        """Whether the column is told from one that the model does not use."""
        return self.growth.low is not None and self.growth.low > 0


@dataclass(frozen=True)
class Explained:
    """Integrated gradients of some examples: what each feature adds to the score, above that of the baseline.

    attributions: (n, *shape); their sum over an example is scores - baseline but for `gap`, the largest difference as
    a share of the scores' spread. chosen: the output that is explained, of each example.
    alike: the mean rank correlation of their sizes with those of the same network with its weights mixed; None where
    an example has fewer than three features.
    """

    attributions: np.ndarray
    scores: np.ndarray
    baseline: np.ndarray
    chosen: np.ndarray
    gap: float
    alike: float | None


def explain(predictor: Predictor, x: np.ndarray, *, steps: int = STEPS, seed: int = 0) -> Explained:
    """Of the decided class, the likeliest label, the number or its median (Sundararajan, Taly & Yan 2017).

    x: (n, *shape), transformed. The baseline is the mean of the training split, which is nought after the transform.
    """
    network, task = predictor.model.eval(), predictor.task
    with threads(predictor.config.trainer.threads):
        chosen = _chosen(outputs_of(network, task, x), task)
        baselines = outputs_of(network, task, np.zeros_like(x[:1]))[0][chosen]
        scores = outputs_of(network, task, x)[np.arange(len(x)), chosen]
        attributions = integrated_gradients(network, task, x, chosen, steps=steps)
        mixed = integrated_gradients(_mixed(network, seed), task, x, chosen, steps=steps)
    sums = attributions.reshape(len(x), -1).sum(axis=1)
    spread = float(np.abs(scores - baselines).max()) or 1.0
    gap = float(np.abs(sums - (scores - baselines)).max()) / spread
    return Explained(attributions, scores, baselines, chosen, gap, _alike(attributions, mixed))


def integrated_gradients(
    network: nn.Module, task: Task, x: np.ndarray, chosen: np.ndarray, *, steps: int
) -> np.ndarray:
    """float64 like x: the gradient, averaged along the straight line from nought, times x; midpoints of the steps."""
    dtype, found = next(network.parameters()).dtype, np.empty(x.shape)
    at_once = max(1, _BATCH_VALUES // max(1, x[0].size * steps))
    places = torch.as_tensor((np.arange(steps) + 0.5) / steps, dtype=dtype)
    for start in range(0, len(x), at_once):
        part = torch.from_numpy(np.array(x[start : start + at_once])).to(dtype)
        along = (places.reshape(-1, 1, *[1] * (part.ndim - 1)) * part).flatten(0, 1).requires_grad_()
        score = _scored(network, task, along, np.tile(chosen[start : start + at_once], steps))
        (gradient,) = torch.autograd.grad(score.sum(), along)
        mean = gradient.reshape(steps, *part.shape).double().mean(dim=0)
        found[start : start + at_once] = (mean * part).numpy()
    return found


def _scored(network: nn.Module, task: Task, x: Tensor, chosen: np.ndarray) -> Tensor:
    return task.activate(network(x))[torch.arange(len(x)), torch.from_numpy(chosen)]


def _chosen(outputs: np.ndarray, task: Task) -> np.ndarray:
    if isinstance(task, Quantile):
        return np.full(len(outputs), task.median)
    return np.asarray(outputs.argmax(axis=1))  # of a single output its own place


def _mixed(network: nn.Module, seed: int) -> nn.Module:
    """The same network with the values of each of its parameters in another order (Adebayo et al. 2018)."""
    found, generator = deepcopy(network), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in found.parameters():
            order = torch.randperm(parameter.numel(), generator=generator)
            parameter.copy_(parameter.flatten()[order].reshape(parameter.shape))
    return found


def _alike(one: np.ndarray, other: np.ndarray) -> float | None:
    """The mean Spearman correlation of the sizes of two maps, over examples that vary in both."""
    from scipy.stats import rankdata

    if one[0].size < 3:
        return None
    ranks = [rankdata(np.abs(each.reshape(len(each), -1)), axis=1) for each in (one, other)]
    centred = [each - each.mean(axis=1, keepdims=True) for each in ranks]
    sizes = np.sqrt((centred[0] ** 2).sum(axis=1) * (centred[1] ** 2).sum(axis=1))
    known = sizes > 0
    return float(((centred[0] * centred[1]).sum(axis=1)[known] / sizes[known]).mean()) if known.any() else None


def columns_of(predictor: Predictor) -> dict[str, slice]:
    """Which features are of which column of a table; of other data there are none."""
    found, start = {}, 0
    for rule in () if predictor.transform.table is None else predictor.transform.table.rules:
        found[rule.column.name] = slice(start, start + len(rule.names))
        start += len(rule.names)
    return found


def importances(predictor: Predictor, x: np.ndarray, y: np.ndarray, *, seed: int = 0) -> list[Importance]:
    """Of each column of a table, the most important first, on examples that the model was not trained on.

    Breiman 2001, with the loss of single examples, so that the interval is one over examples: log loss of classes and
    labels, the size of a number's error.
    """
    rng, columns = np.random.default_rng(seed), columns_of(predictor)
    rows = np.sort(rng.choice(len(x), min(_ROWS, len(x)), replace=False))
    x, y = x[rows], y[rows]
    with threads(predictor.config.trainer.threads):
        found = [
            Importance(name, t_interval(_growth(predictor, x, y, place, rng), alpha=0.05 / len(columns)))
            for name, place in columns.items()
        ]
    return sorted(found, key=lambda each: -each.growth.mean)


def _growth(predictor: Predictor, x: np.ndarray, y: np.ndarray, place: slice, rng: np.random.Generator) -> np.ndarray:
    """(n,) the mean growth of each example's loss where some features are those of other rows."""
    grown, usual = np.zeros(len(x)), losses(outputs_of(predictor.model, predictor.task, x), y, predictor.task)
    for _ in range(REPEATS):
        mixed = x.copy()
        mixed[:, place] = x[rng.permutation(len(x)), place]
        grown += losses(outputs_of(predictor.model, predictor.task, mixed), y, predictor.task) - usual
    return grown / REPEATS


def losses(outputs: np.ndarray, y: np.ndarray, task: Task) -> np.ndarray:
    """(n,) of single examples, by activated outputs."""
    if isinstance(task, Regression | Quantile):
        place = task.median if isinstance(task, Quantile) else 0
        return np.asarray(np.abs(outputs[:, place] - y))
    if isinstance(task, Binary):
        return np.logaddexp(0, np.where(y == task.positive, -outputs[:, 0], outputs[:, 0]))
    if task.target.kind == "labels":
        return np.asarray(np.logaddexp(0, np.where(y > 0.5, -outputs, outputs)).mean(axis=1))
    return np.asarray(-outputs[np.arange(len(y)), y])


def by_column(attributions: np.ndarray, columns: dict[str, slice]) -> np.ndarray:
    """(n, columns) of attributions (n, features)."""
    return np.stack([attributions[:, place].sum(axis=1) for place in columns.values()], axis=1)


def what_is_scored(task: Task, chosen: int) -> str:
    """What an explained output is, for a person."""
    names: Sequence[str] = task.target.names
    if task.target.kind == "number":
        return f"{names[0]}{', its median' if isinstance(task, Quantile) else ''}"
    if isinstance(task, Binary):
        return f"the logit of {names[task.positive]}"
    return (
        f"the logit of {names[chosen]}" if task.target.kind == "labels" else f"the log probability of {names[chosen]}"
    )
