"""From predictions on the three splits to the whole report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from ratchet.config.schema import EvaluationConfig
from ratchet.evaluation.bootstrap import Bootstrap, bootstrap_means, bootstrap_metrics
from ratchet.evaluation.metrics import ClassMetrics, headline, per_class
from ratchet.evaluation.predictions import Predictions
from ratchet.evaluation.report import Evaluation
from ratchet.evaluation.verdict import SplitScore, judge, optimistic

SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")


def assess(
    predictions: Mapping[SplitName, Predictions], *, classes: list[str], config: EvaluationConfig, seed: int
) -> Evaluation:
    """Measure predictions on train, validation and test. Intervals are drawn from `seed` alone."""
    bootstrap = Bootstrap(resamples=config.bootstrap, confidence=config.confidence, seed=seed)
    test = predictions["test"]
    by_class = per_class(test, classes=classes)
    scores = {name: score(name, predictions[name], bootstrap=bootstrap) for name in SPLITS}
    notes = _notes(by_class, bootstrap)
    if optimistic(validation=scores["validation"], test=scores["test"]):
        notes.append(
            "validation accuracy lies above test accuracy by more than chance: choices were fitted to it"
        )
    return Evaluation(
        metrics=headline(test, by_class, calibration_bins=config.calibration_bins),
        intervals=bootstrap_metrics(
            test, n_classes=len(classes), calibration_bins=config.calibration_bins, bootstrap=bootstrap
        ),
        confidence=config.confidence,
        classes=by_class,
        splits=list(scores.values()),
        verdict=judge(train=scores["train"], test=scores["test"]),
        notes=notes,
    )


def score(name: SplitName, predictions: Predictions, *, bootstrap: Bootstrap) -> SplitScore:
    """Accuracy and log loss of one split."""
    values = np.stack([predictions.correct.astype(np.float64), predictions.losses])
    accuracy_interval, log_loss_interval = bootstrap_means(values, bootstrap=bootstrap)
    return SplitScore(
        split=name,
        examples=len(predictions.labels),
        accuracy=float(values[0].mean()),
        accuracy_interval=accuracy_interval,
        log_loss=float(values[1].mean()),
        log_loss_interval=log_loss_interval,
    )


def _notes(by_class: list[ClassMetrics], bootstrap: Bootstrap) -> list[str]:
    notes = []
    if not bootstrap.resamples:
        notes.append("no intervals: evaluation.bootstrap is 0")
    absent = [one.name for one in by_class if not one.support]
    if absent:
        notes.append(
            f"no test example of class {', '.join(absent)}: undefined, and left out of the macro averages"
        )
    return notes
