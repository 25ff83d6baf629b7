"""A study that starts ahead: which settings of which earlier studies it tries first, and what is said of them."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ratchet.search.space.plan import Earlier
from ratchet.search.space.space import Dimension, SearchSpace
from ratchet.search.space.warm_start import proposals
from ratchet.search.storage.ledger import CLAIM, WARM_START, is_given, warm_started_by
from ratchet.search.worker.dry_run import tell_plan
from ratchet.search.worker.results import export, show
from search.zoo import SPACES

pytestmark = pytest.mark.slow

LR = {"lr": "tag(log, interval(0.001, 0.1))"}
ACCURACY, SMALL = {"metric": "accuracy", "direction": "maximize"}, {"metric": "parameters", "direction": "minimize"}


@pytest.fixture
def zoo(zoo: Any) -> Any:
    """Of it the optimizers stand for data sets."""
    zoo.facts = replace(
        zoo.facts,
        earlier=Earlier(zoo.directory, ("model.name",), "optimizer.name"),
        identity=lambda config: {key: config[key] for key in ("model", "optimizer", "lr", "seed")},
    )
    return zoo


def search(zoo: Any, name: str, *typed: str, **settings: Any) -> Any:
    """A study of 8 trials, run."""
    plan = zoo.plan(*typed, **{"space": LR, "n_trials": 8, "study": name, "warm_start": 0, "pruner": None, **settings})
    (study,) = zoo.run(plan).studies
    export(study.study, plan)
    return study


def on_record(zoo: Any, name: str, *typed: str, lr: Sequence[float] = (0.01, 0.03, 0.002, 0.001)) -> None:
    """What a study leaves of so many trials, of which the first is the best."""
    plan = zoo.plan(*typed, space=LR, study=name)
    plan.directory.mkdir()
    asked = {"op_code": 2, "user_attr": {"ratchet:study": plan.identity}}
    (plan.directory / "study.journal").write_text(json.dumps(asked) + "\n", encoding="utf-8")
    rows = [f"{number},complete,{rate},{-number},64.0\n" for number, rate in enumerate(lr)]
    head = "number,state,params/lr,metrics/accuracy,metrics/parameters\n"
    (plan.directory / "trials.csv").write_text("".join([head, *rows]), encoding="utf-8")


def origins(zoo: Any, *typed: str, **settings: Any) -> list[str]:
    """The trials whose settings a new study would try."""
    plan = zoo.plan(*typed, **{"space": LR, "study": "new", **settings})
    found, unread = proposals(plan, zoo.facts.earlier)
    assert unread is None
    return [f"{each.study}/{each.trial}" for each in found]


def best(study: Any) -> int:
    return int(study.study.best_trial.number)


def test_the_best_of_an_earlier_study_follow_the_champion_once(zoo, capsys) -> None:
    before = search(zoo, "before")
    plan = zoo.plan(space=LR, n_trials=4, study="new", pruner=None)
    (study,) = zoo.run(plan).studies
    trials = study.study.trials
    assert trials[0].params == {"lr": 0.1}  # of the config
    assert trials[1].params == before.study.best_params
    assert trials[1].user_attrs[WARM_START] == {"study": "before", "trial": best(before)}
    queued = [trial.number for trial in trials if "fixed_params" in trial.system_attrs]
    again = replace(plan, settings=plan.settings.model_copy(update={"n_trials": 8}))
    (study,) = zoo.run(again).studies
    assert [trial.number for trial in study.study.trials if "fixed_params" in trial.system_attrs] == queued
    export(study.study, again)
    with (plan.directory / "trials.csv").open(encoding="utf-8", newline="") as stream:
        column = [row["warm_start"] for row in csv.DictReader(stream)]
    assert column[:2] == ["", f"before/{best(before)}"]
    assert not any(column[len(queued) :])
    show(study.study, again, command="train", follow_up=None)
    said = capsys.readouterr().out
    assert f"(from before/{best(before)})" in said
    assert f"best of the {len(queued) - 1} warm-started trial" in said


def test_a_dry_run_says_how_many_and_from_where(zoo, capsys) -> None:
    on_record(zoo, "before", "optimizer=sgd")
    tell_plan(zoo.plan(space=LR, study="new", n_trials=2), composer=zoo.loaded.composer, facts=zoo.facts)
    assert "  warm start: 1 setting from study before of sgd\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    "settings",
    [
        {"warm_start": 0},
        {"n_trials": 1},
        {"objectives": [SMALL]},
        {"objectives": [{**ACCURACY, "direction": "minimize"}]},
        {"objectives": [ACCURACY, SMALL]},
        {"space": {"lr": "interval(0.2, 0.3)"}},
        {"space": {"seed": "range(3)"}},
        {"space": {"lr": "choice(0.2,0.3)"}, "sampler": {"_target_": "optuna.samplers.GridSampler"}},
        {"constraints": ["parameters >= 1000"]},
    ],
)
def test_a_study_of_another_question_gets_none(zoo, settings: dict[str, Any]) -> None:
    on_record(zoo, "before")
    assert origins(zoo) == ["before/0"]
    assert origins(zoo, **{"pruner": None, **settings}) == []


def test_another_model_and_a_grid_give_none(zoo) -> None:
    on_record(zoo, "before", "model=gru")
    zoo.run(zoo.plan("lr=0.01,0.02"))
    assert origins(zoo) == []


def test_the_same_data_come_first_and_newer_studies_before_older_ones(zoo) -> None:
    names = ["old", "new-data", "newer"]
    for name, optimizer, rate in zip(names, ("adam", "sgd", "adam"), (0.003, 0.03, 0.001), strict=True):
        on_record(zoo, name, f"optimizer={optimizer}", lr=[rate])
    assert [origin.partition("/")[0] for origin in origins(zoo)] == ["newer", "old", "new-data"]


def test_settings_that_are_near_to_each_other_or_to_the_champion_s_are_one(zoo) -> None:
    on_record(zoo, "narrow", lr=[0.01, 0.0101, 0.0102, 0.02, 0.03, *[0.001] * 11])
    assert origins(zoo) == ["narrow/0", "narrow/3"]
    on_record(zoo, "high", lr=[0.099])
    assert origins(zoo) == ["narrow/0", "narrow/3"]


def test_few_are_taken_and_the_better_quarter_alone(zoo) -> None:
    rates = [0.0015, 0.003, 0.006, 0.012, 0.024, 0.048]
    on_record(zoo, "wide", lr=[*rates, *[0.001] * 30])
    assert origins(zoo) == ["wide/0", "wide/1", "wide/2", "wide/3"]
    assert origins(zoo, warm_start=9) == [f"wide/{number}" for number in range(6)]
    assert origins(zoo, n_trials=5) == ["wide/0", "wide/1"]  # of half of the trials, at most


def test_what_is_sampled_now_has_the_value_that_it_had(zoo) -> None:
    on_record(zoo, "before", "model=gru")
    plan = zoo.plan(space={**LR, "model": "choice(cnn,gru)"}, options={"model": SPACES}, study="new")
    found, _ = proposals(plan, zoo.facts.earlier)
    assert found[0].params == {
        "model": "gru", "model.width (gru)": 16, "model.depth (gru)": 1, "lr": 0.01,
    }  # fmt: skip


def test_a_search_among_models_gives_those_of_a_model(zoo) -> None:
    full = search(zoo, "full", space={**LR, "model": "choice(cnn,gru)"}, options={"model": SPACES}, n_trials=12)
    assert full.study.best_params["model"] == "gru"
    plan = zoo.plan("model=gru", space=LR, options={"model": SPACES}, study="new")
    found, _ = proposals(plan, zoo.facts.earlier)
    wanted = full.study.best_params
    assert found[0].params == {
        "lr": wanted["lr"], "model.width": wanted["model.width (gru)"], "model.depth": wanted["model.depth (gru)"],
    }  # fmt: skip
    assert origins(zoo, "model=gru") == []  # it would leave out what made them good


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("trials.csv", "number,state\n0"),
        ("trials.csv", "number,state,number\n1,2\n"),
        ("trials.csv", "\x00\xff"),
        ("study.journal", "{}\nno json\n"),
        ("study.journal", '{"user_attr":{"ratchet:study":{"questions":[]}}}\n'),
        ("study.journal", '{"user_attr":{"ratchet:study":{"objectives":{"accuracy":"maximize"},"space":[]}}}\n'),
        ("study.journal", '{"user_attr":{"ratchet:study":{"objectives":{"accuracy":"maximize"},"space":7}}}\n'),
    ],
)
def test_a_study_that_cannot_be_read_is_left_out_in_a_line(zoo, file: str, content: str) -> None:
    on_record(zoo, "before")
    (zoo.directory / "before" / file).write_bytes(content.encode("latin-1"))
    found, unread = proposals(zoo.plan(space=LR, study="new"), zoo.facts.earlier)
    assert found == []
    assert unread is not None or file == "trials.csv"
    assert "\n" not in (unread or "")


def test_a_study_of_a_newer_version_is_left_out(zoo) -> None:
    on_record(zoo, "before")
    table = zoo.directory / "before" / "trials.csv"
    table.write_text(table.read_text(encoding="utf-8").replace("metrics/accuracy", "values/accuracy"), encoding="utf-8")
    assert origins(zoo) == []


def test_a_pruner_may_end_a_warm_started_trial_and_a_retry_keeps_its_lineage(zoo) -> None:
    on_record(zoo, "before")
    (study,) = zoo.run(zoo.plan(space=LR, n_trials=4, study="new", pruner=None)).studies
    trials = study.study.get_trials()
    assert [is_given(trial, trials) for trial in trials[:2]] == [True, False]
    study.study.enqueue_trial(trials[1].params, user_attrs={CLAIM: {"ticket": 1, "retry_of": 1}})
    trials = study.study.get_trials()
    assert warm_started_by(trials[-1], trials) == warm_started_by(trials[1], trials)


@pytest.mark.parametrize(
    ("text", "one", "other", "distance"),
    [
        ("interval(0,10)", 2.0, 4.0, 0.2),
        ("tag(log, interval(0.001, 1))", 0.01, 0.1, 1 / 3),
        ("range(0,11,2)", 2, 4, 0.2),
        ("choice(a,b)", "a", "b", 1.0),
        ("choice(a,b)", "a", "a", 0.0),
        ("int(interval(3,3))", 3, 3, 0.0),
    ],
)
def test_a_distance_is_a_share_of_the_dimension(text: str, one: Any, other: Any, distance: float) -> None:
    space = SearchSpace((Dimension.parse("x", text),))
    assert space.distance({"x": one}, {"x": other}) == pytest.approx(distance)


def test_a_project_has_its_earlier_studies_under_runs(tmp_path: Path) -> None:
    from ratchet.commands.sweep import SweptTraining
    from ratchet.project import Project

    facts = SweptTraining(Project.find(), (), ()).facts
    assert facts.earlier is not None
    assert facts.earlier.directory == Project.find().runs / "sweeps"
