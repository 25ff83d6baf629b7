"""What a run scores on every example of the confirm split, which promotion alone may read."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ratchet.data.prepared import PreparedData
from ratchet.errors import DataError
from ratchet.files import write_atomically
from ratchet.project import Project
from ratchet.runs import RunDirectory

if TYPE_CHECKING:
    from ratchet.evaluation.predictions import Predictions

FILE = "confirm_scores.npy"  # in the run directory; written last, so a run that has it is whole


def score_confirm(run: RunDirectory, *, project: Project) -> NDArray[np.float64]:
    """Score the best checkpoint of a run, (examples,), and keep the scores in the run directory. Higher is better.

    The mean is the objective on the confirm split, negative for a loss. A metric that is no mean over examples has a
    single score. Raises DataError and CheckpointError.
    """
    from ratchet.evaluation.predictions import predict
    from ratchet.training.checkpoint import load_model

    model, config = load_model(run)
    data = PreparedData.open(project.prepared(config.data.name), reader="promote", config=config.data)
    predictions = predict(model, data.split("confirm"))
    scores = scores_of(predictions, metric=config.objective.metric, n_classes=len(data.classes))
    stream = io.BytesIO()
    np.save(stream, scores, allow_pickle=False)
    write_atomically(run.path / FILE, stream.getvalue())
    return scores


def scores_of(predictions: Predictions, *, metric: str, n_classes: int) -> NDArray[np.float64]:
    """Per example (n,), or (1,) for F1, which is no mean over examples. Their mean is the metric; a loss is negated."""
    correct = predictions.correct.astype(np.float64)
    if metric == "validation/accuracy":
        return correct
    if metric == "validation/loss":
        losses: NDArray[np.float64] = -predictions.losses
        return losses
    counts = np.bincount(predictions.labels, minlength=n_classes)
    present = int((counts > 0).sum())
    if metric == "validation/balanced_accuracy":
        weighted: NDArray[np.float64] = correct * len(correct) / (present * counts[predictions.labels])
        return weighted
    return np.array([_f1(predictions, n_classes=n_classes)])


def _f1(predictions: Predictions, *, n_classes: int) -> float:
    """Macro F1 over the classes that there are."""
    found = []
    for k in range(n_classes):
        actual, predicted = predictions.labels == k, predictions.predicted == k
        if actual.any():
            found.append(2 * int((actual & predicted).sum()) / int(actual.sum() + predicted.sum()))
    return float(np.mean(found))


def read_scores(run: RunDirectory) -> NDArray[np.float64]:
    """The scores that a run has on record. Raises DataError where they cannot be read."""
    try:
        scores: NDArray[np.float64] = np.load(run.path / FILE, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{run.path / FILE} is damaged ({error}); type: rm -r {run.path.parent}") from error
    return scores
