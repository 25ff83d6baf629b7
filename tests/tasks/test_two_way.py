"""Binary and multilabel metrics, against scikit-learn and against their own definition on resampled examples."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn import metrics as sk

from ratchet.errors import ConfigError, EvidenceError
from ratchet.tasks import Binary, Multiclass, Multilabel, Target
from ratchet.tasks.binary import BinaryPredictions
from ratchet.tasks.two_way import choose_threshold

BINARY = Target("class", ("no", "yes"))


def draw(n: int = 300, share: float = 0.3, seed: int = 0, digits: int | None = None) -> BinaryPredictions:
    rng = np.random.default_rng(seed)
    positive = rng.random(n) < share
    logits = rng.normal(size=n) + 1.5 * positive - 1
    if digits is not None:
        logits = np.round(logits, digits)  # so that there are ties
    return BinaryPredictions(positive, logits, ("no", "yes"))


def by_scikit_learn(positive: np.ndarray, logits: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    p, said = 1 / (1 + np.exp(-logits)), logits >= 0
    options = {"sample_weight": weights, "zero_division": 0.0}
    precision, recall, f1, _ = sk.precision_recall_fscore_support(positive, said, average="binary", **options)
    return {
        "accuracy": sk.accuracy_score(positive, said, sample_weight=weights),
        "balanced_accuracy": sk.balanced_accuracy_score(positive, said, sample_weight=weights),
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "auroc": sk.roc_auc_score(positive, p, sample_weight=weights),
        "average_precision": sk.average_precision_score(positive, p, sample_weight=weights),
        "matthews": sk.matthews_corrcoef(positive, said, sample_weight=weights),
        "log_loss": sk.log_loss(positive, p, sample_weight=weights),
        "brier": sk.brier_score_loss(positive, p, sample_weight=weights),
    }


@pytest.mark.parametrize("digits", [None, 1, 0])
@pytest.mark.parametrize("share", [0.5, 0.06])
def test_metrics_under_weights_are_those_of_scikit_learn(digits, share):
    predictions = draw(share=share, digits=digits)
    weights = np.random.default_rng(1).multinomial(300, np.full(300, 1 / 300), size=8).T.astype(float)
    found = predictions.resampled(BinaryPredictions.headline)(weights)
    for column, each in enumerate(weights.T):
        wanted = by_scikit_learn(predictions.positive, predictions.logits, each)
        assert {name: found[name][column] for name in wanted} == pytest.approx(wanted, rel=1e-9)


def test_the_headline_has_every_metric_and_weights_of_one_give_it():
    predictions = draw()
    wanted = by_scikit_learn(predictions.positive, predictions.logits, np.ones(300))
    found = predictions.metrics()
    assert tuple(found) == BinaryPredictions.headline
    assert {name: found[name] for name in wanted} == pytest.approx(wanted, rel=1e-9)


def test_a_split_of_one_class_has_what_is_defined_and_no_more():
    predictions = BinaryPredictions(np.zeros(5, bool), np.linspace(-2, 1, 5), ("no", "yes"))
    found = predictions.metrics()
    undefined = {"balanced_accuracy", "precision", "recall", "f1", "auroc", "average_precision", "matthews"}
    assert {name for name, value in found.items() if value is None} == undefined
    assert found["accuracy"] == pytest.approx(0.6)


@pytest.mark.parametrize("name", Binary.objectives)
def test_scores_have_the_metric_as_their_mean_and_higher_is_better(name):
    predictions = draw(share=0.1, digits=1)
    sign = -1 if name == "brier" else 1
    assert sign * predictions.scores(name).mean() == pytest.approx(predictions.metrics([name])[name], rel=1e-9)


@pytest.mark.parametrize("name", ["f1", "precision", "recall", "matthews", "balanced_accuracy"])
def test_pseudo_values_are_those_of_leaving_each_example_out(name):
    predictions = draw(n=60, share=0.3)
    whole = predictions.metrics([name])[name]
    without = np.array(
        [
            BinaryPredictions(np.delete(predictions.positive, i), np.delete(predictions.logits, i), ("no", "yes"))
            .metrics([name])[name]
            for i in range(60)
        ]
    )  # fmt: skip
    values = 60 * whole - 59 * without
    found = predictions.scores(name)
    assert found - found.mean() == pytest.approx(values - values.mean(), rel=1e-9, abs=1e-9)


def test_a_single_positive_cannot_tell_what_chance_does_to_auroc():
    predictions = BinaryPredictions(np.arange(9) == 4, np.linspace(-1, 1, 9), ("no", "yes"))
    with pytest.raises(EvidenceError, match="positive examples"):
        predictions.scores("auroc")


@pytest.mark.parametrize("name", ["auroc", "average_precision"])
def test_examples_of_which_a_model_is_all_but_certain_are_ranked_too(name):
    positive, logits = np.array([1, 1, 1, 0, 0, 1], bool), np.array([90.0, 80, 60, 50, 40, 38])
    of = {"auroc": sk.roc_auc_score, "average_precision": sk.average_precision_score}[name]
    wanted = of(positive, logits)
    two = Binary(BINARY).predictions(logits[:, None], positive)
    several = torch.tensor(np.stack([logits, np.zeros(6), np.zeros(6)], axis=1))
    three = Multiclass(Target("class", ("a", "b", "c"))).predictions(
        several.log_softmax(dim=1).numpy(), np.where(positive, 0, 1)
    )
    assert two.metrics([name])[name] == two.resampled([name])(np.ones((6, 1)))[name][0] == pytest.approx(wanted)
    assert two.scores(name).mean() == pytest.approx(wanted)
    assert three.metrics([name])[name] == pytest.approx(three.resampled([name])(np.ones((6, 1)))[name][0])
    assert three.metrics([name])[name] == pytest.approx((wanted + of(~positive, -logits)) / 2)


# --- thresholds


def fitted(threshold, *, n=400, share=0.2, seed=3):
    predictions = draw(n, share, seed)
    task = Binary(BINARY, threshold=threshold)
    outputs, y = predictions.logits[:, None], predictions.positive.astype(np.int64)
    return task.fitted(outputs, y).predictions(outputs, y)


def test_the_best_f1_on_validation_is_found():
    found = fitted("f1")
    cuts = np.unique(found.logits)
    best = max(sk.f1_score(found.positive, found.logits >= cut) for cut in cuts)
    assert found.metrics(["f1"])["f1"] == pytest.approx(best)
    assert best > fitted(0.5).metrics(["f1"])["f1"]


@pytest.mark.parametrize("cost", [0.2, 1, 10])
def test_the_cheapest_threshold_is_found(cost):
    found = fitted({"cost": cost})

    def price(said: np.ndarray) -> float:
        return (said & ~found.positive).sum() + cost * (~said & found.positive).sum()

    cuts = [*np.unique(found.logits), np.inf]
    assert price(found.two_way.predicted) <= min(price(found.logits >= cut) for cut in cuts[:-1])


def test_a_wanted_precision_is_kept_and_as_many_found_as_it_allows():
    found = fitted({"precision": 0.8})
    reached = found.metrics(["precision", "recall"])
    assert reached["precision"] >= 0.8
    others = [
        sk.recall_score(found.positive, found.logits >= cut)
        for cut in np.unique(found.logits)
        if sk.precision_score(found.positive, found.logits >= cut) >= 0.8
    ]
    assert reached["recall"] == pytest.approx(max(others))


def test_a_threshold_lies_between_two_scores():
    positive, logits = np.array([False, False, True, True]), np.array([0.0, 1.0, 3.0, 4.0])
    assert choose_threshold(positive, logits, lambda tp, fp, fn: tp - fp - fn) == 2.0


@pytest.mark.parametrize("threshold", [0, 1, 1.5, "accuracy", {"cost": 0}, {"precision": 1}, {"recall": 0.5}, {}, None])
def test_a_threshold_that_is_none_is_refused(threshold):
    with pytest.raises(
        ConfigError, match=r"task\.threshold=.*allowed: a probability, f1, .*type: task\.threshold=0\.5"
    ):
        Binary(BINARY, threshold=threshold)


def test_the_positive_class_can_be_named():
    task = Binary(Target("class", ("good", "bad")), positive="good")
    predictions = task.predictions(np.array([[2.0], [-2.0]]), np.array([0, 1]))
    assert predictions.metrics(["accuracy", "auroc"]) == {"accuracy": 1, "auroc": 1}
    assert predictions.classes == ("bad", "good")
    with pytest.raises(ConfigError, match=r"task\.positive=maybe is no class; allowed: good, bad"):
        Binary(Target("class", ("good", "bad")), positive="maybe")


def test_binary_is_for_two_classes():
    with pytest.raises(
        ConfigError, match=r"task=binary is for two classes, and the data have 3.*type: task=multiclass"
    ):
        Binary(Target("class", ("a", "b", "c")))


# --- labels


def labels(n=200, k=5, seed=0):
    rng = np.random.default_rng(seed)
    positive = rng.random((n, k)) < np.linspace(0.1, 0.5, k)
    return positive, rng.normal(size=(n, k)) + 2 * positive - 1


def test_multilabel_metrics_are_the_macro_means_of_scikit_learn():
    positive, logits = labels()
    task = Multilabel(Target("labels", tuple("abcde")))
    found = task.predictions(logits, positive.astype(np.float32)).metrics()
    said, p = logits >= 0, 1 / (1 + np.exp(-logits))
    wanted = {
        "accuracy": (said == positive).mean(),
        "exact_match": sk.accuracy_score(positive, said),
        "precision": sk.precision_score(positive, said, average="macro"),
        "recall": sk.recall_score(positive, said, average="macro"),
        "f1": sk.f1_score(positive, said, average="macro"),
        "auroc": sk.roc_auc_score(positive, p, average="macro"),
        "average_precision": sk.average_precision_score(positive, p, average="macro"),
        "log_loss": np.mean([sk.log_loss(positive[:, k], p[:, k]) for k in range(5)]),
        "brier": ((p - positive) ** 2).mean(),
    }
    assert found == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("name", Multilabel.objectives)
def test_scores_of_labels_have_the_metric_as_their_mean(name):
    positive, logits = labels(seed=2)
    predictions = Multilabel(Target("labels", tuple("abcde"))).predictions(logits, positive.astype(np.float32))
    sign = -1 if name == "brier" else 1
    assert sign * predictions.scores(name).mean() == pytest.approx(predictions.metrics([name])[name], rel=1e-9)


def test_a_label_that_nobody_has_is_left_out_of_the_means():
    positive, logits = labels()
    positive[:, 2] = False
    predictions = Multilabel(Target("labels", tuple("abcde"))).predictions(logits, positive.astype(np.float32))
    kept = [0, 1, 3, 4]
    wanted = sk.f1_score(positive[:, kept], logits[:, kept] >= 0, average="macro")
    assert predictions.metrics(["f1"])["f1"] == pytest.approx(wanted)
    assert predictions.parts()[2]["support"] == 0
    assert predictions.parts()[2]["f1"] is None
