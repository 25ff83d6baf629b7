"""What the splits can tell apart at all, said before anybody spends runs on it."""

from __future__ import annotations

import numpy as np

from ratchet.config.schema import Config
from ratchet.data.folds import Fold
from ratchet.data.prepared import PreparedData
from ratchet.errors import RatchetError
from ratchet.evaluation.baselines import baselines_measured
from ratchet.evidence.gate import smallest_gain
from ratchet.metrics import find_metric
from ratchet.project import Project
from ratchet.runs import RunDirectory
from ratchet.runs.record import Result
from ratchet.training.tasks import task_for


def resolution(config: Config, *, project: Project, fits: bool = False) -> str | None:
    """A sentence about the gains that validation and confirm can show; None where nothing is known to tell it by.

    The scores of single examples are taken to spread as the champion's do where its accuracy is known, else as those
    of the best baseline do; with `fits` baselines are fitted where nobody did it yet.
    """
    name = config.objective.metric.rpartition("/")[2]
    metric = find_metric(name)
    try:
        directory, fold = project.prepared(config.data.name), Fold.asked(config)
        data = PreparedData.open(directory, reader="train", config=config.data, fold=fold)
        found = _spread(config, data, name, project=project, fits=fits)
    except (RatchetError, OSError, KeyError):
        return None  # whatever it is, training says it
    if found is None or metric is None or not found[0]:
        return None
    spread, near = found
    n, m = len(data.split("validation").y), int(data.card["counts"]["confirm"]["total"])
    told = [metric.text(smallest_gain(spread, each)) for each in (n, m)]
    return (
        f"gains below {told[0]} {metric.shown_as} cannot be shown with the {n:,} examples of validation, "
        f"below {told[1]} with the {m:,} of confirm (at 80 % power, {near})"
    )


def _spread(config: Config, data: PreparedData, name: str, *, project: Project, fits: bool) -> tuple[float, str] | None:
    """The standard deviation of single examples' scores, and whose they are."""
    known = Result.read(RunDirectory(project.champion_run)) if name == "accuracy" else None
    n = len(data.split("validation").y)
    if known is not None and known.best is not None and known.data.get("hash") == data.data_hash:
        value = known.best.metrics.get("validation/accuracy")
        if value is not None:
            share = (n * value + 1) / (n + 2)  # all right is not certain (Laplace)
            return (share * (1 - share)) ** 0.5, f"between two nets near the champion's {value:.1%}"
    kept = baselines_measured(data, task_for(config, data.target), "validation", fits=fits)
    if kept:
        scores = {each.name: said.scores(name) for each, said in kept}
        best = max(scores, key=lambda each: float(scores[each].mean()))
        return float(np.std(scores[best])), f"between two models near the baseline {best}"
    if name != "accuracy" or data.target.kind != "class":
        return None
    counts = data.card["counts"]["train"]["per_class"].values()
    share = max(counts) / sum(counts)
    return (
        share * (1 - share)
    ) ** 0.5, f"between two models that are right as often as the majority class, {share:.1%}"
