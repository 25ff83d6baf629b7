from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics as sk

from ratchet.tasks.class_metrics import per_class
from ratchet.tasks.multiclass import MulticlassPredictions

# Worked by hand. Two of a, one of b, three of c; the model takes one c for a and one c for b.
LABELS = [0, 0, 1, 2, 2, 2]
PROBABILITIES = [
    [0.6, 0.3, 0.1],
    [0.5, 0.3, 0.2],
    [0.1, 0.8, 0.1],
    [0.7, 0.2, 0.1],
    [0.2, 0.5, 0.3],
    [0.1, 0.1, 0.8],
]


def test_classes_worked_by_hand(of_probabilities):
    a, b, c = per_class(of_probabilities(LABELS, PROBABILITIES, "abc"))
    assert (a.name, a.support, b.support, c.support) == ("a", 2, 1, 3)
    assert [a.precision, a.recall, a.f1] == pytest.approx([2 / 3, 1, 4 / 5])
    assert [b.precision, b.recall, b.f1] == pytest.approx([1 / 2, 1, 2 / 3])
    assert [c.precision, c.recall, c.f1] == pytest.approx([1, 1 / 3, 1 / 2])
    # a: positives .6 and .5 against .1 .7 .2 .1: 3 + 3 of 8 pairs. b: .8 above all. c: against .1 .2 .1 the
    # positives .1, .3, .8 win 0 + 2 halves, 3 and 3 of 9 pairs.
    assert [a.auroc, b.auroc, c.auroc] == pytest.approx([6 / 8, 1, 7 / 9])


def test_headline_worked_by_hand(of_probabilities):
    predictions = replace(of_probabilities(LABELS, PROBABILITIES, "abc"), calibration_bins=2)
    got = predictions.metrics()
    losses = [-math.log(p) for p in (0.6, 0.5, 0.8, 0.1, 0.3, 0.8)]
    # All confidences are at least 1/2: one bin, 4 of 6 right, mean confidence 3.9 / 6.
    want = {
        "accuracy": 4 / 6,
        "balanced_accuracy": (1 + 1 + 1 / 3) / 3,
        "precision": (2 / 3 + 1 / 2 + 1) / 3,
        "recall": (1 + 1 + 1 / 3) / 3,
        "f1": (4 / 5 + 2 / 3 + 1 / 2) / 3,
        "auroc": (6 / 8 + 1 + 7 / 9) / 3,
        # a: found at 1/2 and 2/3. b: first. c: first, second, and the third among all six.
        "average_precision": (7 / 12 + 1 + 2.5 / 3) / 3,
        "matthews": 13 / 22,  # 4 of 6 hits, 11 pairs by chance; the same spread of 22 on both sides
        "log_loss": sum(losses) / 6,
        "brier": (0.13 + 0.19 + 0.03 + 0.67 + 0.39 + 0.03) / 6,
        "calibration_error": abs(4 - 3.9) / 6,
    }
    assert tuple(got) == MulticlassPredictions.headline
    assert got == pytest.approx(want, abs=1e-6)


@pytest.mark.parametrize("digits", [None, 1])
def test_headline_agrees_with_scikit_learn(draw, digits):
    predictions = draw(700, classes=5, digits=digits)
    y, p, predicted = predictions.labels, predictions.probabilities, predictions.predicted
    got = predictions.metrics()
    precision, recall, f1, _ = sk.precision_recall_fscore_support(y, predicted, average="macro")
    want = {
        "accuracy": sk.accuracy_score(y, predicted),
        "balanced_accuracy": sk.balanced_accuracy_score(y, predicted),
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "auroc": sk.roc_auc_score(y, p, multi_class="ovr"),
        "log_loss": sk.log_loss(y, p),
    }
    assert {name: got[name] for name in want} == pytest.approx(want, abs=1e-6)


def test_an_absent_class_is_undefined_and_left_out_of_the_means(of_probabilities):
    predictions = of_probabilities(
        [0, 0, 1, 1], [[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.2, 0.2, 0.6]], "abc"
    )
    by_class = per_class(predictions)
    c = by_class[2]
    assert (c.support, c.precision, c.recall, c.f1, c.auroc) == (0, None, None, None, None)
    got = predictions.metrics()
    assert got["recall"] == pytest.approx((1 + 1 / 2) / 2)
    assert got["precision"] == 1


def test_a_class_never_predicted_has_precision_zero(of_probabilities):
    _, b = per_class(of_probabilities([0, 1], [[0.9, 0.1], [0.8, 0.2]]))
    assert (b.precision, b.recall, b.f1, b.auroc) == (0, 0, 0, 1)


def test_auroc_of_a_single_class_is_undefined(of_probabilities):
    predictions = of_probabilities([1, 1], [[0.9, 0.1], [0.2, 0.8]])
    got = predictions.metrics()
    assert got["auroc"] is None
    assert got["accuracy"] == 0.5


def test_the_order_of_examples_changes_nothing(draw):
    predictions = draw(300)
    order = np.random.default_rng(1).permutation(300)
    shuffled = replace(
        predictions, labels=predictions.labels[order], log_probabilities=predictions.log_probabilities[order]
    )
    assert predictions.metrics() == pytest.approx(shuffled.metrics(), rel=1e-12)


def test_classes_are_looked_at_only_where_a_metric_needs_them(draw, monkeypatch):
    predictions = draw(50)
    whole = predictions.metrics()
    monkeypatch.setattr("ratchet.tasks.class_metrics.per_class", None)
    assert predictions.metrics(predictions.shown) == {name: whole[name] for name in ("accuracy", "log_loss")}
