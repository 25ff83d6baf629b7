"""The evaluation of a run in W&B."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ratchet.config.schema import Config
from ratchet.project import Project
from ratchet.runs.directory import RunDirectory
from ratchet.runs.record import RunRecord
from ratchet.tracking.identity import config_of, evaluation_of, identity_of, summary_of
from ratchet.tracking.lineage import evaluation_material, model_material
from ratchet.tracking.loggers import exit_code_of, open_wandb, with_mode


def record_evaluation(
    metrics: Mapping[str, float | str],
    *,
    run: RunDirectory,
    record: RunRecord,
    config: Config,
    output: Path,
    project: Project,
) -> None:
    """Add `metrics` to the summary of the run that train began, and a run of its own between model and evaluation.

    Of the two, the first is where a person reads the numbers. The second has the artifacts alone, for a run cannot
    read what it made. Once W&B fails it is told no more.
    """
    trained, values = identity_of(record, config), config_of(record, config)
    session = open_wandb(trained, config=config, values=values, project=project, goes_on=True)
    if session is None:
        return
    summary = {**summary_of(record), **metrics}
    session.finish(summary=summary, tags=trained.tags, exit_code=exit_code_of(record))
    if session.lost:
        return
    between = evaluation_of(trained)
    session = open_wandb(between, config=with_mode(config, session.mode), values=values, project=project)
    if session is None:
        return
    model = model_material(project, run, record, config)
    if model is not None:
        session.use(model)
    session.make(evaluation_material(project, output, metrics, config))
    session.finish(summary=metrics, tags=between.tags, exit_code=0)
