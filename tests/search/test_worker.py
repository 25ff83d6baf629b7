"""The worker in this process, its trials in threads: budgets, repeats, failures that no process is needed for."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import DictConfig
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState

from ratchet.search.halving import LENGTH
from ratchet.search.processes.channel import current_trial
from ratchet.search.space.plan import TaskFacts
from ratchet.search.space.preflight import preflight
from ratchet.search.storage.journal import Journal, JournalStudies
from ratchet.search.storage.ledger import RESULT, Ledger
from ratchet.search.storage.studies import open_study
from ratchet.search.worker import worker
from ratchet.search.worker.display import Display
from ratchet.search.worker.worker import Worker
from search.conftest import Bench, load
from search.zoo import ZOO, animal
from threads import ThreadExecutor

RANDOM = {"_target_": "optuna.samplers.RandomSampler"}


def test_a_study_has_as_many_trials_as_it_is_asked_for(bench) -> None:
    settings = {"space": {"x": "interval(-1,1)"}}
    for n_trials in (3, 3, 5, 4):
        plan = bench.plan(n_trials=n_trials, **settings)
        (study,) = bench.run(plan, slots=2).studies
        assert study.ledger.finished() == n_trials
    assert len(study.study.trials) == 5
    assert study.study.trials[0].params == {"x": 0.0}  # what the config has now


def test_a_grid_that_is_typed_in_another_order_goes_on_with_the_same_cells(bench) -> None:
    first = bench.plan("x=0,1", "steps=2,3")
    (study,) = bench.run(replace(first, settings=first.settings.model_copy(update={"timeout": 1e-9}))).studies
    assert study.study.trials == []
    claim = study.ledger.claim()
    study.study.tell(claim.trial, 1.0)  # as the first cell
    second = bench.plan("steps=3,2", "x=1,0")
    assert (second.name, second.cells[0]) == (first.name, ("steps=3", "x=1"))
    (study,) = bench.run(second).studies
    assert study.plan.cells == first.cells
    run = [(trial.params["x"], trial.params["steps"]) for trial in study.study.trials[1:]]
    assert run == [("0", "3"), ("1", "2"), ("1", "3")]


def test_the_seconds_of_a_trial_are_those_of_all_its_repeats(zoo) -> None:
    def task(config: DictConfig) -> dict[str, float]:
        time.sleep(0.05)
        return {"accuracy": 0.5, "parameters": 1.0}

    zoo.task, zoo.facts = task, TaskFacts(repeat=lambda k: [f"seed={k}"])
    (study,) = zoo.run(zoo.plan("lr=0.1", repeats=4)).studies
    assert study.study.trials[0].user_attrs[RESULT]["seconds"] >= 4 * 0.05


def test_trials_csv_is_written_while_the_study_runs(bench, monkeypatch) -> None:
    """A worker that is killed leaves it as it was a few seconds before."""
    monkeypatch.setattr(worker, "EXPORT_EVERY", 0.0)
    plan = bench.plan("x=interval(-1,1)", n_trials=5)
    seen = []

    def task(config: DictConfig) -> float:
        file = plan.directory / "trials.csv"
        seen.append(file.read_text(encoding="utf-8").count("complete") if file.exists() else 0)
        return config.x

    bench.task = task
    bench.run(plan)
    assert seen[-1] >= 3
    assert (plan.directory / "trials.csv").read_text(encoding="utf-8").count("complete") == 5


def test_trials_csv_is_left_alone_where_nothing_changed(bench, monkeypatch) -> None:
    written = []
    monkeypatch.setattr(worker, "export", lambda *given: written.append(given))
    plan = bench.plan("x=interval(-1,1)", n_trials=3)
    done = bench.run(plan)
    count = len(written)
    done.export()
    assert len(written) == count >= 1


def test_a_seed_draws_the_same_trials_again_and_a_resumed_worker_others(bench) -> None:
    def drawn(name: str, *n_trials: int, seed: int = 0) -> list[float]:
        for n in n_trials:
            plan = bench.plan("x=interval(-1,1)", n_trials=n, study=name, seed=seed, champion_first=False)
            (study,) = bench.run(plan).studies
        return [trial.params["x"] for trial in study.study.trials]

    first = drawn("first", 14)
    assert drawn("second", 14) == first
    assert drawn("third", 14, seed=1) != first
    resumed = drawn("fourth", 5, 14)
    assert (resumed[:5], set(resumed[5:]) & set(first)) == (first[:5], set())


def test_workers_that_begin_at_the_same_moment_draw_different_values(bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second begins just when the first has said that it is there, so that each of them sees one other."""
    plan = bench.plan("x=interval(-1,1)", n_trials=8, champion_first=False)
    beat, workers = Ledger.beat, list[Worker]()

    def beat_and_meet(self: Ledger, count: int) -> None:
        beat(self, count)
        if not workers:
            monkeypatch.setattr(Ledger, "beat", beat)
            workers.append(bench.worker(plan))

    monkeypatch.setattr(Ledger, "beat", beat_and_meet)
    workers.append(bench.worker(plan))
    drawn = [study.study.ask({"x": FloatDistribution(-1, 1)}).params["x"] for each in workers for study in each.studies]
    assert len(drawn) == len(set(drawn)) == 2


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[int], object]], list[list[str]]]:
    """Calls a function with how many trainings there are when each has just been started; what each was then told."""

    def watch(then: Callable[[int], object]) -> list[list[str]]:
        told: list[list[str]] = []
        start = ThreadExecutor.start

        def start_and(self: ThreadExecutor, job: Any) -> Any:
            running = start(self, job)
            told.append([])
            monkeypatch.setattr(running, "answer", told[-1].append)
            then(len(told))
            return running

        monkeypatch.setattr(ThreadExecutor, "start", start_and)
        return told

    return watch


@pytest.mark.parametrize("repeats", [1, 3])
def test_a_training_that_is_being_started_when_the_end_is_asked_for_is_told_so(bench, started, repeats: int) -> None:
    """The signal comes between two lines: the last training that is started runs already, and is nowhere noted."""
    bench.task, bench.facts = lambda _: 0.0, TaskFacts(repeat=lambda _: [])
    worker = bench.worker(bench.plan("x=interval(-1,1)", n_trials=2, repeats=repeats))
    last = min(repeats, 2)
    told = started(lambda count: worker.pool._on_sigterm(signal.SIGTERM) if count == last else None)
    worker.run()
    assert told[-1] == ["stop"]


def test_ctrl_c_once_lets_a_trial_finish_its_repeats(bench) -> None:
    bench.facts = TaskFacts(repeat=lambda _: [])
    trained: list[float] = []

    def task(config: Any) -> float:
        trained.append(config.x)
        worker.pool.set_interrupts(1)
        return 0.0

    bench.task = task
    worker = bench.worker(bench.plan("x=interval(-1,1)", n_trials=2, repeats=3))
    worker.run()
    (trial,) = worker.studies[0].study.trials
    assert (trial.state, len(trial.user_attrs[RESULT]["repeats"]), len(trained)) == (TrialState.COMPLETE, 3, 3)


def test_a_repeat_that_does_not_compose_costs_the_trial(bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.task, bench.facts = lambda _: 0.0, TaskFacts(repeat=lambda k: [] if k == 0 else ["nothing.such=1"])
    worker = bench.worker(bench.plan("x=interval(-1,1)", n_trials=2, repeats=2))
    worker.run()
    results = [trial.user_attrs[RESULT] for trial in worker.studies[0].study.trials]
    assert [(each["failure"], each["over"]) for each in results] == [("compose error", True)] * 2


def test_four_failures_alike_do_not_end_a_study_that_has_succeeded_before(bench) -> None:
    bench.task = lambda _: 0.0
    bench.worker(bench.plan("x=interval(-1,1)", n_trials=1)).run()

    def fails(_: Any) -> float:
        raise ValueError("always the same")

    bench.task = fails
    worker = bench.worker(bench.plan("x=interval(-1,1)", n_trials=7))
    worker.run()
    assert worker.is_done


def test_a_training_is_told_to_stop_once(bench, started) -> None:
    """What it writes after the first word must not be broken off by a second one."""

    class Noted(list[Any]):
        def append(self, active: Any) -> None:
            super().append(active)
            worker.pool._on_sigterm(signal.SIGTERM)

    bench.task = lambda _: 0.0
    worker = bench.worker(bench.plan("x=interval(-1,1)", n_trials=1))
    worker.pool.active = Noted()
    told = started(lambda _: None)
    worker.run()
    assert told == [["stop"]]


def test_a_worker_shows_that_it_lives_between_the_trials_that_it_starts(
    bench, started, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sampler can take seconds for each, and other machines take what is silent for gone."""
    events: list[str] = []
    beat = Ledger.beat
    bench.task = lambda _: 0.0
    runner = bench.worker(bench.plan("x=interval(-1,1)", n_trials=3), slots=3)
    monkeypatch.setattr(worker, "HEARTBEAT_EVERY", -1.0)
    monkeypatch.setattr(Ledger, "beat", lambda self, count: (events.append("beat"), beat(self, count)))
    started(lambda _: events.append("start"))
    runner.run()
    starts = [place for place, event in enumerate(events) if event == "start"]
    assert len(starts) == 3
    assert all("beat" in events[first:then] for first, then in pairwise(starts))


def test_what_does_not_compose_costs_its_trial(tmp_path: Path) -> None:
    """The look before the start sees each option once, not each with each."""
    conf = tmp_path / "conf"
    files = {name: text.replace("{optimizer: adam},", "{optimizer: adam}, {pair: '${model}_${optimizer}'},")
             for name, text in ZOO.items()}  # fmt: skip
    files |= {f"pair/{name}.yaml": "{}" for name in ("cnn_adam", "gru_adam", "cnn_sgd")}
    for name, text in files.items():
        (conf / name).parent.mkdir(parents=True, exist_ok=True)
        (conf / name).write_text(text, encoding="utf-8")
    bench = Bench(load(conf, "config"), tmp_path, animal)
    plan = bench.plan(space={"model": "choice(cnn,gru)", "optimizer": "choice(adam,sgd)"}, n_trials=12)
    preflight(plan, composer=bench.loaded.composer, facts=bench.facts)
    (study,) = bench.run(plan).studies
    failed = [trial for trial in study.study.trials if trial.state == TrialState.FAIL]
    assert {trial.state for trial in study.study.trials} == {TrialState.FAIL, TrialState.COMPLETE}
    for trial in failed:
        assert trial.params == {"model": "gru", "optimizer": "sgd"}
        result = trial.user_attrs[RESULT]
        assert (result["failure"], result["over"]) == ("compose error", True)
        assert "gru_sgd" in result["error"]
    assert study.ledger.finished() == 12


@pytest.fixture
def seeded(zoo):
    """A task whose accuracy hangs on the seed, told of three of them."""
    seen: list[tuple[float, int]] = []

    def task(config: DictConfig) -> dict[str, float]:
        seen.append((config.lr, config.seed))
        return {"accuracy": config.lr + config.seed / 100, "parameters": 1.0}

    zoo.task = task
    zoo.facts = TaskFacts(
        metrics=lambda _: {"accuracy": "maximize", "parameters": "minimize"},
        repeat=lambda k: [f"seed={k}"] if k else [],
    )
    return zoo, seen


def test_the_objective_of_repeats_is_their_mean(seeded) -> None:
    bench, seen = seeded
    plan = bench.plan("lr=0.5,0.1", repeats=3)
    (study,) = bench.run(plan).studies
    assert seen == [(0.5, 0), (0.5, 1), (0.5, 2), (0.1, 0), (0.1, 1), (0.1, 2)]
    assert [trial.value for trial in study.study.trials] == [pytest.approx(0.51), pytest.approx(0.11)]
    spread = [each["accuracy"] for each in study.study.trials[0].user_attrs[RESULT]["repeats"]]
    assert spread == [0.5, 0.51, 0.52]


def test_a_hopeless_configuration_is_not_repeated_to_the_end(seeded) -> None:
    bench, seen = seeded
    pruner = {"_target_": "optuna.pruners.MedianPruner", "n_startup_trials": 1, "n_warmup_steps": 0}
    plan = bench.plan("lr=0.5,0.1", repeats=4, pruner=pruner)
    (study,) = bench.run(plan).studies
    assert [trial.state.name for trial in study.study.trials] == ["COMPLETE", "PRUNED"]
    assert seen[4:] == [(0.1, 0)]


def test_a_training_that_says_how_long_it_is_is_pruned_at_shares_of_that(zoo) -> None:
    """The second is compared with the first, at a fifth of its own length."""
    zoo.task = lambda config: reports(float(config.lr), np.int64(20 if config.lr == 0.1 else 10))
    pruner = {"_target_": "ratchet.search.halving.HalvingPruner", "rungs": [0.2, 0.6], "least": 1, "enough": 2}
    (study,) = zoo.run(zoo.plan("lr=0.5,0.1", pruner=pruner)).studies
    long, short = study.study.trials
    assert (long.state.name, len(long.intermediate_values), long.user_attrs[LENGTH]) == ("COMPLETE", 10, 10)
    assert (short.state.name, len(short.intermediate_values), short.user_attrs[LENGTH]) == ("PRUNED", 4, 20)


ALL = {"_target_": "optuna.pruners.ThresholdPruner", "lower": 100.0}  # it would end every trial


def test_the_first_trial_is_ended_by_no_pruner(zoo) -> None:
    zoo.task = lambda config: reports(float(config.lr), 4)
    (study,) = zoo.run(zoo.plan("lr=0.5,0.1,0.2", pruner=ALL)).studies
    assert [trial.state.name for trial in study.study.trials] == ["COMPLETE", "PRUNED", "PRUNED"]


def test_what_conf_has_is_ended_by_no_pruner_nor_is_what_a_person_queued(zoo) -> None:
    zoo.task = lambda config: reports(float(config.lr), 4)
    plan = zoo.plan("lr=interval(0.1,0.9)", n_trials=4, pruner=ALL, sampler=RANDOM)
    open_study(plan, say=print).enqueue_trial({"lr": 0.25})
    (study,) = zoo.run(plan).studies
    given = [trial.params["lr"] for trial in study.study.trials if trial.state.name == "COMPLETE"]
    assert given == [zoo.loaded.master.lr, 0.25]
    assert [trial.state.name for trial in study.study.trials] == ["COMPLETE"] * 2 + ["PRUNED"] * 2


def test_the_first_trial_s_repeats_are_all_run(seeded) -> None:
    bench, seen = seeded
    (study,) = bench.run(bench.plan("lr=0.5,0.1", repeats=3, pruner=ALL)).studies
    assert [trial.state.name for trial in study.study.trials] == ["COMPLETE", "PRUNED"]
    assert seen == [(0.5, 0), (0.5, 1), (0.5, 2), (0.1, 0)]


def reports(value: float, count: Any) -> float:
    trial = current_trial()
    assert trial is not None
    for step in range(1, count + 1):
        trial.report(step, value, count)
    return value


def test_the_usual_pruner_ends_repeats_too(seeded) -> None:
    bench, seen = seeded
    pruner = {"_target_": "ratchet.search.halving.HalvingPruner", "rungs": [0.2, 0.6], "least": 1, "enough": 2}
    (study,) = bench.run(bench.plan("lr=0.5,0.1", repeats=2, pruner=pruner)).studies
    assert [trial.state.name for trial in study.study.trials] == ["COMPLETE", "PRUNED"]
    assert seen == [(0.5, 0), (0.5, 1), (0.1, 0)]


def test_what_is_measured_before_breaks_the_constraints_that_it_broke_before(zoo) -> None:
    space = {"lr": "choice(0.1,0.2)"}
    plan = zoo.plan(space=space, n_trials=6, constraints=["parameters <= 0.5"], sampler=RANDOM)
    (study,) = zoo.run(plan).studies
    trials = study.study.trials
    assert any("duplicate_of" in trial.user_attrs[RESULT] for trial in trials)
    for trial in trials:
        bounds = [value for key, value in trial.system_attrs.items() if key.startswith("constraints:")]
        assert len(bounds) == 1
        assert bounds[0] > 0


def test_wilcoxon_compares_seed_by_seed(seeded) -> None:
    bench, seen = seeded
    pruner = {"_target_": "optuna.pruners.WilcoxonPruner", "p_threshold": 0.2, "n_startup_steps": 0}
    plan = bench.plan("lr=0.5,0.1,0.6", repeats=8, pruner=pruner)
    (study,) = bench.run(plan).studies
    assert [trial.state.name for trial in study.study.trials] == ["COMPLETE", "PRUNED", "COMPLETE"]
    assert len([lr for lr, _ in seen if lr == 0.1]) < 8
    assert study.study.trials[2].value == pytest.approx(0.635)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("good", "the task returned 'good'; allowed: a number for accuracy"),
        (None, "the task returned None; allowed: a number for accuracy"),
        (True, "the task returned True"),
        ({"loss": 1.0}, "allowed: a number for accuracy"),
        (float("inf"), "accuracy is inf"),
    ],
)
def test_what_is_no_value_fails_its_trial(zoo, value: object, said: str) -> None:
    zoo.task = lambda _: value
    plan = zoo.plan("lr=0.1")
    (study,) = zoo.run(plan).studies
    (trial,) = study.study.trials
    assert trial.state == TrialState.FAIL
    assert said in trial.user_attrs[RESULT]["error"]


@pytest.mark.parametrize("value", [0.5, [0.5], (0.5,), {"accuracy": 0.5, "name": "x"}])
def test_what_a_task_may_return(zoo, value: object) -> None:
    zoo.task = lambda _: value
    plan = zoo.plan("lr=0.1")
    (study,) = zoo.run(plan).studies
    assert study.study.trials[0].value == 0.5


def test_a_trial_that_was_taken_for_lost_meanwhile_ends_no_worker(zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(Display, "say", lambda _, line: said.append(line))
    plan = zoo.plan("lr=0.1,0.2", retries=0)

    def task(config: DictConfig) -> float:
        if config.lr == 0.1:
            others = JournalStudies(Journal(Path(plan.storage)))
            others.set_trial_state_values(0, TrialState.FAIL)
        return float(config.lr)

    zoo.task = task
    (study,) = zoo.run(plan).studies
    assert "trial 0 was taken for lost meanwhile; its result is left aside" in said
    first, second, *_ = study.study.trials
    assert (first.state, first.value, RESULT in first.user_attrs) == (TrialState.FAIL, None, False)
    assert (second.state, second.value) == (TrialState.COMPLETE, 0.2)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # a thread cannot be ended
@pytest.mark.parametrize("broken", ["_display.finished", "_results", "pool.executor.start"])
def test_what_a_worker_ran_that_died_of_an_error_is_run_by_the_next_in_its_process(bench, broken: str) -> None:
    goes_on = threading.Event()
    bench.task = lambda config: float(config.x) if config.x == 0 or goes_on.wait(60) else 0.0
    plan = bench.plan("x=0,1,2")
    worker = bench.worker(plan, slots=2)
    of, _, name = broken.rpartition(".")
    setattr(attrgetter(of)(worker) if of else worker, name, None)  # whatever calls it raises TypeError
    with pytest.raises((TypeError, AttributeError)):
        worker.run()
    trials = worker.studies[0].study.trials
    assert all(trial.state != TrialState.RUNNING for trial in trials)
    assert any(trial.user_attrs.get(RESULT, {}).get("failure") == "interrupted" for trial in trials)
    goes_on.set()
    (study,) = bench.run(plan, slots=2).studies
    complete = [trial for trial in study.study.trials if trial.state == TrialState.COMPLETE]
    assert sorted(trial.value for trial in complete) == [0.0, 1.0, 2.0]
