"""The sampler that chooses: which one, and that the search is at least that one's."""

from __future__ import annotations

from collections.abc import Callable

import optuna
import pytest
from optuna.trial import Trial

from ratchet.search.auto_sampler import AutoSampler

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


def numbers(trial: Trial) -> float:
    x, y = trial.suggest_float("x", -1, 1), trial.suggest_int("y", 0, 100)
    return (x - 0.3) ** 2 + (y / 100 - 0.7) ** 2


def one_number(trial: Trial) -> float:
    return (trial.suggest_float("x", 1e-4, 1, log=True) - 0.3) ** 2


def a_choice(trial: Trial) -> float:
    return numbers(trial) + len(trial.suggest_categorical("kind", ["a", "bb"]))


def conditional(trial: Trial) -> float:
    if trial.suggest_float("x", 0, 1) < 0.5:
        return trial.suggest_float("left", 0, 1)
    return trial.suggest_float("right", 0, 1)


def bounded(trial: Trial) -> float:
    value = numbers(trial)
    trial.set_constraint("x", trial.params["x"])
    return value


def searched(task: Callable[[Trial], float], trials: int, *, many: int = 250) -> tuple[AutoSampler, optuna.Study]:
    sampler = AutoSampler(seed=1, many=many)
    study = optuna.create_study(sampler=sampler)
    study.optimize(task, n_trials=trials)
    return sampler, study


@pytest.mark.parametrize(
    ("task", "many", "wanted"),
    [
        (numbers, 250, "GPSampler"),
        (numbers, 5, "CmaEsSampler"),
        (one_number, 250, "GPSampler"),
        (one_number, 5, "TPESampler"),  # CMA-ES has nothing to adapt in one dimension
        (bounded, 250, "GPSampler"),
        (bounded, 5, "TPESampler"),  # CMA-ES knows no constraints
        (a_choice, 250, "TPESampler"),
        (conditional, 250, "TPESampler"),
    ],
)
def test_the_space_and_the_number_of_trials_choose(task: Callable[[Trial], float], many: int, wanted: str) -> None:
    if wanted == "CmaEsSampler":
        pytest.importorskip("cmaes")
    sampler, _ = searched(task, 8, many=many)
    assert type(sampler.using).__name__ == wanted


def test_without_the_package_of_cma_es_tpe_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ratchet.search.auto_sampler.find_spec", lambda _: None)
    assert type(searched(numbers, 8, many=5)[0].using).__name__ == "TPESampler"


def test_several_objectives_are_left_to_tpe() -> None:
    sampler = AutoSampler(seed=1)
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)
    study.optimize(lambda trial: (trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)), n_trials=4)
    assert type(sampler.using).__name__ == "TPESampler"


@pytest.mark.slow
def test_a_seed_gives_the_same_trials_again_and_they_find_the_minimum() -> None:
    _, first = searched(numbers, 25)
    _, second = searched(numbers, 25)
    assert [trial.params for trial in first.trials] == [trial.params for trial in second.trials]
    randomly = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    randomly.optimize(numbers, n_trials=25)
    assert first.best_value < randomly.best_value / 10


def test_a_threshold_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="many=0; allowed: 1 and more"):
        AutoSampler(many=0)
