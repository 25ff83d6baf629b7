"""Pseudo-values: the fast forms are the jackknife's, and their mean is scikit-learn's metric."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, r2_score, roc_auc_score

from ratchet.errors import EvidenceError
from ratchet.evidence.gate import weigh
from ratchet.evidence.jackknife import auroc, average_precision, jackknife, macro_f1


def sklearn_f1(labels: np.ndarray, predicted: np.ndarray) -> float:
    return f1_score(labels, predicted, labels=np.unique(labels), average="macro", zero_division=0)


@pytest.mark.parametrize("n", [2, 3, 5, 8, 30, 80])
@pytest.mark.parametrize("draw", range(10))
def test_macro_f1_is_the_jackknifes_with_classes_of_one_example_or_none_too(n: int, draw: int):
    rng = np.random.default_rng([n, draw])
    classes = rng.integers(1, 6)
    labels = rng.integers(0, classes, n)
    predicted = np.where(rng.random(n) < 0.6, labels, rng.integers(0, classes + 2, n))
    found = macro_f1(labels, predicted)
    assert found.mean() == pytest.approx(sklearn_f1(labels, predicted))
    assert found == pytest.approx(jackknife(lambda kept: sklearn_f1(labels[kept], predicted[kept]), n))


@pytest.mark.parametrize("n", [4, 5, 8, 30, 80])
@pytest.mark.parametrize("decimals", [0, 1, 8])
@pytest.mark.parametrize("draw", range(5))
@pytest.mark.parametrize(("fast", "metric"), [(auroc, roc_auc_score), (average_precision, average_precision_score)])
def test_metrics_of_an_order_are_the_jackknifes_with_ties_too(fast, metric, n: int, decimals: int, draw: int):
    rng = np.random.default_rng([n, decimals, draw])
    positive = rng.permutation(np.arange(n) < rng.integers(2, n - 1))
    scores = np.round(rng.normal(size=n) + positive, decimals)
    found = fast(scores, positive)
    assert found.mean() == pytest.approx(metric(positive, scores))
    assert found == pytest.approx(jackknife(lambda kept: metric(positive[kept], scores[kept]), n))


def test_pseudo_values_worked_by_hand():
    # Of a mean, 3, the pseudo-value of an example is its value: 3*3 - 2*4 = 1 for the first.
    values = np.array([1.0, 2.0, 6.0])
    assert jackknife(lambda kept: float(values[kept].mean()), 3) == pytest.approx(values)
    # Of the square of that mean: 9, and 16, 12.25, 2.25 without one; 3*9 - 2*these are -5, 2.5, 22.5, moved by 7/3.
    squared = jackknife(lambda kept: float(values[kept].mean()) ** 2, 3)
    assert squared == pytest.approx(np.array([-5.0, 2.5, 22.5]) + 7 / 3)
    assert squared.mean() == pytest.approx(9)


def test_any_metric_that_is_given_as_a_function():
    rng = np.random.default_rng(0)
    y = rng.normal(size=40)
    guessed = y + rng.normal(size=40)
    found = jackknife(lambda kept: r2_score(y[kept], guessed[kept]), 40)
    assert found.mean() == pytest.approx(r2_score(y, guessed))
    without_first = r2_score(y[1:], guessed[1:])
    assert found[0] - found[1] == pytest.approx(39 * (r2_score(np.delete(y, 1), np.delete(guessed, 1)) - without_first))


def test_the_error_of_auroc_is_that_of_delong():
    rng = np.random.default_rng(1)
    positive = np.arange(300) < 60
    scores = rng.normal(size=300) + positive
    order = (scores[positive][:, None] > scores[~positive]).astype(float)
    delong = order.mean(1).var(ddof=1) / 60 + order.mean(0).var(ddof=1) / 240
    assert auroc(scores, positive).var(ddof=1) / 300 == pytest.approx(delong, rel=0.02)  # 60/59 and 240/239 larger


@pytest.mark.parametrize("which", ["macro F1", "AUROC", "average precision"])
def test_the_error_is_how_far_the_metric_moves_from_one_set_to_the_next(which: str):
    rng, seen, errors = np.random.default_rng(2), [], []
    for _ in range(400):
        positive = rng.random(400) < 0.2
        margins = rng.normal(size=400) + 1.5 * positive
        labels = positive.astype(int) + (rng.random(400) < 0.3)
        fast = {
            "macro F1": lambda y=labels, m=margins: macro_f1(y, np.where(m > -0.5, y, (y + 1) % 3)),
            "AUROC": lambda p=positive, m=margins: auroc(m, p),
            "average precision": lambda p=positive, m=margins: average_precision(m, p),
        }
        found = fast[which]()
        seen.append(found.mean())
        errors.append(found.var(ddof=1) / 400)
    assert np.mean(errors) ** 0.5 == pytest.approx(np.std(seen), rel=0.12)  # the sd of 400 draws is known to 3.5 %


def test_where_all_is_right_or_all_is_one_every_example_has_the_metric_itself():
    labels = np.array([0, 0, 1, 1, 1, 2])
    assert macro_f1(labels, labels).tolist() == [1.0] * 6
    assert macro_f1(labels, labels + 3).tolist() == [0.0] * 6
    positive = labels > 0
    for fast in (auroc, average_precision):
        assert fast(positive + 0.5, positive).tolist() == [1.0] * 6
    assert auroc(np.zeros(6), positive).tolist() == [0.5] * 6
    perfect, wrong = macro_f1(labels, labels), macro_f1(labels, labels + 3)
    assert weigh(np.tile(perfect - wrong, (5, 1))).p == 0.5**6  # no error to weigh by: a sign test


def test_a_class_of_one_example_on_which_two_models_differ_makes_the_gain_uncertain():
    labels = np.append(np.arange(200) % 4, 4)
    right, lost = labels.copy(), labels.copy()
    lost[-1] = 0
    found = weigh(np.tile(macro_f1(labels, right) - macro_f1(labels, lost), (5, 1)))
    assert found.gain > 0.19  # a fifth of macro F1
    assert found.verdict == "ahead, not proved"


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: macro_f1(np.array([0]), np.array([0])), "1 examples"),
        (lambda: jackknife(lambda kept: float(len(kept)), 1), "1 examples"),
        (lambda: auroc(np.arange(4.0), np.arange(4) > 2), "1 positive examples"),
        (lambda: auroc(np.arange(4.0), np.arange(4) > 0), "1 negative examples"),
        (lambda: average_precision(np.arange(4.0), np.arange(4) > 2), "1 positive examples"),
        (lambda: average_precision(np.array([1.0, np.nan, 2.0]), np.arange(3) > 0), "nan at"),
        (lambda: jackknife(lambda kept: float("nan") if 0 in kept else 1.0, 4), "nan"),
    ],
)
def test_what_has_no_pseudo_values_is_one_clear_line(call, said: str):
    with pytest.raises(EvidenceError, match=said) as raised:
        call()
    assert "\n" not in str(raised.value)
