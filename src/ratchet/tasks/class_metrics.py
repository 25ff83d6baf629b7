"""How good predictions are, as single numbers: by torchmetrics, over the classes that occur."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torchmetrics.functional import classification as tm

from ratchet.tasks.multiclass import MulticlassPredictions


@dataclass(frozen=True)
class ClassMetrics:
    """One class against the rest. All but `support` are None for a class without an example."""

    name: str
    support: int
    precision: float | None  # 0 where the class was never predicted
    recall: float | None
    f1: float | None
    auroc: float | None  # None too where every example is of this class


def per_class(predictions: MulticlassPredictions) -> list[ClassMetrics]:
    """Precision, recall, F1, AUROC (one versus rest) and support of every class."""
    labels = torch.from_numpy(predictions.labels)
    n = len(predictions.classes)
    support = np.bincount(predictions.labels, minlength=n)
    predicted = torch.from_numpy(predictions.predicted)
    columns = [
        tm.multiclass_precision(predicted, labels, n, average="none"),
        tm.multiclass_recall(predicted, labels, n, average="none"),
        tm.multiclass_f1_score(predicted, labels, n, average="none"),
    ]
    result = []
    for k, name in enumerate(predictions.classes):
        if not support[k]:
            result.append(ClassMetrics(name, 0, None, None, None, None))
            continue
        one_versus_rest = None
        if support[k] < len(labels):
            rank = np.unique(predictions.ranking[:, k], return_inverse=True)[1] / len(labels)  # it is to lie in 0 to 1
            one_versus_rest = float(tm.binary_auroc(torch.from_numpy(rank), (labels == k).int()))
        precision, recall, f1 = (float(column[k]) for column in columns)
        result.append(ClassMetrics(name, int(support[k]), precision, recall, f1, one_versus_rest))
    return result


_OF_CLASSES = {
    "balanced_accuracy": "recall", "precision": "precision", "recall": "recall", "f1": "f1", "auroc": "auroc",
}  # fmt: skip


def headline(predictions: MulticlassPredictions, names: Collection[str]) -> dict[str, float | None]:
    """The metrics named of a report on classes, in its order; each class is looked at only where one needs it.

    Macro means run over the classes with at least one example. Balanced accuracy is the mean recall
    (Brodersen et al. 2010), AUROC the mean of one versus rest (Fawcett 2006; None where only one class
    occurs), log loss is in nats, and the calibration error is the expected one of the most probable class
    (Guo et al. 2017, arXiv:1706.04599).
    """
    found: dict[str, float | None] = {}
    by_class = per_class(predictions) if _OF_CLASSES.keys() & set(names) else []
    for name in (name for name in predictions.headline if name in names):
        if name in _OF_CLASSES:
            found[name] = _mean([getattr(one, _OF_CLASSES[name]) for one in by_class])
        elif name == "calibration_error":
            bins = predictions.calibration_bins
            found[name] = _calibration_error(predictions.confidence, predictions.correct, bins=bins)
        elif name in {"average_precision", "matthews", "brier"}:
            value = predictions.resampled([name])(np.ones((len(predictions), 1)))[name][0]
            found[name] = None if np.isnan(value) else float(value)
        else:
            found[name] = float((predictions.correct if name == "accuracy" else predictions.losses).mean())
    return found


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _calibration_error(confidence: NDArray[np.float64], correct: NDArray[np.bool_], *, bins: int) -> float:
    # torchmetrics puts a confidence of exactly 1 into a bin of its own; a hair below 1 stays in the last.
    below_one = torch.from_numpy(np.minimum(confidence, np.nextafter(1, 0)))
    # As a binary task over "the predicted class is right", probabilities are confidences.
    error = tm.binary_calibration_error(below_one, torch.from_numpy(correct).int(), n_bins=bins, norm="l1")
    return float(error)
