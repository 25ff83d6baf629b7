"""What a study came to: trials.csv, the order of the table, and the command that makes a trial again."""

from __future__ import annotations

import csv
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

from ratchet.search.space.composer import task_config
from ratchet.search.space.plan import in_full
from ratchet.search.worker.results import export, overrides_of, rank, show
from search.zoo import SPACES

LR = {"lr": "interval(0.001,0.2)"}
ACCURACY, SMALL = {"metric": "accuracy", "direction": "maximize"}, {"metric": "parameters", "direction": "minimize"}


def rows(directory: Path) -> list[dict[str, str]]:
    with (directory / "trials.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_trials_csv_has_a_row_for_each_trial(zoo) -> None:
    def task(config: DictConfig) -> dict[str, float]:
        if config.lr == 0.2:
            raise ValueError('an error, with\n"lines"')
        return {"accuracy": config.lr, "parameters": 3}

    zoo.task = task
    plan = zoo.plan("lr=0.1,0.2", "+name='ü, 1'")
    (study,) = zoo.run(plan).studies
    export(study.study, plan)
    first, second = rows(plan.directory)
    assert (first["number"], first["ticket"], first["state"], first["failure"], first["directory"]) == (
        "0", "0", "complete", "", "0",
    )  # fmt: skip
    assert (first["params/lr"], first["metrics/accuracy"], first["metrics/parameters"]) == ("0.1", "0.1", "3.0")
    assert float(first["seconds"]) > 0
    assert (second["state"], second["failure"], second["params/lr"]) == ("fail", "exception", "0.2")
    assert second["error"] == 'ValueError: an error, with "lines"'
    assert second["metrics/accuracy"] == ""


@pytest.mark.parametrize(
    ("objectives", "constraints", "order"),
    [
        ([], [], ["0.3", "0.2", "0.1"]),
        ([{"metric": "accuracy", "direction": "minimize"}], [], ["0.1", "0.2", "0.3"]),
        ([], ["parameters <= 0.25"], ["0.2", "0.1", "0.3"]),
        ([], ["parameters >= 0.25", "accuracy <= 0.25"], ["0.3", "0.2", "0.1"]),
        ([ACCURACY, SMALL], [], ["0.3", "0.2", "0.1"]),
    ],
)
def test_the_best_stands_first_and_what_breaks_a_bound_last(
    zoo, objectives: list[Any], constraints: list[str], order: list[str]
) -> None:
    zoo.task = lambda config: {"accuracy": config.lr, "parameters": config.lr}
    plan = zoo.plan("lr=0.1,0.3,0.2", objectives=objectives, constraints=constraints, pruner=None)
    (study,) = zoo.run(plan).studies
    assert [trial.params["lr"] for trial in rank(study.study, plan)] == order


def test_the_front_stands_before_what_another_beats_in_everything(zoo) -> None:
    points = {0.1: (0.5, 10.0), 0.2: (0.9, 30.0), 0.3: (0.8, 40.0), 0.4: (0.4, 20.0)}
    zoo.task = lambda config: dict(zip(("accuracy", "parameters"), points[config.lr], strict=True))
    plan = zoo.plan("lr=0.3,0.4,0.1,0.2", objectives=[ACCURACY, SMALL])
    (study,) = zoo.run(plan).studies
    assert [trial.params["lr"] for trial in rank(study.study, plan)] == ["0.2", "0.1", "0.3", "0.4"]


def test_trials_csv_says_what_is_beyond_a_constraint_and_what_is_of_the_front(zoo) -> None:
    points = {0.1: (0.5, 10.0), 0.2: (0.9, 30.0), 0.3: (0.8, 40.0)}
    zoo.task = lambda config: dict(zip(("accuracy", "parameters"), points[config.lr], strict=True))
    plan = zoo.plan("lr=0.1,0.2,0.3", objectives=[ACCURACY, SMALL], constraints=["parameters <= 35"])
    (study,) = zoo.run(plan).studies
    export(study.study, plan)
    assert [(row["feasible"], row["front"]) for row in rows(plan.directory)] == [
        ("yes", "yes"), ("yes", "yes"), ("no", "no"),
    ]  # fmt: skip


SEARCHES: list[tuple[list[str], dict[str, Any]]] = [
    ([], {"space": LR}),
    (["model=gru", "seed=3"], {"space": LR, "options": {"model": SPACES}}),
    ([], {"space": {"model": "choice(cnn,gru)", **LR}, "options": {"model": SPACES}}),
    ([], {"space": {"+name": "choice('a b','it\\'s','ü',[1,2],{a:1})"}}),
    (["lr=0.1,0.2", "model=cnn,gru", "+name='c, d'"], {}),
]


@pytest.mark.parametrize(("typed", "settings"), SEARCHES)
def test_the_command_of_a_trial_makes_its_config_again(zoo, typed: list[str], settings: dict[str, Any]) -> None:
    seen: dict[str, Any] = {}

    def task(config: DictConfig) -> dict[str, float]:
        from hydra.core.hydra_config import HydraConfig

        seen[str(HydraConfig.get().job.num)] = OmegaConf.to_container(config)
        return {"accuracy": 1.0, "parameters": 1.0}

    zoo.task = task
    plan = zoo.plan(*typed, n_trials=8, **settings)
    (study,) = zoo.run(plan).studies
    composer = zoo.loaded.composer
    ran = [trial for trial in study.study.trials if str(trial.number) in seen]
    assert len(ran) >= 4
    for trial in ran:
        config = composer.compose(in_full([], overrides_of(trial, plan)))
        assert OmegaConf.to_container(task_config(config)) == seen[str(trial.number)]


def test_the_table_ends_with_a_command_that_a_shell_reads_as_meant(zoo, capsys: pytest.CaptureFixture[str]) -> None:
    plan = zoo.plan("+name='it\\'s','$HOME'", "lr=0.05")
    (study,) = zoo.run(plan).studies
    show(
        study.study,
        plan,
        command="python train.py",
        follow_up=lambda study, trial, run: [f"compare {study} {trial}", f"evaluate run={run}"],
    )
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith(f"study {plan.name}: 2 complete; in ")
    command, compare, evaluate = (line.strip() for line in lines[-3:])
    assert compare == f"compare {plan.name} None"
    assert shlex.split(command) == ["python", "train.py", "+name='it\\'s'", "lr=0.05"]
    assert evaluate.startswith("evaluate run=")
    assert re.search(rf"{plan.name}/0$", evaluate)


def test_a_configuration_is_not_measured_twice(zoo) -> None:
    runs = []
    zoo.task = lambda config: runs.append(config.model.width) or {"accuracy": 1.0, "parameters": 1.0}
    plan = zoo.plan(space={"model.width": "choice(1,2)"}, n_trials=8, champion_first=False)
    (study,) = zoo.run(plan).studies
    assert sorted(runs) == [1, 2]
    assert [trial.state.name for trial in study.study.trials] == ["COMPLETE"] * 8
    assert len(rank(study.study, plan)) == 2
