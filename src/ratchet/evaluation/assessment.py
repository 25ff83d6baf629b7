"""The evaluation report, computed from the predictions on the three splits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from ratchet.config.sections import EvaluationConfig
from ratchet.evaluation.baselines import Baseline
from ratchet.evaluation.bootstrap import Bootstrap, bootstrap_gain, bootstrap_metrics
from ratchet.evaluation.report import Evaluation
from ratchet.evaluation.verdict import BaselineScore, SplitScore, judge, optimistic
from ratchet.tasks import Predictions

SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")


def assess(
    predictions: Mapping[SplitName, Predictions],
    *,
    config: EvaluationConfig,
    seed: int,
    trained_on_validation: bool = False,
    notes: Sequence[str] = (),
    baselines: Sequence[tuple[Baseline, Predictions]] = (),
    objective: str | None = None,
) -> Evaluation:
    """Measure predictions on train, validation and test. Intervals are drawn from `seed` alone.

    notes: what else the reader should know; they come before those found here. baselines: with their predictions of
    test; what the model gains over them is in the metric `objective`, where test is measured by that.
    """
    bootstrap = Bootstrap(resamples=config.bootstrap, confidence=config.confidence, seed=seed)
    test = predictions["test"]
    scores = {name: score(name, predictions[name], bootstrap=bootstrap) for name in SPLITS}
    parts = test.parts()
    found = test.metrics()
    measured = [name for name in (objective, *test.shown) if name is not None and found.get(name) is not None]
    metric = measured[0] if measured else test.shown[0]
    beside = [_against(*each, test, metric=metric, bootstrap=bootstrap) for each in baselines]
    return Evaluation(
        metrics=found,
        intervals=bootstrap_metrics(test, test.headline, bootstrap=bootstrap),
        confidence=config.confidence,
        classes=parts,
        splits=list(scores.values()),
        verdict=judge(train=scores["train"], test=scores["test"], baselines=beside),
        baselines=beside,
        notes=[*notes, *_notes(parts, scores, bootstrap, trained_on_validation=trained_on_validation)],
    )


def _against(
    baseline: Baseline, said: Predictions, test: Predictions, *, metric: str, bootstrap: Bootstrap
) -> BaselineScore:
    gain, interval = bootstrap_gain(test, said, metric, bootstrap=bootstrap)
    return BaselineScore(
        baseline.name, baseline.note, score("test", said, bootstrap=bootstrap), metric, said.metrics([metric])[metric],
        gain, interval,
    )  # fmt: skip


def score(name: SplitName, predictions: Predictions, *, bootstrap: Bootstrap) -> SplitScore:
    """The metrics of one split that are shown of each. One that is not defined there counts as not a number."""
    found = predictions.metrics(predictions.shown)
    values = {each: math.nan if (value := found[each]) is None else value for each in predictions.shown}
    return SplitScore(
        name, len(predictions), values, bootstrap_metrics(predictions, predictions.shown, bootstrap=bootstrap)
    )


def _notes(
    parts: list[dict[str, Any]],
    scores: Mapping[SplitName, SplitScore],
    bootstrap: Bootstrap,
    *,
    trained_on_validation: bool,
) -> list[str]:
    notes = []
    test = scores["test"]
    absent = [one["name"] for one in parts if not one["support"]]
    if absent:
        notes.append(f"no test example of class {', '.join(absent)}: left out of the averages over classes")
    if not bootstrap.resamples:
        notes.append("no intervals (evaluation.bootstrap=0): the verdict rests on plain differences")
    elif optimistic(validation=scores["validation"], test=test):
        reason = "it was trained on" if trained_on_validation else "choices fitted it"
        metric = next(iter(test.metrics)).replace("_", " ")
        notes.append(f"validation {metric} is above test {metric} by more than chance: {reason}")
    return notes
