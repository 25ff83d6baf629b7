"""Metrics by dotted path: of torchmetrics, and of a person's own, each one line of yaml."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, fbeta_score
from threadpoolctl import threadpool_limits

from ratchet.config.composition import config_hash, load_config
from ratchet.config.sections import EvaluationConfig
from ratchet.errors import ConfigError
from ratchet.metrics import declare, find_metric
from ratchet.project import Project
from ratchet.runs.directory import RunDirectory
from ratchet.tasks import Binary, Multiclass, Multilabel, Regression, Target
from ratchet.tasks.own_metrics import OwnMetric, WithOwnMetrics

RNG = np.random.default_rng(0)
TWO, THREE = Target("class", ("no", "yes")), Target("class", ("a", "b", "c"))
CODE = '''
import torch
from torch import nn


def profit(said, true, gain=1.0):
    """A number for each example: what it earns."""
    return torch.where(said.argmax(1) == true, gain, -1.0)


def median(said, true):
    return (said.argmax(1) - true).abs().median()


def gaps(said, true):
    return (said - true).abs()


def lowest(said, true):
    return torch.quantile(said[true == 1], 0.1)  # raises where no example is positive


class Constant(nn.Module):
    def forward(self, said, true):
        return torch.tensor(0.5)


def broken(said, true):
    raise RuntimeError("as ever")


NOTHING = 3
'''
KAPPA = {"_target_": "torchmetrics.CohenKappa", "direction": "maximize", "range": [-1, 1]}


@pytest.fixture
def own(write_own: Callable[[str, str], Path]) -> Path:
    """A folder with own/worth.py, which Ratchet does not know."""
    return write_own("worth", CODE)


def of_binary(**given: Any) -> WithOwnMetrics:
    labels, logits = RNG.integers(0, 2, 60), RNG.normal(size=(60, 1))
    metric = OwnMetric("mine", {"direction": "maximize", **given}, TWO, two_way=True)
    return WithOwnMetrics(Binary(TWO, threshold=0.3).predictions(logits, labels), [metric])


def of_classes(**given: Any) -> WithOwnMetrics:
    labels, logits = RNG.integers(0, 3, 60), np.log(RNG.dirichlet([1, 1, 1], 60))
    metric = OwnMetric("mine", {"direction": "maximize", **given}, THREE, two_way=False)
    return WithOwnMetrics(Multiclass(THREE).predictions(logits, labels), [metric])


def test_a_metric_of_torchmetrics_decides_as_the_task_does():
    found = of_binary(_target_="torchmetrics.FBetaScore", beta=2.0)
    said = found.of.two_way.predicted
    assert found.metrics(["mine"])["mine"] == pytest.approx(fbeta_score(found.of.positive, said, beta=2.0), abs=1e-6)
    assert tuple(found.metrics()) == (*found.of.headline, "mine")


def test_a_metric_of_classes_knows_how_many_there_are():
    found = of_classes(_target_="torchmetrics.CohenKappa")
    assert found.metrics(["mine"])["mine"] == pytest.approx(
        cohen_kappa_score(found.of.labels, found.of.predicted), abs=1e-6
    )
    assert found.metrics(["mine", "accuracy"])["accuracy"] == found.of.correct.mean()


def test_labels_and_numbers_have_theirs():
    labels = Target("labels", ("l", "m"))
    said = Multilabel(labels).predictions(RNG.normal(size=(40, 2)), RNG.integers(0, 2, (40, 2)))
    metric = OwnMetric(
        "mine", {"_target_": "torchmetrics.HammingDistance", "direction": "minimize"}, labels, two_way=False
    )
    value = WithOwnMetrics(said, [metric]).metrics(["mine"])["mine"]
    assert value == pytest.approx((said.predicted != said.positive).mean())
    number = Target("number", ("y",))
    errors = Regression(number).predictions(np.arange(9.0)[:, None] + 1, np.arange(9))
    metric = OwnMetric(
        "mine", {"_target_": "torchmetrics.MeanSquaredError", "direction": "minimize"}, number, two_way=False
    )
    assert WithOwnMetrics(errors, [metric]).metrics(["mine"])["mine"] == 1


def test_the_mean_of_its_scores_is_the_metric_and_a_loss_is_negated(own):
    each = of_classes(_target_="own.worth.profit", scores="examples", gain=3.0, direction="minimize")
    assert set(each.scores("mine")) == {-3.0, 1.0}
    for found, sign in ((each, -1), (of_classes(_target_="torchmetrics.CohenKappa"), 1)):
        scores = found.scores("mine")
        assert len(scores) == 60
        assert scores.mean() == pytest.approx(sign * found.metrics(["mine"])["mine"])


def test_resampled_examples_count_as_often_as_they_were_drawn(own):
    weights = RNG.multinomial(60, np.full(60, 1 / 60), 3).T.astype(float)
    for given in ({"_target_": "own.worth.profit", "scores": "examples"}, {"_target_": "torchmetrics.CohenKappa"}):
        found = of_classes(**given)
        drawn = found.resampled(["mine", "accuracy"])(weights)
        for k in range(3):
            places = np.repeat(np.arange(60), weights[:, k].astype(int))
            assert drawn["mine"][k] == pytest.approx(found.own["mine"](found.arrays().at(places)))
            assert drawn["accuracy"][k] == pytest.approx(found.of.correct[places].mean())


def test_a_resample_of_which_it_cannot_be_measured_is_left_out(own):
    metric = OwnMetric("mine", {"_target_": "own.worth.lowest", "direction": "maximize"}, TWO, two_way=True)
    logits, weights = np.linspace(-1, 1, 5)[:, None], np.array([[1.0, 0], [1, 0], [1, 2], [1, 2], [1, 1]])
    drawn = WithOwnMetrics(Binary(TWO).predictions(logits, np.array([1, 1, 0, 0, 0])), [metric])
    assert np.isnan(drawn.resampled(["mine"])(weights)["mine"]).tolist() == [False, True]
    nobody = WithOwnMetrics(Binary(TWO).predictions(logits, np.zeros(5)), [metric])
    with pytest.raises(ConfigError, match="cannot be measured of this task: "):
        nobody.resampled(["mine"])(weights)


def test_the_number_of_threads_changes_no_digit_of_resamples(own):
    metric = OwnMetric(
        "mine", {"_target_": "own.worth.gaps", "direction": "minimize", "scores": "examples"}, TWO, two_way=True
    )
    rng = np.random.default_rng(0)
    found = WithOwnMetrics(Binary(TWO).predictions(rng.normal(size=(1000, 1)), rng.integers(0, 2, 1000)), [metric])
    weights = rng.multinomial(1000, np.full(1000, 1 / 1000), 500).T.astype(float)
    measured = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            measured.append(found.resampled(["mine"])(weights)["mine"])
    assert (measured[0] == measured[1]).all()


def test_a_module_of_ones_own_is_a_metric_too(own):
    assert of_classes(_target_="own.worth.Constant").metrics(["mine"]) == {"mine": 0.5}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"_target_": "os.system"}, r"_target_=os\.system is not called; allowed: a metric of torchmetrics"),
        ({"_target_": "torchmetrics.Nothing"}, r"cannot be imported \(module 'torchmetrics' has no"),
        ({"_target_": "own.worth.NOTHING"}, "is no class or function"),
        ({"_target_": "own.worth.profit", "loss": 1}, "own.worth.profit takes no loss; allowed: said, true, gain"),
        ({"_target_": "own.worth.profit"}, "it gives 60 numbers, one is needed, or scores: examples"),
        ({"_target_": "own.worth.median", "scores": "examples"}, r"it gives \(\) for 60 examples"),
        ({"_target_": "own.worth.broken"}, r"task: RuntimeError in your code, \S*own/worth\.py line 29: as ever"),
        ({"_target_": "torchmetrics.MeanSquaredError", "direction": "minimize"}, "cannot be measured of this task: "),
        ({"_target_": "torchmetrics.FBetaScore", "beta": -1}, "cannot be measured of this task: ValueError"),
        ({"_target_": "torchmetrics.CohenKappa", "direction": "minimize"}, "better the higher it is; allowed: max"),
    ],
)  # fmt: skip
def test_what_is_no_metric_of_the_task_is_refused_in_one_line(own, given, message):
    with pytest.raises(ConfigError, match=message) as caught:
        of_classes(**given).metrics(["mine"])
    assert "\n" not in str(caught.value)
    assert "type: " in str(caught.value)


def write_metrics(project: Project, **metrics: Any) -> None:
    path = project.conf / "task/auto.yaml"
    path.write_text(f"_target_: null\nmetrics: {json.dumps(metrics)}\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ({"f1": KAPPA}, r"task\.metrics\.f1: there is a metric f1 already; allowed: another name, such as my_f1"),
        ({"my kappa": KAPPA}, "allowed: letters, digits and _, a letter first"),
        ({"mine": {**KAPPA, "_target_": "os.system"}}, r"_target_=os\.system; allowed: a metric of torchmetrics"),
        ({"mine": {"_target_": "own.a.b"}}, r"task\.metrics\.mine\.direction is missing; allowed: one of max"),
        ({"mine": {**KAPPA, "direction": "up"}}, r"direction is up; allowed: one of maximize, minimize"),
        ({"mine": {**KAPPA, "range": [0]}}, r"task\.metrics\.mine\.range is"),
        ({"mine": {"direction": "maximize"}}, r"task\.metrics\.mine\._target_ is missing; allowed: text"),
    ],
)  # fmt: skip
def test_a_mistake_in_yaml_ends_in_one_line(project, metrics, message):
    write_metrics(project, **metrics)
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(project)
    assert "\n" not in str(caught.value)


def test_a_metric_in_two_pairs_of_quotes_is_said_before_the_objective(project):
    with pytest.raises(ConfigError, match=r"task\.metrics\.mine is .*; allowed: a mapping of _target_, direction"):
        load_config(project, ["+task.metrics.mine='{_target_: torchmetrics.F}'", "objective.metric=validation/mine"])


def test_a_metric_of_another_kind_of_target_is_left_out_unless_runs_go_by_it(project):
    from ratchet.training.fit import Fit

    write_metrics(project, mine={"_target_": "torchmetrics.MeanSquaredError", "direction": "minimize"}, kappa=KAPPA)
    run = RunDirectory(project.root / "run")
    task = Fit.assemble(load_config(project, ["model=logistic"]), project=project, run=run).module.task
    assert [metric.name for metric in task.own] == ["kappa"]
    assert "task.metrics.mine: torchmetrics.MeanSquaredError cannot be measured of this task" in task.left_out[0]
    with pytest.raises(ConfigError, match=r"^objective\.metric=validation/mine: .*; type: objective\.metric=null$"):
        Fit.assemble(
            load_config(project, ["model=logistic", "objective.metric=validation/mine"]), project=project, run=run
        )


def test_what_the_hint_says_can_be_typed(project):
    typed = "+task.metrics.f1={_target_: torchmetrics.F, direction: maximize}"
    with pytest.raises(ConfigError, match=r"type: the same and ~task\.metrics\.f1, to do without it"):
        load_config(project, [typed])
    assert load_config(project, [typed, "~task.metrics.f1"]).task.metrics == {}
    write_metrics(project, f1=KAPPA)
    assert load_config(project, ["~task.metrics.f1"]).task.metrics == {}


def test_a_config_without_them_is_what_it_was(project):
    before = config_hash(load_config(project))
    (project.conf / "task/auto.yaml").write_text("_target_: null\nmetrics: {}\n", encoding="utf-8")
    assert config_hash(load_config(project)) == before
    assert "metrics" not in load_config(project).plain()["task"]


def test_the_table_has_it_and_its_own_stay():
    from ratchet.metrics import METRICS, Metric

    declare([Metric("f1", "minimize", (0, 1), "points"), Metric("test_only", "minimize", (0, 9), "coins")])
    assert find_metric("f1") is METRICS["f1"]
    found = find_metric("validation/test_only")
    assert found is not None
    assert (found.direction, found.range, found.shown_as) == ("minimize", (0, 9), "coins less of test_only")


QUICK = ["model=logistic", "trainer.max_epochs=6", "trainer.progress=none", "objective.metric=validation/kappa"]


def test_it_is_trained_by_measured_on_test_and_scored_for_promotion(project):
    from ratchet.evaluation.evaluate import evaluate
    from ratchet.promotion.scores import score_confirm
    from ratchet.promotion.verdict_text import metric_of
    from ratchet.training.train import train

    write_metrics(project, kappa=KAPPA)
    config = load_config(project, QUICK)
    assert config.objective.direction == "maximize"
    run = RunDirectory(project.root / "run")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the libraries warn of in training is for the tests of training
        record = train(config, run=run, project=project)
    assert record.best is not None
    assert record.best.metric == "validation/kappa"
    assert 0.4 < record.best.value < record.best.metrics["validation/accuracy"]
    evaluation = evaluate(run, output=run.evaluation, project=project, config=EvaluationConfig(bootstrap=20))
    low, high = evaluation.intervals["kappa"]
    assert low < evaluation.metrics["kappa"] < high
    assert {each.metric for each in evaluation.baselines} == {"kappa"}
    scores = score_confirm(run, project=project)
    assert scores.shape == (216,)
    assert 0.4 < scores.mean() < 1
    assert metric_of("validation/kappa").range == (-1, 1)


@pytest.mark.slow
def test_it_is_searched_and_compared_by(project):
    write_metrics(project, kappa=KAPPA)
    scripts = Path(__file__).parents[2] / "src"

    def command(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, str(scripts / words[0]), *words[1:]],
            cwd=project.root,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    searched = command("train.py", "-m", *QUICK, "optimizer.lr=0.001,0.1", "sweep.n_jobs=1", "logger=none")
    assert "validation/kappa" in searched
    compared = command("compare.py")
    assert "validation/kappa, larger is better" in compared
    assert "logistic regression" in compared
