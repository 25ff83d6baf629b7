"""Scores of single examples for metrics of a whole set: jackknife pseudo-values.

The pseudo-value of example i of n is n M - (n - 1) M(without i), where M is the metric (Quenouille 1956, Tukey 1958).
Every function here returns the n pseudo-values moved by one constant, so that their mean is M on the whole set. Their
variance is the jackknife's, and the mean difference of two models is the difference of the numbers that people read.
(Unmoved, their mean is the bias-corrected metric: a second number, to which a class of one example adds its own noise.)

An example that is the last of its class takes the class with it: macro means run over the classes that have an example.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ratchet.errors import EvidenceError
from ratchet.evidence.intervals import finite

_CELLS = 500_000  # examples times weightings held at once
Floats = NDArray[np.float64]
Labels = NDArray[np.integer]
Flags = NDArray[np.bool_]


def jackknife(metric: Callable[[NDArray[np.intp]], float], n: int) -> Floats:
    """The pseudo-values (n,) of any metric, given as a function of the indices of the examples that it is measured on.

    It calls the metric n + 1 times. Raises EvidenceError where n is less than two, or a value is not finite.
    """
    everything = np.arange(n)
    _require(n, at_least=2, what="examples")
    without = [metric(np.delete(everything, i)) for i in everything]
    return _pseudo_values(metric(everything), finite(without, what="metrics without an example", ndim=1))


def of_weights(metric: Callable[[Floats], Floats], n: int) -> Floats:
    """The pseudo-values (n,) of a metric of n examples, given as a function of weights (n, m): the metric (m,).

    Raises EvidenceError where n is less than two, or the metric is not defined without an example.
    """
    _require(n, at_least=2, what="examples")
    size, without = max(1, _CELLS // n), []
    for start in range(0, n, size):
        weights = np.ones((n, min(size, n - start)))
        weights[np.arange(start, start + weights.shape[1]), np.arange(weights.shape[1])] = 0
        without.append(metric(weights))
    whole = float(metric(np.ones((n, 1)))[0])
    return _pseudo_values(whole, finite(np.concatenate(without), what="metrics without an example", ndim=1))


def macro_f1(labels: Labels, predicted: Labels) -> Floats:
    """The pseudo-values (n,) of macro F1: the mean of 2 hits / (examples + predictions) over classes with an example.

    Both arguments are class numbers (n,) from 0. Raises EvidenceError for fewer than two examples.
    """
    _require(len(labels), at_least=2, what="examples")
    classes, right = 1 + int(max(labels.max(), predicted.max())), labels == predicted
    support, said, hits = (np.bincount(each, minlength=classes) for each in (labels, predicted, labels[right]))
    sizes, known, alone = support + said, support > 0, support[labels] == 1
    f1 = np.where(known, 2 * hits / np.maximum(sizes, 1), 0.0)
    own = 2 * (hits[labels] - right) / np.maximum(sizes[labels] - 1 - right, 1)  # F1 of its class without the example
    other = 2 * hits[predicted] / np.maximum(sizes[predicted] - 1, 1)  # of the class that it was taken for
    change = np.where(right | ~known[predicted], 0.0, other - f1[predicted])
    total, count = float(f1.sum()), int(known.sum())
    without = (total - f1[labels] + np.where(alone, 0.0, own) + change) / (count - alone)
    return _pseudo_values(total / count, without)


def auroc(scores: Floats, positive: Flags) -> Floats:
    """The pseudo-values (n,) of the area under the ROC curve; a tie of a positive and a negative example counts half.

    They are DeLong's components (1988): of a positive example the share of negatives that it beats, and conversely.
    Raises EvidenceError for fewer than two positive or two negative examples, without which it is not defined.
    """
    finite(scores, what="scores", ndim=1)
    _require(int(positive.sum()), at_least=2, what="positive examples")
    _require(int((~positive).sum()), at_least=2, what="negative examples")
    wins = np.empty(len(scores))
    wins[positive] = _beaten(scores[positive], scores[~positive])
    wins[~positive] = 1 - _beaten(scores[~positive], scores[positive])
    value = float(wins[positive].mean())
    same = np.where(positive, positive.sum(), (~positive).sum())  # examples of its side
    return _pseudo_values(value, (same * value - wins) / (same - 1))


def average_precision(scores: Floats, positive: Flags) -> Floats:
    """The pseudo-values (n,) of average precision: the mean over positives of the precision at their score.

    Examples of one score are told of at once, as by scikit-learn. Raises EvidenceError for fewer than two positives.
    """
    finite(scores, what="scores", ndim=1)
    _require(int(positive.sum()), at_least=2, what="positive examples")
    order = np.argsort(-scores, kind="stable")
    ranked, hit = scores[order], positive[order]
    last = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)  # of each group of equal scores
    group = np.repeat(np.arange(len(last)), np.diff(last, prepend=-1))
    first = (np.append(-1, last)[:-1] + 1)[group]
    told, found = last[group] + 1, np.cumsum(hit)[last][group]  # examples and positives with this score or a higher one
    precision, count = found / told, int(hit.sum())
    total = float(precision[hit].sum())
    less_negative, less_positive = found / np.maximum(told - 1, 1), (found - 1) / np.maximum(told - 1, 1)
    from_here = [_from_here(np.where(hit, each - precision, 0.0))[first] for each in (less_negative, less_positive)]
    without = np.where(
        hit, (total + from_here[1] - less_positive) / (count - 1), (total + from_here[0]) / count
    )  # fmt: skip
    values = np.empty(len(scores))
    values[order] = _pseudo_values(total / count, without)
    return values


def of_counts(metric: Callable[..., Any], positive: Flags, predicted: Flags) -> Floats:
    """The pseudo-values (n,) of a metric of true positives, false positives, misses and true negatives.

    Without an example one of the four counts is one less, so four values are all there are. Raises EvidenceError for
    fewer than two examples, and fewer than two of a class where the metric is not defined without it.
    """
    _require(len(positive), at_least=2, what="examples")
    kind = 2 * (~predicted).astype(np.int64) + (positive == predicted)  # fp 0, tp 1, fn 2, tn 3
    counts = np.bincount(kind, minlength=4).astype(np.float64)
    order = [1, 0, 2, 3]

    def value(of: Floats) -> float:
        return float(metric(*(np.array([of[k]]) for k in order))[0])

    without = np.array([value(counts - (np.arange(4) == k)) if counts[k] else 0.0 for k in range(4)])
    return _pseudo_values(value(counts), without[kind])


def root_mean_square(errors: Floats) -> Floats:
    """The pseudo-values (n,) of the root of the mean squared error."""
    _require(len(errors), at_least=2, what="examples")
    squares = finite(errors, what="errors", ndim=1) ** 2
    without = np.sqrt(np.maximum(squares.sum() - squares, 0) / (len(squares) - 1))
    return _pseudo_values(float(np.sqrt(squares.mean())), without)


def r2(actual: Floats, errors: Floats) -> Floats:
    """The pseudo-values (n,) of the share of the target's variance that is explained.

    Raises EvidenceError for fewer than three examples, and for a target that is one and the same value without one of
    them.
    """
    _require(len(actual), at_least=3, what="examples")
    n, squares = len(actual), finite(errors, what="errors", ndim=1) ** 2
    centred = actual - actual.mean()
    spread = (centred**2).sum()
    left = spread - n / (n - 1) * centred**2
    if (left <= 1e-12 * spread).any():
        raise EvidenceError("the target has one value but for a single example: nothing tells what chance does to R2")
    return _pseudo_values(float(1 - squares.sum() / spread), 1 - (squares.sum() - squares) / left)


def _pseudo_values(whole: float, without: Floats) -> Floats:
    lost = whole - without
    moved: Floats = whole + (len(without) - 1) * (lost - lost.mean())
    return moved


def _require(count: int, *, at_least: int, what: str) -> None:
    if count < at_least:
        raise EvidenceError(
            f"{count} {what}: {at_least} are the fewest that tell what chance does to this metric; prepare more"
        )


def _beaten(scores: Floats, others: Floats) -> Floats:
    """The share of the others that are below each score, half of those that equal it added."""
    ranked = np.sort(others)
    below, upto = (np.searchsorted(ranked, scores, side=side) for side in ("left", "right"))
    share: Floats = (below + upto) / (2 * len(ranked))
    return share


def _from_here(values: Floats) -> Floats:
    """The sum of each value and all that follow it."""
    return np.asarray(np.cumsum(values[::-1])[::-1])
