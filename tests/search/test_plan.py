"""The studies of a command line: which there are, what varies in each, what is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from optuna.trial import TrialState

from ratchet.errors import ConfigError
from ratchet.search.space.plan import TaskFacts, combinations, in_full, plan_studies
from ratchet.search.space.preflight import preflight
from ratchet.search.space.settings import SweepSettings
from ratchet.search.worker.dry_run import tell_plan
from ratchet.search.worker.sweeper import Sweep, WorkerTask
from search.applications import trials
from search.conftest import Bench, load
from search.zoo import SPACES

MODELS = {"model": {**SPACES, "mlp": {"model.width": "choice(1,2)"}}}


@pytest.mark.parametrize(
    ("typed", "cells"),
    [
        ([], [[]]),
        (["seed=1"], [["seed=1"]]),
        (["model=cnn,gru"], [["model=cnn"], ["model=gru"]]),
        (["lr=1,2", "seed=3,4"], [[f"lr={lr}", f"seed={seed}"] for lr in (1, 2) for seed in (3, 4)]),
        (["seed=range(3)"], [["seed=0"], ["seed=1"], ["seed=2"]]),
        (["lr=1,2", "lr=3"], [["lr=3"]]),
        (["lr=3", "lr=1,2"], [["lr=1"], ["lr=2"]]),
        (["lr=interval(0,1)", "lr=1,2"], [["lr=1"], ["lr=2"]]),
        (["+name='a b','it\\'s','ü,1'"], [["+name='a b'"], ["+name='it\\'s'"], ["+name='ü,1'"]]),
        (["+name=choice('a b','ü')"], [["+name='a b'"], ["+name='ü'"]]),
        (["+list=[1,2],[]", "seed=1"], [["+list=[1,2]", "seed=1"], ["+list=[]", "seed=1"]]),
        (["+map={a:1},{b:'c d'}"], [["+map={a:1}"], ["+map={b:'c d'}"]]),
        (["~optimizer"], [["~optimizer"]]),
        (["++lr=null,1"], [["++lr=null"], ["++lr=1"]]),
    ],
)
def test_commas_are_every_combination_in_the_order_typed(typed: list[str], cells: list[list[str]]) -> None:
    assert [list(cell) for cell in combinations(typed)[0]] == cells


def test_intervals_are_kept_apart() -> None:
    cells, intervals, swept = combinations(["lr=tag(log,interval(0.1,1))", "seed=1,2"])
    assert [list(cell) for cell in cells] == [["seed=1"], ["seed=2"]]
    assert {key: dimension.text for key, dimension in intervals.items()} == {"lr": "tag(log,interval(0.1,1))"}
    assert swept == ["seed"]


def test_commas_alone_are_one_study_of_each_cell(zoo) -> None:
    plan = zoo.plan("model=cnn,gru", "lr=0.1,0.2", "seed=4")
    assert (plan.n_trials, plan.fixed) == (4, ("seed=4",))
    assert plan.cells[1] == ("model=cnn", "lr=0.2", "seed=4")
    assert plan.name.startswith("search_lr_model_")


def test_a_search_and_commas_are_a_study_of_each_cell(zoo) -> None:
    plans = zoo.plans("model=cnn,gru", options=MODELS, n_trials=7)
    assert [plan.name for plan in plans] == ["search_cnn", "search_gru"]
    assert [plan.n_trials for plan in plans] == [7, 7]
    assert [list(plan.space.described()) for plan in plans] == [
        ["model=cnn: model.width", "model=cnn: model.kernel"], ["model=gru: model.width", "model=gru: model.depth"],
    ]  # fmt: skip
    assert [plan.fixed for plan in plans] == [("model=cnn",), ("model=gru",)]


def test_a_typed_interval_stands_in_for_the_file_s(zoo) -> None:
    plan = zoo.plan("model.width=int(interval(1,2))", space={"lr": "interval(0,1)"}, options=MODELS)
    assert plan.space.described() == {
        "lr": "interval(0,1)", "model.width": "int(interval(1,2))", "model=cnn: model.kernel": "choice(3,5)",
    }  # fmt: skip


def noted(zoo, *typed: str, facts: TaskFacts | None = None, **settings: Any) -> tuple[Any, list[str]]:
    sweeps = {"search": SweepSettings.model_validate(settings)}
    (plan,), notes = plan_studies(sweeps, typed, composer=zoo.loaded.composer, facts=facts or zoo.facts)
    return plan, notes


def test_a_typed_value_ends_the_search_of_it_and_says_so(zoo) -> None:
    plan, notes = noted(zoo, "model.width=8", options=MODELS)
    assert plan.space.described() == {"model=cnn: model.kernel": "choice(3,5)"}
    assert notes == ["model.width is not searched: the command line fixes it"]
    assert plan.fixed == ("model.width=8",)


def test_a_value_that_nobody_typed_ends_no_search(zoo) -> None:
    """As params.yaml's: what it picks is where a search begins."""
    facts = dataclasses.replace(zoo.facts, typed=frozenset({"seed"}))
    plan, notes = noted(zoo, "model=gru", "model.width=24", "seed=1", facts=facts, options=MODELS)
    assert list(plan.space.described()) == ["model=gru: model.width", "model=gru: model.depth"]
    assert notes == []
    assert plan.baseline == {"model.width": 24, "model.depth": 1}


def test_where_a_model_is_sampled_the_values_of_another_are_left_out(zoo) -> None:
    facts = dataclasses.replace(zoo.facts, typed=frozenset())
    plan, _ = noted(
        zoo, "model=gru", "model.depth=2", "seed=1", facts=facts, options=MODELS, space={"model": "choice(cnn,gru)"}
    )
    assert plan.fixed == ("model=gru", "seed=1")
    assert plan.space.is_conditional
    assert plan.baseline == {"model": "gru", "model.width (gru)": 16, "model.depth (gru)": 1}


@pytest.mark.parametrize(
    ("typed", "baseline"),
    [
        ([], {"lr": 0.1, "model.width": 8, "model.kernel": 3}),
        (["lr=0.5"], {"model.width": 8, "model.kernel": 3}),
        (["model=gru"], {"lr": 0.1, "model.width": 16, "model.depth": 1}),
        (["model=mlp"], None),
    ],
)
def test_what_conf_has_now_is_tried_first_if_it_lies_inside(zoo, typed, baseline) -> None:
    plan, notes = noted(zoo, *typed, options=MODELS, space={"lr": "interval(0,1)"})
    assert plan.baseline == baseline
    said = ["model.width=32 lies outside of the space: what conf/ has now is not tried first"]
    assert [note for note in notes if "lies outside" in note] == (said if baseline is None else [])


def test_the_grid_sampler_runs_every_cell_of_the_space(zoo) -> None:
    grid = {"_target_": "optuna.samplers.GridSampler"}
    plan = zoo.plan(sampler=grid, options=MODELS, space={"model": "choice(cnn,mlp)"})
    assert plan.n_trials == 4 * 2 + 2
    assert set(plan.cells[-1]) == {"model=mlp", "model.width=2"}
    with pytest.raises(ConfigError, match=r"space of lr: interval\(0,1\) has no end of values, and a grid runs each"):
        zoo.plan(sampler=grid, space={"lr": "interval(0,1)"})


def test_a_study_is_found_again_by_its_name(zoo) -> None:
    def names(*typed: str, **settings: Any) -> list[str]:
        return [plan.name for plan in zoo.plans(*typed, **settings)]

    lr = {"lr": "interval(0,1)"}
    assert names("seed=1", space=lr) == names("seed=1", space=lr)
    assert names("seed=1", space=lr) != names("seed=2", space=lr)
    assert names("seed=1", space=lr, study="mine") == ["mine"]
    assert names("lr=1,2") == names("lr=1,2")
    assert names("lr=1,2") != names("lr=1,3")
    (odd,) = names("+name='a/b c:ü',2")
    assert set(odd) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-")
    with pytest.raises(ConfigError, match="two studies would be named mine"):
        names("seed=1,2", space=lr, study="mine")


def test_a_study_is_found_again_in_whichever_order_it_is_typed(zoo) -> None:
    def asked(*typed: str, **settings: Any) -> tuple[str, Any]:
        plan = zoo.plan(*typed, **settings)
        return plan.name, plan.identity

    assert asked("model=cnn,gru", "lr=0.1,0.2") == asked("lr=0.2,0.1", "model=cnn,gru")
    assert asked("model=cnn,gru", "lr=0.1,0.2") != asked("model=cnn,gru", "lr=0.1,0.3")
    lr = {"lr": "interval(0,1)"}
    assert asked("seed=1", "model=gru", space=lr) == asked("model=gru", "seed=1", space=lr)


def test_an_option_of_many_data_is_called_by_what_the_application_says(zoo) -> None:
    zoo.facts = dataclasses.replace(zoo.facts, called=lambda config: {"model": f"{config.model.name}-{config.seed}"})
    names = [plan.name for plan in zoo.plans("seed=1,2", "model=gru", space={"lr": "interval(0,1)"})]
    assert [name.rpartition("_")[0] for name in names] == ["search_gru-1", "search_gru-2"]


def test_a_study_of_a_table_is_called_by_the_table(composer) -> None:
    from ratchet.commands.sweep import SweptTraining
    from ratchet.project import Project

    called = SweptTraining(Project.find(), (), ()).facts.called
    assert called is not None
    table = ["data=table", "data.target=churned"]
    assert called(composer.compose([*table, "data.path=shop/orders.csv.gz"])) == {"data": "orders"}
    assert called(composer.compose([*table, "data.path=orders.csv", "data.name=mine"])) == {"data": "mine"}
    assert called(composer.compose(["data=digits"])) == {}


def test_cells_run_in_the_order_typed(zoo) -> None:
    assert zoo.plan("lr=0.2,0.1", "model=gru,cnn").cells == (
        ("lr=0.2", "model=gru"), ("lr=0.2", "model=cnn"), ("lr=0.1", "model=gru"), ("lr=0.1", "model=cnn"),
    )  # fmt: skip


def test_how_many_trials_a_grid_has_is_not_typed(zoo) -> None:
    facts = dataclasses.replace(zoo.facts, asked=frozenset({"sweep.n_trials"}))
    said = r"sweep\.n_trials=7: this is a grid, each of its 4 jobs is run once; .*; leave it out"
    with pytest.raises(ConfigError, match=said):
        noted(zoo, "model=cnn,gru", "lr=0.1,0.2", facts=facts, n_trials=7)
    assert noted(zoo, "model=cnn,gru", "lr=0.1,0.2", n_trials=7)[0].n_trials == 4  # of a file: no mistake
    assert noted(zoo, "lr=interval(0,1)", facts=facts, n_trials=7)[0].n_trials == 7


OBJECTIVE = {"metric": "accuracy", "direction": "maximize"}
MISTAKES: dict[str, tuple[list[str], dict[str, Any]]] = {
    "there is no metric recall; allowed: accuracy, parameters": (
        [], {"objectives": [{"metric": "recall", "direction": "maximize"}], "space": {"lr": "interval(0,1)"}},
    ),
    "there is no metric size; allowed: accuracy, parameters": (
        ["lr=1,2"], {"constraints": ["size <= 3"]},
    ),
    "names a metric twice: accuracy, accuracy": (["lr=1,2"], {"objectives": [OBJECTIVE, OBJECTIVE]}),
    "an empty space, there is nothing to vary": (["lr=0.5"], {"space": {"lr": "interval(0,1)"}}),
    "nothing to vary for model=mlp": (["model=mlp"], {"options": {"model": SPACES}}),
    "-m cannot count these values; allowed: a list or a range": (["model=glob(*)"], {}),
    "low 1.0 is above high 0.0": (["lr=interval(1,0)"], {}),
    "log of 0.0": (["lr=tag(log,interval(0,1))"], {}),
}  # fmt: skip


@pytest.mark.parametrize("said", MISTAKES)
def test_what_cannot_be_planned_is_said_in_one_line(zoo, said: str) -> None:
    typed, settings = MISTAKES[said]
    with pytest.raises(ConfigError) as caught:
        zoo.plans(*typed, **settings)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_trial_s_own_values_win_over_what_is_fixed() -> None:
    assert in_full(["a=1", "b=2"], ["b=3"], ["c=4"]) == ["a=1", "b=3", "c=4"]


@pytest.fixture
def needing(tmp_path: Path) -> Bench:
    """A plain application whose model has to be named, and whose database may be."""
    for name, text in {
        "config.yaml": "defaults: [_self_, {model: '???'}, {override hydra/job_logging: none}]\nlr: 0.1\n",
        "model/a.yaml": "width: 1\n", "model/b.yaml": "width: 2\n",
        "db/c.yaml": "timeout: 1\n", "db/d.yaml": "timeout: 2\n",
    }.items():  # fmt: skip
        (tmp_path / "conf" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "conf" / name).write_text(text)
    return Bench(load(tmp_path / "conf", "config"), tmp_path, lambda config: float(config.lr))


@pytest.mark.parametrize(
    "space",
    [
        {"model": "choice(a,b)", "lr": "interval(0,1)"},
        {"lr": "interval(0,1)", "model": "choice(a,b)", "model.width": "choice(1,2)"},
        {"model": "choice(a,b)", "db.timeout": "choice(10,20)", "+db": "choice(c,d)"},
    ],
)
def test_a_parameter_may_need_another_to_compose(space: dict[str, str], needing: Bench) -> None:
    plan = needing.plan(space=space, n_trials=2)
    preflight(plan, composer=needing.loaded.composer, facts=needing.facts)
    tell_plan(plan, composer=needing.loaded.composer, facts=needing.facts)
    assert plan.baseline is None
    needing.run(plan)
    found = trials(plan.directory)
    assert [trial.state for trial in found] == [TrialState.COMPLETE] * 2


@pytest.mark.parametrize(("typed", "space"), [([], {"model": "choice(a,b)"}), (["model=b,a"], {})])
def test_the_job_of_a_worker_composes_too(
    typed: list[str], space: dict[str, str], needing: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs: list[list[str]] = []
    launcher = SimpleNamespace(launch=lambda found, **_: jobs.extend(found) or [])
    monkeypatch.setattr(Plugins, "instantiate_launcher", lambda *_, **__: launcher)
    sweep = Sweep(
        {}, [], needing.directory, nested=False, task=len, context=needing.loaded.context,
        master=needing.loaded.master, facts=needing.facts,
    )  # fmt: skip
    sweep._place(WorkerTask(sweep, tuple(needing.plans(*typed, space=space))), range(1))
    assert len(jobs) == 1
    needing.loaded.composer.compose(jobs[0])


@pytest.mark.parametrize("space", [{"model": "choice(a,c)"}, {"model": "choice(a,b)", "db.timeout": "choice(10,20)"}])
def test_what_composes_with_no_other_is_refused(space: dict[str, str], needing: Bench) -> None:
    with pytest.raises((ConfigError, HydraException), match=r"(Could not find 'model/c'|override 'db\.timeout')"):
        preflight(needing.plan(space=space), composer=needing.loaded.composer, facts=needing.facts)


def test_a_study_begins_with_the_config_as_it_is_where_that_composes(needing: Bench) -> None:
    plan = needing.plan("model=b", space={"lr": "interval(0,1)"})
    assert plan.baseline == {"lr": 0.1}
