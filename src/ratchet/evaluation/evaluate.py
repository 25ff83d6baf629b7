"""The stage evaluate: the best checkpoint of a run on the test split, which nothing else may open."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ratchet.config.schema import Config
from ratchet.config.sections import EvaluationConfig
from ratchet.data.card import imbalance
from ratchet.data.folds import Fold
from ratchet.data.on_demand import prepare_if_missing
from ratchet.data.prepared import PreparedData
from ratchet.data.staging import replace_directory, scratch_beside, storage_errors
from ratchet.errors import DataError, RatchetError
from ratchet.evaluation.assessment import SPLITS, assess
from ratchet.evaluation.baselines import baselines_measured
from ratchet.evaluation.mistakes import draw_mistakes
from ratchet.evaluation.page import write_page
from ratchet.evaluation.plots import write_learning_curves, write_table
from ratchet.evaluation.report import Evaluation, render
from ratchet.project import Project
from ratchet.runs.directory import RunDirectory
from ratchet.runs.record import RunRecord, read_config
from ratchet.tasks import Predictions, Task
from ratchet.training.checkpoint import load_model
from ratchet.training.own_data import OwnData
from ratchet.training.predictions import predict_splits, threads, write_predictions
from ratchet.training.tasks import task_for

__all__ = ["Evaluation", "evaluate", "render"]

METRICS = "metrics.json"


def evaluate(run: RunDirectory, *, output: Path, project: Project, config: EvaluationConfig) -> Evaluation:
    """Measure the best checkpoint of a run; write metrics.json, predictions.csv and plots/ into `output`.

    The directory is written whole or not at all. metrics.json is the same, bit for bit, for the same model,
    data, settings and thread count.

    Raises RatchetError where there is no run or `output` holds something else, CheckpointError where the
    checkpoint is missing or another model's, DataError where the prepared data is missing or is no longer
    what the run was trained on.
    """
    _require_ours(output)
    record = RunRecord.read(run)
    run_config = read_config(run)
    data: PreparedData | OwnData
    if run_config.data.module is None:
        prepare_if_missing(run_config.data, project=project)
        directory, fold = project.prepared(run_config.data.name), Fold.asked(run_config)
        data = PreparedData.open(directory, reader="evaluate", config=run_config.data, fold=fold)
    else:
        data = OwnData.open(run_config, reader="evaluate").described()
    assert data.target is not None
    model, _ = load_model(run, target=data.target)
    task = task_for(run_config, data.target, bins=config.calibration_bins)
    _require_same_data(record, data, run=run)
    with threads(run_config.trainer.threads):
        predictions = predict_splits(model, task, {name: data.split(name) for name in SPLITS})
        evaluation = assess(
            predictions,
            config=config,
            seed=run_config.seed,
            trained_on_validation=run_config.trainer.train_on == "train+validation",
            notes=[*_notes(run, run_config, record), *_imbalance(data, run_config)],
            baselines=baselines_measured(data, task, "test"),
            objective=run_config.judged_by.metric.rpartition("/")[2],
        )
    with storage_errors(output, command="the same command again"), scratch_beside(output) as scratch:
        (scratch / METRICS).write_text(evaluation.as_json(), encoding="utf-8")
        write_predictions(predictions["test"], data.ids("test"), scratch / "predictions.csv")
        _plot(predictions["test"], task, scratch / "plots", run=run, project=project, data=data, config=config)
        files = sorted(path.relative_to(scratch) for path in scratch.rglob("*") if path.is_file())
        replace_directory(scratch, output)
    return replace(evaluation, files=[output / path for path in files])


def _plot(
    test: Predictions,
    task: Task,
    plots: Path,
    *,
    run: RunDirectory,
    project: Project,
    data: PreparedData | OwnData,
    config: EvaluationConfig,
) -> None:
    plots.mkdir()
    write_learning_curves(run.metrics, plots, of=task.training_metric)
    for name, (header, rows) in test.plots().items():
        write_table(plots / f"{name}.csv", header=header, rows=rows)
    x, ids = data.split("test").x, data.ids("test")
    transform = data.transform if isinstance(data, PreparedData) and data.text else None
    words = transform.text.words if transform and transform.text else None
    draw_mistakes(test, x, ids, plots / "mistakes.png", count=config.mistakes, words=words)
    if project.cache:  # the page is for `dvc plots show`
        write_page(plots / "page.html", cache=project.cache)


def _imbalance(data: PreparedData | OwnData, config: Config) -> list[str]:
    return imbalance(data.card, config.judged_by.metric) if isinstance(data, PreparedData) else []


def _notes(run: RunDirectory, config: Config, record: RunRecord) -> list[str]:
    notes = []
    if not run.metrics.is_file():
        notes.append(f"no learning curves: the run kept no {run.metrics.name} (logger={config.logger.name})")
    if config.data.module is not None:
        notes.append(f"{config.data.module.target} splits its data itself: nobody saw that test is apart from train")
    if config.trainer.train_on == "train+validation":
        notes.append("the run was trained on validation too: only test says how it does on unseen data")
    if record.status != "completed":
        notes.append(f"the run is {record.status}: this is its best checkpoint so far")
    return notes


def _require_ours(output: Path) -> None:
    """The output is replaced as a whole: never a directory that holds anything but an evaluation."""
    if output.exists() and not output.is_dir():
        raise RatchetError(f"{output} is a file; name a directory for the evaluation")
    if output.is_dir() and any(output.iterdir()) and not (output / METRICS).is_file():
        raise RatchetError(f"{output} is not empty and holds no {METRICS}: it would be lost; name a new directory")


def _require_same_data(record: RunRecord, data: PreparedData | OwnData, *, run: RunDirectory) -> None:
    trained_on = record.data.get("hash")
    if trained_on != data.data_hash:
        raise DataError(
            f"{run.path} was trained on data {str(trained_on)[:12]}, but prepared is {data.data_hash[:12]}; "
            "bring that data back (dvc checkout), or train again: python src/train.py"
        )
