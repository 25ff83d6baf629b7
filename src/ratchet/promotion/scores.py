"""What a run scores on every example of the confirm split, which promotion alone may read."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

from ratchet.config.hints import to_type
from ratchet.data.array_files import load_array
from ratchet.data.prepared import PreparedData
from ratchet.errors import DataError
from ratchet.files import write_atomically
from ratchet.project import Project
from ratchet.runs import RunDirectory

FILE = "confirm_scores.npy"  # in the run directory; written last, so a run that has it is whole


def score_confirm(run: RunDirectory, *, project: Project) -> NDArray[np.float64]:
    """Score the best checkpoint of a run, (examples,), and keep the scores in the run directory. Higher is better.

    The mean is the objective on the confirm split, negative for a loss. Raises DataError, CheckpointError and
    EvidenceError.
    """
    from ratchet.training.checkpoint import load_model
    from ratchet.training.predictions import predict_splits
    from ratchet.training.tasks import task_for

    model, config = load_model(run)
    data = PreparedData.open(project.prepared(config.data.name), reader="promote", config=config.data)
    splits = {name: data.split(name) for name in ("validation", "confirm")}
    confirm = predict_splits(model, task_for(config, data.target), splits)["confirm"]
    scores = confirm.scores(config.judged_by.metric.rpartition("/")[2])
    stream = io.BytesIO()
    np.save(stream, scores, allow_pickle=False)
    write_atomically(run.path / FILE, stream.getvalue())
    return scores


def require_predictions(run: RunDirectory, *, project: Project) -> None:
    """Raises ConfigError for a LightningModule that gives the task nothing to score, before seeds are spent on it."""
    import torch

    from ratchet.training.checkpoint import load_model

    model, config = load_model(run)
    data = PreparedData.open(project.prepared(config.data.name), reader="train", config=config.data)
    with torch.inference_mode():
        model(torch.from_numpy(np.array(data.split("validation").x[:2])))


def read_scores(run: RunDirectory) -> NDArray[np.float64]:
    """The scores that a run has on record. Raises DataError where they cannot be read."""
    try:
        scores: NDArray[np.float64] = np.array(load_array(run.path / FILE))
        if scores.dtype != np.float64 or scores.ndim != 1 or not len(scores):
            raise ValueError(f"{scores.dtype} {scores.shape} where float64 (n,) is needed")
    except Exception as error:
        hint = to_type("rm", "-r", str(run.path.parent))
        raise DataError(f"{run.path / FILE} is damaged ({error}); type: {hint}") from error
    return scores
