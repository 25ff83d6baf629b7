"""Projects for Hydra's own Optuna sweeper, with `hydra/sweeper=ratchet`."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
import yaml
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from hydra.utils import instantiate
from omegaconf import OmegaConf
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from hydra_plugins.ratchet_sweeper.sweeper import SAMPLERS, settings_of
from ratchet import report
from ratchet.compat.hydra import VERSION_BASE
from ratchet.errors import ConfigError
from ratchet.search.processes.channel import TrialContext, enter_trial
from ratchet.search.space.plan import TaskFacts
from ratchet.search.space.samplers import build_pruner, build_sampler
from ratchet.search.space.settings import SweepSettings
from ratchet.search.space.space import Dimension
from ratchet.search.worker.official import CustomSpace, Translated, translate
from ratchet.search.worker.sweeper import Sweep
from search.applications import end, start, trials

APPS = Path(__file__).parent / "apps"
SPHERE = APPS / "sphere.py"
SPACE = "hydra.sweeper.search_space"
UNSET = ("hydra.sweeper.params=null", "hydra.sweeper.study_name=null", "hydra.sweeper.direction=null",
         "hydra.sweeper.n_trials=null", "hydra.sweeper.n_jobs=null", "hydra.sweeper.sampler.seed=null")  # fmt: skip


def translated(*settings: str, typed: Sequence[str] = (), launcher: str = "basic") -> Translated:
    """What becomes of the settings of sphere.yaml under further ones of a command line."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(APPS / "conf"), **VERSION_BASE):
        loader = GlobalHydra.instance().config_loader()
        overrides = ["hydra/sweeper=ratchet", *settings]
        master = loader.load_configuration("sphere", overrides, run_mode=RunMode.MULTIRUN)
    return translate(settings_of(master.hydra.sweeper), typed, launcher=launcher, master=master)


def test_a_file_for_the_official_plugin_is_one_search() -> None:
    found = translated(typed=["y=choice(1,2)", "x=interval(0,1)", "reach=2"])
    (settings,) = found.sweeps.values()
    assert settings.space == {"y": "choice(1,2)", "x": "interval(0,1)"}
    assert found.arguments == ["reach=2"]
    assert (settings.n_trials, settings.n_jobs, settings.study, settings.seed) == (5, 1, "sphere", 1)
    assert [(each.metric, each.direction) for each in settings.objectives] == [("value", "minimize")]
    assert not settings.champion_first
    assert found.is_official


def test_a_value_ends_the_search_of_its_key_and_the_last_of_two_counts() -> None:
    found = translated("hydra.sweeper.params.y=3", typed=["x=1", "x=interval(0,1)"])
    assert found.sweeps["search"].space == {"x": "interval(0,1)"}
    assert found.arguments == ["y=3"]


def test_without_any_of_its_settings_a_comma_means_each() -> None:
    found = translated(*UNSET, "hydra.sweeper.n_jobs=2", typed=["x=1,2"])
    assert found.arguments == ["x=1,2"]
    assert found.sweeps["grid"].space == {}
    assert (found.sweeps["grid"].n_jobs, found.sweeps["grid"].pruner, found.is_official) == (2, None, False)


def test_sweeps_of_ones_own_are_all_there_is() -> None:
    found = translated(*UNSET, "+hydra.sweeper.sweeps.mine.n_trials=3", typed=["x=interval(0,1)"])
    assert list(found.sweeps) == ["mine"]


def test_what_the_environment_has_is_read_as_if_it_was_written(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"NAMED": "mine", "COUNT": "7", "MOST": "3.5"}.items():
        monkeypatch.setenv(name, value)
    found = translated(
        "hydra.sweeper.study_name=${oc.env:NAMED}", "hydra.sweeper.n_trials=${oc.env:COUNT}",
        "hydra.sweeper.sampler.seed=${oc.env:COUNT}", "hydra.sweeper.storage=${oc.env:NAMED}.log",
        "hydra.sweeper.params={x:'interval(0, ${oc.env:MOST})'}",
    ).sweeps["search"]  # fmt: skip
    assert (found.study, found.n_trials, found.seed) == ("mine", 7, 7)
    assert (found.space["x"], found.storage) == ("interval(0, 3.5)", "${oc.env:NAMED}.log")


def test_own_sweeps_from_the_environment_but_for_their_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAMED", "mine")
    given = "{study:'${oc.env:NAMED}',storage:'${oc.env:NAMED}'}"
    found = translated(*UNSET, f"+hydra.sweeper.sweeps.one={given}").sweeps["one"]
    assert (found.study, found.storage) == ("mine", "${oc.env:NAMED}")


def test_what_version_1_3_stores_with_its_sampler_counts_as_not_set() -> None:
    stored = "consider_prior:true,prior_weight:1.0,consider_magic_clip:true,consider_endpoints:false"
    stored += ",n_startup_trials:10,n_ei_candidates:24,multivariate:false,warn_independent_sampling:true"
    sampler = f"hydra.sweeper.sampler={{{stored}}}"
    assert not translated(*UNSET, sampler, typed=["x=1,2"]).is_official
    assert list(translated(*UNSET, sampler, "+hydra.sweeper.sweeps.mine.n_trials=3").sweeps) == ["mine"]
    assert translated(*UNSET, sampler, "hydra.sweeper.sampler.multivariate=true", typed=["x=1,2"]).is_official


@pytest.mark.parametrize("sampler", sorted(set(SAMPLERS) - {"motpe"}))
def test_an_option_file_of_ones_own(sampler: str, tmp_path: Path) -> None:
    target = "hydra_plugins.hydra_optuna_sweeper.optuna_sweeper.OptunaSweeper"
    own = tmp_path / "hydra" / "sweeper" / "mine.yaml"
    own.parent.mkdir(parents=True)
    own.write_text(f"defaults: [{{sampler: {sampler}}}]\n_target_: {target}\nn_jobs: 1\n")
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(APPS / "conf"), **VERSION_BASE):
        loader = GlobalHydra.instance().config_loader()
        overrides = [f"hydra.searchpath=[{tmp_path}]", "hydra/sweeper=mine", f"hydra/sweeper/sampler={sampler}"]
        master = loader.load_configuration("sphere", overrides, run_mode=RunMode.MULTIRUN)
    instantiate(master.hydra.sweeper)  # as Hydra does
    found = settings_of(master.hydra.sweeper)
    assert (found["nested"], found["keep_returns"], found["n_jobs"]) == (False, True, 1)
    assert found["pruner"] == {"_target_": "optuna.pruners.MedianPruner"}


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ("{type: float, low: 1, high: 2}", "interval(1.0, 2.0)"),
        ("{type: float, low: 1e-5, high: 0.1, log: true}", "tag(log, interval(1e-05, 0.1))"),
        ("{type: int, low: 1, high: 8}", "int(interval(1, 8))"),
        ("{type: int, low: 1, high: 8, log: true}", "tag(log, int(interval(1, 8)))"),
        ("{type: categorical, choices: [a b, 1, null, true]}", "'a b',1,null,true"),
    ],
)
def test_a_search_space_of_earlier_versions(entry: str, text: str) -> None:
    found = translated("hydra.sweeper.params=null", f"hydra.sweeper.search_space={{x: {entry}}}".replace(": ", ":"))
    assert found.sweeps["search"].space == {"x": text}


@pytest.mark.parametrize(
    ("entry", "values"),
    [
        ("{type:int,low:1,high:7,step:3}", [1, 4, 7]),
        ("{type:float,low:0,high:1,step:0.25}", [0, 0.25, 0.5, 0.75, 1]),
        ("{type:float,low:0,high:0.9,step:0.3}", [0, 0.3, 0.6, 0.9]),
        ("{type:float,low:0.1,high:0.9,step:0.3}", [0.1, 0.4, 0.7]),
    ],
)
def test_a_search_space_with_steps_has_both_of_its_ends(entry: str, values: list[float]) -> None:
    found = translated("hydra.sweeper.params=null", f"hydra.sweeper.search_space={{x:{entry}}}")
    assert Dimension.parse("x", found.sweeps["search"].space["x"]).cells() == pytest.approx(values)


@pytest.mark.parametrize(
    ("entry", "distribution"),
    [
        ("{type:int,low:1,high:8}", IntDistribution(1, 8)),
        ("{type:int,low:1,high:8,log:true}", IntDistribution(1, 8, log=True)),
        ("{type:int,low:1,high:8,step:3}", IntDistribution(1, 7, step=3)),
        ("{type:float,low:1,high:8}", FloatDistribution(1, 8)),
        ("{type:float,low:0.1,high:0.9,step:0.3}", FloatDistribution(0.1, 0.7, step=0.3)),
    ],
)
def test_a_search_space_is_the_distribution_that_it_names(entry: str, distribution: BaseDistribution) -> None:
    found = translated("hydra.sweeper.params=null", f"hydra.sweeper.search_space={{x:{entry}}}")
    assert Dimension.parse("x", found.sweeps["search"].space["x"]).distribution == distribution


@pytest.mark.parametrize("name", sorted(set(SAMPLERS) - {"motpe"}))
def test_each_sampler_is_built(name: str) -> None:
    (settings,) = translated(f"hydra/sweeper/sampler={name}", "hydra.sweeper.n_trials=null").sweeps.values()
    kind = SAMPLERS[name].split()[0]
    built = build_sampler(settings, salt="")
    assert type(built).__name__ == ("RandomSampler" if name == "grid" else kind)  # a grid samples nothing
    assert settings.sampler["_target_"] == f"optuna.samplers.{kind}"


@pytest.mark.parametrize("name", sorted(set(SAMPLERS) - {"motpe"}))
def test_each_setting_of_a_sampler_is_one_of_optunas(name: str) -> None:
    kind, *keys = SAMPLERS[name].split()
    found = translated(f"hydra/sweeper/sampler={name}", "hydra.sweeper.n_trials=null")
    assert not any("is left out: optuna" in note for note in found.notes), (kind, keys)


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("hydra_plugins.hydra_optuna_sweeper._impl.create_nsgaii_sampler", "NSGAIISampler"),
        ("hydra_plugins.hydra_optuna_sweeper._impl.create_nsgaiii_sampler", "NSGAIIISampler"),
    ],
)
def test_samplers_as_the_official_plugin_stores_them(target: str, kind: str) -> None:
    found = translated("hydra/sweeper/sampler=nsgaii", f"hydra.sweeper.sampler._target_={target}")
    assert found.sweeps["search"].sampler["_target_"] == f"optuna.samplers.{kind}"


@pytest.mark.parametrize(
    ("setting", "launcher", "said"),
    [
        ("hydra.sweeper.n_jobs=3", "basic", "n_jobs=3: so many trials at once"),
        ("hydra.sweeper.n_jobs=3", "joblib", "n_jobs=3: joblib places so many workers"),
        ("hydra.sweeper.max_failure_rate=0.5", "basic", "max_failure_rate: a share of all trials"),
        ("hydra.sweeper.storage='sqlite:///a.db'", "basic", "storage: the same command goes on"),
        ("hydra.sweeper.sampler.seed=7", "basic", "sampler.seed: the same again"),
        ("hydra.sweeper.params={x:'range(0,3)'}", "basic", "range() is without its stop"),
        ("+hydra.sweeper.sampler.n_ehvi_candidates=3", "basic", "n_ehvi_candidates is left out"),
        ("hydra.sweeper.params={x:1,y:2}", "basic", "nothing varies, so there is one trial"),
    ],
)
def test_what_means_something_else_is_said_once(setting: str, launcher: str, said: str) -> None:
    notes = translated(setting, launcher=launcher).notes
    assert sum(said in note for note in notes) == 1, notes


def test_n_jobs_are_workers_of_a_launcher() -> None:
    (settings,) = translated("hydra.sweeper.n_jobs=3", launcher="joblib").sweeps.values()
    assert (settings.n_jobs, settings.n_workers) == (1, 3)


@pytest.mark.parametrize(("left", "placed"), [(20, 20), (100, 64), (0, 1)])
def test_a_launcher_places_no_more_workers_than_trials_are_left(
    left: int, placed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ranges: list[range] = []
    monkeypatch.setattr(Sweep, "_place", lambda _, task, numbers: ranges.append(numbers))  # noqa: ARG005
    task: Any = SimpleNamespace(plans=[SimpleNamespace(settings=SweepSettings(n_workers=64))])
    observer: Any = SimpleNamespace(left=left, finished=0, is_done=not left, ended_by=None)
    sweep = Sweep({}, [], Path(), nested=False, task=len, context=None, master=OmegaConf.create(), facts=TaskFacts())
    sweep._launch(task, observer)
    assert sum(map(len, ranges)) == placed


@pytest.mark.parametrize(
    ("given", "metrics"),
    [
        ("[minimize,maximize]", {"value_0": "minimize", "value_1": "maximize"}),
        ("{loss:minimize,size:maximize}", {"loss": "minimize", "size": "maximize"}),
        ("maximize", {"value": "maximize"}),
    ],
)
def test_directions(given: str, metrics: dict[str, str]) -> None:
    (settings,) = translated(f"hydra.sweeper.direction={given}").sweeps.values()
    assert {each.metric: each.direction for each in settings.objectives} == metrics
    assert (settings.pruner is None) == (len(metrics) > 1)


def test_storages_as_hydra_would_build_them() -> None:
    journal = "{_target_: optuna.storages.JournalStorage, log_storage: {_target_: any, file_path: a.log}}"
    assert translated(f"hydra.sweeper.storage={journal}").sweeps["search"].storage == "a.log"
    database = "{_target_: optuna.storages.RDBStorage, url: 'sqlite:///a.db'}"
    assert translated(f"hydra.sweeper.storage={database}").sweeps["search"].storage == "sqlite:///a.db"


@pytest.mark.parametrize(
    ("storage", "left_out"),
    [
        ("{_target_:RDBStorage,url:'sqlite:///a.db',heartbeat_interval:60,engine_kwargs:{a:1}}",
         ["storage.heartbeat_interval", "storage.engine_kwargs"]),
        ("{_target_:JournalStorage,log_storage:{_target_:any,file_path:a.log,lock_obj:{_target_:Lock}}}",
         ["storage.log_storage.lock_obj"]),
    ],
)  # fmt: skip
def test_what_a_storage_is_built_with_is_told_to_be_left_out(storage: str, left_out: list[str]) -> None:
    notes = translated(f"hydra.sweeper.storage={storage}").notes
    assert [note.split()[0] for note in notes if "is left out" in note] == [f"hydra.sweeper.{key}" for key in left_out]


def test_a_custom_search_space_sees_what_is_fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    def suggest(_: Any, trial: optuna.Trial) -> None:
        trial.suggest_float("x", 0, float(trial.user_attrs["reach"]))

    monkeypatch.setattr(CustomSpace, "load", lambda _: suggest)
    trial = optuna.create_study().ask()
    (override,) = CustomSpace("a.b", OmegaConf.create())(trial, ["reach=0.5", "name='a b'", "+layers=[1,2]"])
    assert override.startswith("x=0.")
    assert trial.user_attrs == {"reach": 0.5, "name": "a b", "+layers": [1, 2]}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["+hydra.sweeper.sweeps.mine.n_trials=3"], r"has both sweeps and params"),
        (["hydra.sweeper.search_space={x:{type:int,low:1,high:2}}"], "has both params and search_space"),
        (["+hydra.sweeper.n_trails=3"], r"hydra\.sweeper\.n_trails: there is no such key; nearest: n_trials; .*type: "),
        (["hydra.sweeper.n_trials=0"], r"n_trials is 0; allowed: a whole number, 1 or more"),
        (["hydra.sweeper.direction=up"], r"direction is up; allowed: one of maximize, minimize"),
        (["hydra.sweeper.direction=[up]"], r"direction is \[up\]; allowed: one of maximize, minimize"),
        (["hydra.sweeper.direction=[]"], r"direction is \[\]; allowed: one of maximize, minimize"),
        (["hydra.sweeper.params.y={lr:1}"], r"params\.y is a mapping; allowed: keys with dots"),
        (["hydra.sweeper.max_failure_rate=2"], r"max_failure_rate is 2; allowed: a number from 0 to 1"),
        (["hydra.sweeper.storage={_target_:mine}"], r"storage is mine; allowed: an Optuna URL"),
        (["hydra.sweeper.custom_search_space=nowhere.f"], r"custom_search_space=nowhere\.f: No module named 'nowhere'"),
        (["hydra/sweeper/sampler=motpe"], "use sampler=tpe; type: hydra/sweeper/sampler=tpe"),
        (["hydra/sweeper/sampler=grid", "hydra.sweeper.params={x:'range(0,9)',y:1}"], "the grid has 9 combinations"),
        (["hydra.sweeper.params.y='glob(*)'"], r"y=glob\(\*\): a search cannot count these values"),
        (["hydra.sweeper.params={x:'interval(0'}"], r"params: x=interval\(0 cannot be read"),
        (["hydra.sweeper.params=null", "hydra.sweeper.search_space={x:{type:int,low:1}}"], "x has no low or high"),
        (
            ["hydra.sweeper.params=null", f"{SPACE}={{x:{{type:int,low:1,high:3,step:0.5}}}}"],
            "step is 0.5; .* 1 or more",
        ),
        (["hydra.sweeper.params=null", f"{SPACE}={{x:{{type:float,low:1,high:3,step:0}}}}"], "step is 0; .* above 0"),
    ],
)
def test_a_wrong_setting_is_refused_in_a_line(settings: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as raised:
        translated(*settings)
    assert "\n" not in str(raised.value)


def test_report_does_nothing_outside_of_a_search() -> None:
    report(0.5, -1)


@pytest.mark.parametrize(("step", "error"), [(-1, ValueError), (1.5, TypeError), ("1", TypeError)])
def test_a_step_that_is_none_is_the_tasks_mistake(step: Any, error: type[Exception]) -> None:
    enter_trial(TrialContext("study", 0, lambda *_: "go"))
    try:
        with pytest.raises(error):
            report(0.5, step)
    finally:
        enter_trial(None)


# --- applications, in processes of their own


def run(directory: Path, *arguments: str, status: int = 0, cwd: Path | None = None) -> str:
    return end(
        start(SPHERE, "-m", "hydra/sweeper=ratchet", f"hydra.sweep.dir={directory}", *arguments, cwd=cwd), status
    )


@pytest.mark.slow
def test_the_official_example_runs_as_it_stands(tmp_path: Path) -> None:
    run(tmp_path)
    told = yaml.safe_load((tmp_path / "optimization_results.yaml").read_text())
    found = trials(tmp_path)
    assert len(found) == 5
    best = min(found, key=lambda trial: trial.value or 0.0)
    assert told == {"name": "optuna", "best_params": dict(best.params), "best_value": best.value}
    assert "printed 3" in (tmp_path / "3" / "output.log").read_text()


@pytest.mark.slow
def test_a_typed_search_without_any_setting_is_written_too(tmp_path: Path) -> None:
    run(tmp_path, *UNSET, "x=interval(0,1)")
    told = yaml.safe_load((tmp_path / "optimization_results.yaml").read_text())
    assert told["best_params"].keys() == {"x"}


@pytest.mark.slow
def test_a_launcher_places_n_jobs_workers(tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    out = run(tmp_path, "hydra/launcher=joblib", "hydra.sweeper.n_jobs=2", "hydra.sweeper.n_trials=4")
    assert "study sphere: 4 trials, 2 workers by joblib" in out
    assert (tmp_path / "optimization_results.yaml").exists()
    assert [trial.state for trial in trials(tmp_path)] == [TrialState.COMPLETE] * 4


@pytest.mark.slow
def test_a_name_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAMED", "mine")
    assert "study mine-1: 1 trial" in run(
        tmp_path, "hydra.sweeper.study_name=${oc.env:NAMED}-1", "hydra.sweeper.n_trials=1"
    )


@pytest.mark.slow
def test_a_custom_search_space(tmp_path: Path) -> None:
    run(tmp_path, "hydra.sweeper.custom_search_space=sphere.configure", "hydra.sweeper.n_trials=2", "reach=0.1")
    for trial in trials(tmp_path):
        assert abs(trial.params["z"] - trial.params["x"]) <= 0.5  # of the config before overrides, as there
        job = OmegaConf.load(tmp_path / str(trial.number) / ".hydra" / "config.yaml")
        assert (job.z, job.w) == (trial.params["z"], trial.params["+w"])


@pytest.mark.slow
def test_several_directions_of_a_tuple_and_a_dict(tmp_path: Path) -> None:
    run(tmp_path / "tuple", "mood=tuple", "hydra.sweeper.direction=[minimize,maximize]")
    solutions = yaml.safe_load((tmp_path / "tuple" / "optimization_results.yaml").read_text())["solutions"]
    assert all(len(each["values"]) == 2 for each in solutions)
    run(tmp_path / "dict", "mood=dict", "hydra.sweeper.direction={loss: minimize}")
    assert all(trial.state == TrialState.COMPLETE for trial in trials(tmp_path / "dict"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mood", "said"),
    [
        ("tuple", "returned ("), ("nothing", "returned None"),
        pytest.param("text", "returned 'good'", marks=pytest.mark.nightly),
        pytest.param("broken", "value is nan", marks=pytest.mark.nightly),
        pytest.param("dict", "a direction by name, such as {loss: minimize}", marks=pytest.mark.nightly),
    ],
)  # fmt: skip
def test_a_search_without_a_value_fails_with_a_line(tmp_path: Path, mood: str, said: str) -> None:
    last = run(tmp_path, f"mood={mood}", status=1).splitlines()[-1]
    assert last.startswith("error: all ")
    assert said in last
    assert not (tmp_path / "optimization_results.yaml").exists()


@pytest.mark.slow
def test_failures_beyond_the_rate_end_with_a_line(tmp_path: Path) -> None:
    out = run(tmp_path, "mood=raise", "hydra.sweeper.max_failure_rate=0.3", status=1)
    assert "error: 2 of 5 trials failed" in out
    assert len(trials(tmp_path)) == 5
    run(tmp_path, "mood=raise", "hydra.sweeper.max_failure_rate=0.5")


@pytest.mark.slow
def test_what_a_trial_forks_reports_nothing_and_waits_for_nobody(tmp_path: Path) -> None:
    run(tmp_path, "mood=fork", "hydra.sweeper.n_trials=1")
    assert [trial.value for trial in trials(tmp_path)] == [0.0]


@pytest.mark.slow
def test_reports_of_a_plain_loop_are_pruned(tmp_path: Path) -> None:
    run(tmp_path, "steps=3", "hydra.sweeper.n_trials=12", "+hydra.sweeper.pruner.n_startup_trials=2")
    assert {trial.state for trial in trials(tmp_path)} == {TrialState.COMPLETE, TrialState.PRUNED}


@pytest.mark.nightly
def test_a_plain_loop_of_torch(tmp_path: Path) -> None:
    run(tmp_path, "mood=torch", "steps=3", "hydra.sweeper.n_trials=8", "+hydra.sweeper.pruner.n_startup_trials=2")
    found = trials(tmp_path)
    assert {trial.state for trial in found} == {TrialState.COMPLETE, TrialState.PRUNED}
    assert all(trial.value == trial.intermediate_values[3] for trial in found if trial.state == TrialState.COMPLETE)


def test_a_pruner_can_be_another_or_none() -> None:
    (settings,) = translated("hydra.sweeper.pruner._target_=optuna.pruners.HyperbandPruner").sweeps.values()
    assert type(build_pruner(settings, objectives=1)) is optuna.pruners.HyperbandPruner
    assert translated("hydra.sweeper.pruner=null").sweeps["search"].pruner is None


@pytest.mark.slow
def test_each_job_of_a_grid_is_run_though_it_returns_nothing(tmp_path: Path) -> None:
    run(tmp_path, *UNSET, "mood=nothing", "x=1,2,3,4,5,6")
    assert len(trials(tmp_path)) == 6


@pytest.mark.slow
def test_a_file_that_names_the_official_class(tmp_path: Path) -> None:
    target = "hydra_plugins.hydra_optuna_sweeper.optuna_sweeper.OptunaSweeper"
    run(tmp_path, f"hydra.sweeper._target_={target}", "hydra.sweeper.n_trials=2")
    assert len(trials(tmp_path)) == 2


@pytest.mark.slow
def test_a_mistake_is_a_line_and_nothing_is_written(tmp_path: Path) -> None:
    out = run(tmp_path / "none", "hydra.sweeper.study_name=a/b", status=1)
    assert out.splitlines() == [
        "error: hydra.sweeper.study_name is 'a/b'; allowed: a name without /, at most 120 characters; "
        "type: hydra.sweeper.study_name=a-b"
    ]
    assert not (tmp_path / "none").exists()


@pytest.mark.slow
def test_a_study_of_the_official_plugin_is_gone_on_with(tmp_path: Path) -> None:
    path = str(tmp_path / "study.log")
    storage = JournalStorage(JournalFileBackend(path))
    study = optuna.create_study(storage=storage, study_name="sphere", direction="minimize")
    for x in (1.0, 2.0):
        space = {"x": optuna.distributions.FloatDistribution(-5, 5)}
        study.add_trial(optuna.create_trial(params={"x": x}, distributions=space, value=x**2))
    run(tmp_path / "sweep", f"hydra.sweeper.storage={path}")
    assert len(study.trials) == 5
    choice = optuna.distributions.CategoricalDistribution(["a", "b"])
    other = optuna.create_study(storage=storage, study_name="other", direction="minimize")
    other.add_trial(optuna.create_trial(params={"y": "a"}, distributions={"y": choice}, value=1.0))
    out = run(tmp_path / "no", "hydra.sweeper.study_name=other", f"hydra.sweeper.storage={path}", status=1)
    assert "other has been asking something else: space of y was Cat" in out
    assert not (tmp_path / "no").exists()


@pytest.mark.slow
def test_a_storage_of_another_version_is_a_line(tmp_path: Path) -> None:
    optuna.storages.RDBStorage(f"sqlite:///{tmp_path}/study.db")
    with sqlite3.connect(tmp_path / "study.db") as database:
        database.execute("update version_info set schema_version=99, library_version='2.10'")
        database.execute("update alembic_version set version_num='other'")
    out = run(tmp_path / "sweep", f"hydra.sweeper.storage=sqlite:///{tmp_path}/study.db", status=1)
    assert f"cannot be opened: The runtime optuna version {optuna.__version__} is no longer compatible" in out
    assert out.splitlines()[-1].startswith("error: hydra.sweeper.storage=sqlite:")
    assert not (tmp_path / "sweep").exists()


@pytest.mark.slow
def test_another_package_of_this_name_is_a_line(tmp_path: Path) -> None:
    (tmp_path / "ratchet").mkdir()
    (tmp_path / "ratchet" / "__init__.py").touch()
    code = "from hydra_plugins.ratchet_sweeper.sweeper import RatchetSweeper as R; R().sweep([])"
    path = f"{tmp_path}:{APPS.parents[2] / 'src'}"
    done = subprocess.run(
        [sys.executable, "-c", f"import hydra._internal.hydra; {code}"], env={"PYTHONPATH": path}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("error: hydra/sweeper=ratchet needs the package ratchet of ratchet-ml")
    assert done.stderr.count("\n") == 1
