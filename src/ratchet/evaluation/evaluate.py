"""The stage evaluate: the best checkpoint of a run on the test split, which nothing else may open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch

from ratchet.config.schema import EvaluationConfig
from ratchet.data.prepared import PreparedData, Split
from ratchet.data.staging import replace_directory, scratch_beside, storage_errors
from ratchet.errors import DataError, RatchetError
from ratchet.evaluation.assessment import SPLITS, assess
from ratchet.evaluation.mistakes import draw_mistakes
from ratchet.evaluation.plots import write_confusion, write_learning_curves, write_reliability
from ratchet.evaluation.predictions import Predictions, predict, write_predictions
from ratchet.evaluation.report import Evaluation
from ratchet.project import Project
from ratchet.runs.directory import RunDirectory
from ratchet.runs.record import RunRecord
from ratchet.training.checkpoint import load_model

METRICS = "metrics.json"


def evaluate(run: RunDirectory, *, output: Path, project: Project, config: EvaluationConfig) -> Evaluation:
    """Measure the best checkpoint of a run and write metrics.json, predictions.csv and plots/ into `output`.

    The directory is written whole or not at all. metrics.json is the same, bit for bit, for the same model, data,
    settings and thread count. Raises RatchetError where there is no run or `output` holds something else,
    CheckpointError where the checkpoint is missing or another model's, DataError where the prepared data is missing
    or is no longer what the run was trained on.
    """
    _require_ours(output)
    record = RunRecord.read(run)
    model, run_config = load_model(run)
    data = PreparedData.open(
        project.prepared(run_config.data.name), reader="evaluate", config=run_config.data
    )
    _require_same_data(record, data, run=run)
    splits = {name: data.split(name) for name in SPLITS}
    with _threads(run_config.trainer.threads):
        predictions = {name: predict(model, x=split.x, y=split.y) for name, split in splits.items()}
        evaluation = assess(predictions, classes=data.classes, config=config, seed=run_config.seed)
    if not run.metrics.is_file():
        evaluation.notes.append(f"no learning curves: the run wrote no {run.metrics.name} (logger=none)")
    with storage_errors(output, command="the same command again"), scratch_beside(output) as scratch:
        _write(
            evaluation,
            predictions["test"],
            splits["test"],
            run=run,
            directory=scratch,
            data=data,
            config=config,
        )
        files = sorted(path.relative_to(scratch) for path in scratch.rglob("*") if path.is_file())
        replace_directory(scratch, output)
    return replace(evaluation, files=[output / path for path in files])


def _write(
    evaluation: Evaluation,
    predictions: Predictions,
    test: Split,
    *,
    run: RunDirectory,
    directory: Path,
    data: PreparedData,
    config: EvaluationConfig,
) -> None:
    plots = directory / "plots"
    plots.mkdir()
    (directory / METRICS).write_text(evaluation.as_json(), encoding="utf-8")
    write_predictions(predictions, directory / "predictions.csv", classes=data.classes)
    write_learning_curves(run.metrics, plots)
    write_confusion(predictions, plots / "confusion.csv", classes=data.classes)
    write_reliability(predictions, plots / "reliability.csv", bins=config.calibration_bins)
    draw_mistakes(predictions, test.x, plots / "mistakes.png", classes=data.classes, count=config.mistakes)


def _require_ours(output: Path) -> None:
    """The output directory is replaced: never one that holds anything but an evaluation."""
    if output.is_dir() and any(output.iterdir()) and not (output / METRICS).is_file():
        raise RatchetError(
            f"{output} is not empty and holds no {METRICS}; name a new directory for the evaluation"
        )


def _require_same_data(record: RunRecord, data: PreparedData, *, run: RunDirectory) -> None:
    trained_on = record.data.get("hash")
    if trained_on != data.data_hash:
        raise DataError(
            f"{run.path} was trained on prepared data {str(trained_on)[:12]}, which is now {data.data_hash[:12]}; "
            "bring that data back (dvc checkout), or train again: python src/train.py"
        )


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Use so many CPU threads: their number is part of what makes a number come out again."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
