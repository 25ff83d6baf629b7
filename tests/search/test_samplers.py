"""Each sampler and pruner of sweeps/: built with the library's own defaults, seeded, refused where it cannot."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml
from hydra.utils import get_class

from ratchet.errors import ConfigError
from ratchet.search.space import samplers
from ratchet.search.space.samplers import build_pruner, build_sampler
from ratchet.search.space.settings import SweepSettings

SWEEPS = Path(__file__).parents[2] / "sweeps"
NUMBERS = {"x": "interval(-1,1)"}
FILES = {kind: sorted(path.stem for path in (SWEEPS / kind).glob("*.yaml")) for kind in ("sampler", "pruner")}


def read(kind: str, name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((SWEEPS / kind / f"{name}.yaml").read_text(encoding="utf-8")))


def settings(**given: Any) -> SweepSettings:
    return SweepSettings.model_validate(given)


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("name", FILES["sampler"])
def test_each_sampler_searches(bench, name: str) -> None:
    if name == "cmaes":
        pytest.importorskip("cmaes")
    space = {"x": "choice(-1.0,0.0,0.3,1.0)"} if name == "grid" else NUMBERS
    plan = bench.plan(space=space, sampler=read("sampler", name), n_trials=4, champion_first=False)
    (study,) = bench.run(plan).studies
    trials = study.study.trials
    assert [trial.user_attrs["ratchet:result"].get("error") for trial in trials] == [None] * 4
    assert len({trial.params["x"] for trial in trials}) == 4
    for trial in trials:
        assert trial.value == -((float(trial.params["x"]) - 0.3) ** 2)


@pytest.mark.parametrize("name", FILES["pruner"])
def test_each_pruner_judges(bench, name: str) -> None:
    """A good trial first, then ever worse ones."""
    repeats = {"repeats": 3} if name == "wilcoxon" else {}
    plan = bench.plan("x=0.3,1.0,1.1,1.2,1.3,1.4,1.5,1.6", "steps=30", pruner=read("pruner", name), **repeats)
    (study,) = bench.run(plan).studies
    states = [trial.state.name for trial in study.study.trials]
    assert states[0] == "COMPLETE"
    assert set(states) <= {"COMPLETE", "PRUNED"}
    assert ("PRUNED" in states) == (name in {"halving", "hyperband", "median", "percentile", "successive_halving"})


@pytest.mark.parametrize("name", FILES["sampler"])
def test_no_default_of_optuna_is_said_again(name: str) -> None:
    """What a file repeats would stay behind when Optuna's default moves on."""
    given = read("sampler", name)
    parameters = inspect.signature(get_class(given.pop("_target_"))).parameters
    assert [key for key, value in given.items() if parameters[key].default == value] == []


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_tpe_is_optunas_own() -> None:
    ours = build_sampler(settings(sampler=read("sampler", "tpe")), salt="")
    theirs = optuna.samplers.TPESampler(group=True)
    for name in ("_multivariate", "_constant_liar", "_n_startup_trials", "_n_ei_candidates", "_group"):
        assert getattr(ours, name) == getattr(theirs, name)


def drawn(salt: str, name: str = "random", **given: Any) -> list[float]:
    sampler = build_sampler(settings(sampler=read("sampler", name), **given), salt=salt)
    study = optuna.create_study(sampler=sampler)
    return [study.ask().suggest_float("x", 0, 1) for _ in range(3)]


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_workers_draw_their_own_values_and_the_same_again() -> None:
    assert drawn("a") == drawn("a")
    assert drawn("a") != drawn("b")
    assert drawn("a") != drawn("a", seed=1)
    assert drawn("a", "qmc") == drawn("b", "qmc")  # one sequence, shared
    assert drawn("a", "qmc") != drawn("a", "qmc", seed=1)


def test_several_objectives_have_no_pruner() -> None:
    both = [{"metric": name, "direction": "minimize"} for name in "ab"]
    assert isinstance(build_pruner(settings(objectives=both), objectives=2), optuna.pruners.NopPruner)


SAMPLERS = {name: {"sampler": read("sampler", name)} for name in FILES["sampler"]}
PRUNERS = {name: {"pruner": read("pruner", name)} for name in FILES["pruner"]}
CHOICE = {"space": {"+y": "choice(a,b)", **NUMBERS}}
TWO = {"objectives": [{"metric": name, "direction": "minimize"} for name in ("value", "size")]}
MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({**CHOICE, **SAMPLERS["cmaes"]}, "CmaEsSampler knows numbers alone, and +y is a choice; type: sweep/sampler=tpe"),
    ({**TWO, **SAMPLERS["cmaes"]}, "CmaEsSampler has one objective, got 2; type: sweep/sampler=nsga2"),
    ({**TWO, **PRUNERS["median"]}, "a pruner judges one objective, here are 2; type: sweep/pruner=none"),
    (PRUNERS["wilcoxon"], "WilcoxonPruner compares repeats of a configuration, and there is one of each"),
    ({"sampler": {"_target_": "optuna.samplers.Tpe"}}, "sweep.sampler._target_=optuna.samplers.Tpe cannot be imported"),
    ({"sampler": {"_target_": "optuna.pruners.NopPruner"}}, "is no Optuna sampler; type: sweep/sampler=tpe"),
    ({"sampler": {}}, "sweep.sampler._target_=None cannot be imported"),
    ({"sampler": {**SAMPLERS["tpe"]["sampler"], "n": 1}}, "mend sweep.sampler.<argument>"),
    ({"pruner": {"_target_": "optuna.pruners.Nothing"}}, "sweep.pruner._target_=optuna.pruners.Nothing cannot be"),
    ({"pruner": {"_target_": "optuna.samplers.RandomSampler"}}, "is no Optuna pruner; type: sweep/pruner=none"),
    ({"pruner": {**PRUNERS["percentile"]["pruner"], "percentile": 200.0}}, "mend sweep.pruner.<argument>"),
]


@pytest.mark.parametrize(("given", "said"), MISTAKES, ids=[said[:40] for _, said in MISTAKES])
def test_what_a_sampler_or_a_pruner_cannot_do_is_said_in_one_line(bench, given: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        bench.plan(**{"space": NUMBERS, **given})
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_sampler_whose_package_is_missing_names_it(bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samplers, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"CmaEsSampler needs the package cmaes; type: pip install cmaes, or"):
        bench.plan(space=NUMBERS, **SAMPLERS["cmaes"])


@pytest.mark.parametrize("name", ["gp", "cmaes", "qmc"])
def test_a_sampler_of_one_space_is_refused_for_a_conditional_one(zoo, name: str) -> None:
    options = {"model": {"cnn": {"model.kernel": "int(interval(1,9))"}, "gru": {"model.depth": "int(interval(1,3))"}}}
    with pytest.raises(ConfigError, match="cannot search a conditional space, and model decides here what else varies"):
        zoo.plan(space={"model": "choice(cnn,gru)"}, options=options, **SAMPLERS[name])
    if name == "cmaes":
        pytest.importorskip("cmaes")
    assert zoo.plan("model=gru", space={"lr": "interval(0,1)"}, options=options, **SAMPLERS[name])


@pytest.mark.parametrize(
    "given",
    [
        {"_target_": "optuna.samplers.TPESampler", "gamma": {"_target_": "shutil.copy", "src": "a", "dst": "b"}},
        {"_target_": "optuna.samplers.NSGAIISampler", "crossover": [{"inner": {"_target_": "os.system"}}]},
        {"_target_": "optuna.samplers._base.warnings.warn"},
        {"_target_": "subprocess.Popen", "args": "true"},
    ],
)
@pytest.mark.parametrize("what", ["sampler", "pruner"])
def test_nothing_else_is_called_however_deep_it_is_named(given: dict[str, Any], what: str) -> None:
    wanted = settings(**{what: given})
    with pytest.raises(ConfigError, match=rf"sweep.{what} names _target_=.*, which is not called; allowed: classes of"):
        build_sampler(wanted, salt="") if what == "sampler" else build_pruner(wanted, objectives=1)
