"""From predictions on the three splits to the whole report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from ratchet.config.schema import EvaluationConfig
from ratchet.evaluation.bootstrap import Bootstrap, bootstrap_means, bootstrap_metrics
from ratchet.evaluation.metrics import ClassMetrics, headline, per_class
from ratchet.evaluation.predictions import Predictions
from ratchet.evaluation.report import Evaluation
from ratchet.evaluation.verdict import SplitScore, judge, optimistic
from ratchet.metrics import METRICS

SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")


def assess(
    predictions: Mapping[SplitName, Predictions],
    *,
    classes: Sequence[str],
    config: EvaluationConfig,
    seed: int,
    trained_on_validation: bool = False,
    notes: Sequence[str] = (),
) -> Evaluation:
    """Measure predictions on train, validation and test. Intervals are drawn from `seed` alone.

    notes: what else the reader should know; they come before those found here.
    """
    bootstrap = Bootstrap(resamples=config.bootstrap, confidence=config.confidence, seed=seed)
    test = predictions["test"]
    by_class = per_class(test, classes=classes)
    scores = {name: score(name, predictions[name], bootstrap=bootstrap) for name in SPLITS}
    bins = config.calibration_bins
    return Evaluation(
        metrics=headline(test, by_class, calibration_bins=bins),
        intervals=bootstrap_metrics(test, n_classes=len(classes), calibration_bins=bins, bootstrap=bootstrap),
        confidence=config.confidence,
        classes=by_class,
        splits=list(scores.values()),
        verdict=judge(train=scores["train"], test=scores["test"]),
        notes=[*notes, *_notes(by_class, scores, bootstrap, trained_on_validation=trained_on_validation)],
    )


def score(name: SplitName, predictions: Predictions, *, bootstrap: Bootstrap) -> SplitScore:
    """Accuracy and log loss of one split."""
    values = np.stack([predictions.correct.astype(np.float64), predictions.losses])
    accuracy_interval, log_loss_interval = bootstrap_means(values, bootstrap=bootstrap)
    n = len(predictions.labels)
    accuracy_interval = bootstrap.widened(accuracy_interval, n=n, within=METRICS["accuracy"].range)
    return SplitScore(
        split=name,
        examples=n,
        accuracy=float(values[0].mean()),
        accuracy_interval=accuracy_interval,
        log_loss=float(values[1].mean()),
        log_loss_interval=log_loss_interval,
    )


def _notes(
    by_class: list[ClassMetrics],
    scores: Mapping[SplitName, SplitScore],
    bootstrap: Bootstrap,
    *,
    trained_on_validation: bool,
) -> list[str]:
    notes = []
    test = scores["test"]
    absent = [one.name for one in by_class if not one.support]
    if absent:
        notes.append(f"no test example of class {', '.join(absent)}: left out of the averages over classes")
    if not bootstrap.resamples:
        notes.append("no intervals (evaluation.bootstrap=0): the verdict rests on plain differences")
    elif optimistic(validation=scores["validation"], test=test):
        reason = "it was trained on" if trained_on_validation else "choices fitted it"
        notes.append(f"validation accuracy is above test accuracy by more than chance: {reason}")
    return notes
