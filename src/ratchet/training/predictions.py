"""What a model says of every example of a split."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ratchet.csv_files import csv_text
from ratchet.data.prepared import Examples, PreparedData, Split
from ratchet.errors import CheckpointError
from ratchet.runs.directory import RunDirectory
from ratchet.tasks import Predictions, Task
from ratchet.texts import Ragged
from ratchet.training.checkpoint import load_model

BATCH_VALUES = 2**18  # input values of one batch: bounds the memory; fixed, so that the numbers are too


Name = TypeVar("Name", bound=str)


def predict_splits(model: nn.Module, task: Task, splits: Mapping[Name, Split]) -> dict[Name, Predictions]:
    """Run a model, in evaluation mode, over the un-augmented examples of each split, `validation` among them.

    What the task decides by, such as a threshold, is chosen on validation. Raises CheckpointError when an output is
    not finite.
    """
    outputs = {name: outputs_of(model, task, split.x) for name, split in splits.items()}
    validation = cast("Name", "validation")
    fitted = task.fitted(outputs[validation], np.array(splits[validation].y))
    found = {name: fitted.predictions(outputs[name], np.array(split.y)) for name, split in splits.items()}
    return {name: task.with_own(each) for name, each in found.items()}


def outputs_of(model: nn.Module, task: Task, x: Examples) -> NDArray[np.float64]:
    """The model's outputs as the task's predictions take them, (n, n_outputs), in double precision."""
    dtype = next(model.parameters()).dtype  # double after trainer.precision=64-true
    texts = isinstance(x, Ragged)
    size = max(1, BATCH_VALUES // (x.size if isinstance(x, Ragged) else x[0].size))
    order = x.by_length() if isinstance(x, Ragged) else None
    with torch.inference_mode():
        outputs = np.concatenate(
            [
                # a copy: the arrays are read-only memory maps
                task.activate(model(torch.from_numpy(np.array(x[rows])).to(None if texts else dtype))).numpy()
                for start in range(0, len(x), size)
                for rows in [slice(start, start + size) if order is None else order[start : start + size]]
            ]
        )
    if order is not None:
        outputs = outputs[np.argsort(order)]
    broken = int((~np.isfinite(outputs)).any(axis=1).sum())
    if broken:
        raise CheckpointError(
            f"the model's output is not finite for {broken} of {len(x)} examples; "
            "train it again with a lower optimizer.lr or with trainer.gradient_clip=1.0"
        )
    return outputs


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Use so many CPU threads: their number is part of what makes a number come out again."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def write_out_of_fold(run: RunDirectory, data: PreparedData, task: Task) -> None:
    """Write what the best checkpoint of a run says of the fold that it validated on."""
    split = {"validation": data.split("validation")}
    said = predict_splits(load_model(run)[0], task, split)["validation"]
    write_predictions(said, data.ids("validation"), run.out_of_fold)


def write_predictions(predictions: Predictions, ids: NDArray[Any], path: Path) -> None:
    """Write a CSV file: index in the split, id, then the columns of the task: the label, what was said, probabilities.

    ids: what names each example in the raw data.
    """
    header, rows = predictions.table()
    numbered = ([index, name, *row] for index, (name, row) in enumerate(zip(ids.tolist(), rows, strict=True)))
    path.write_text(csv_text(["index", "id", *header], numbered), encoding="utf-8", newline="")
