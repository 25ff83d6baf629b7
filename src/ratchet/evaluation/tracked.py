"""An evaluation in W&B: its numbers in the run that train began, and its place in the lineage."""

from __future__ import annotations

from pathlib import Path

from ratchet.config.sections import LoggerConfig
from ratchet.evaluation.report import Evaluation
from ratchet.project import Project
from ratchet.runs.directory import RunDirectory
from ratchet.runs.record import RunRecord, read_config


def track_evaluation(
    evaluation: Evaluation, *, run: RunDirectory, output: Path, project: Project, logger: LoggerConfig | None = None
) -> None:
    """Write the test metrics into the run's W&B run, where it has one, by its own settings or by `logger`.

    Nothing is written into the run's directory. Whatever W&B does costs a line of warning, never the evaluation.
    """
    from ratchet.tracking.evaluations import record_evaluation
    from ratchet.tracking.loggers import tracks_in_wandb

    record, config = RunRecord.read(run), read_config(run)
    if logger is not None:
        config = config.model_copy(update={"logger": logger})
    if record.wandb_id is None or not tracks_in_wandb(config):
        return
    found = {f"test/{name}": value for name, value in evaluation.metrics.items() if value is not None}
    found |= {f"test/{name}/{end}": value for name, interval in evaluation.intervals.items() if interval is not None
              for end, value in zip(("low", "high"), interval, strict=True)}  # fmt: skip
    record_evaluation(
        {**found, "test/verdict": evaluation.verdict.fit},
        run=run, record=record, config=config, output=output, project=project,
    )  # fmt: skip
