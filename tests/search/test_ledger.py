"""Tickets: however the steps of several workers fall, n trials are finished, and none twice."""

from __future__ import annotations

import itertools
import random
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from ratchet.search.processes.process_id import ProcessId, _started
from ratchet.search.storage import ledger as room
from ratchet.search.storage.ledger import (
    CLAIM,
    RESULT,
    STALE,
    WORKER,
    Claim,
    Ledger,
    has_result,
    is_given,
    is_over,
    ticket_of,
)

DEAD = f"{ProcessId.this().host}!999999999-1"
FAR = "elsewhere!17-23/a"


@pytest.fixture
def study() -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))


def make(study: optuna.Study, worker: str = "w", *, tickets: int = 5, retries: int = 2) -> Ledger:
    return Ledger(study, tickets=tickets, retries=retries, worker=worker)


def states(study: optuna.Study) -> list[str]:
    return [trial.state.name for trial in study.get_trials(deepcopy=False)]


class Killed(BaseException):
    """A worker ends here, with whatever it was doing."""


@dataclass
class Stage:
    """Threads that take turns at every touch of the study, by a seeded order."""

    draw: random.Random
    mortality: float = 0.0  # of a worker at each step
    turn: threading.Condition = field(default_factory=threading.Condition)
    waiting: set[int] = field(default_factory=set)
    alive: set[int] = field(default_factory=set)
    on: int | None = None
    errors: list[BaseException] = field(default_factory=list)

    def step(self, who: int) -> None:
        if self.draw.random() < self.mortality:
            raise Killed
        with self.turn:
            self.on = None
            self.waiting.add(who)
            self._next()
            while self.on != who:
                self.turn.wait()
            self.waiting.discard(who)

    def _next(self) -> None:
        if self.on is None and self.waiting and self.waiting == self.alive:
            self.on = self.draw.choice(sorted(self.waiting))
            self.turn.notify_all()

    def leave(self, who: int) -> None:
        with self.turn:
            self.alive.discard(who)
            self.on = None
            self._next()

    def play(self, acts: list[Callable[[], None]]) -> None:
        self.alive = set(range(len(acts)))

        def act(who: int) -> None:
            try:
                acts[who]()
            except Killed:
                pass
            except BaseException as error:  # noqa: BLE001 - raised where it is seen
                self.errors.append(error)
            finally:
                self.leave(who)

        threads = [threading.Thread(target=act, args=(who,), daemon=True) for who in range(len(acts))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in threads)
        assert self.errors == []


class Stepped:
    """A storage that waits for its worker's turn before each of its methods."""

    def __init__(self, storage: Any, stage: Stage, who: int) -> None:
        self._storage, self._stage, self._who = storage, stage, who

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._storage, name)
        if not callable(method) or name.startswith("_"):
            return method

        def stepped(*arguments: Any, **named: Any) -> Any:
            if threading.current_thread() is not threading.main_thread():
                self._stage.step(self._who)
            return method(*arguments, **named)

        return stepped


def work(study: optuna.Study, name: str, stage: Stage, who: int, *, tickets: int, seed: str) -> None:
    """One worker, to its end."""
    theirs = optuna.load_study(
        study_name=study.study_name, storage=study._storage, sampler=optuna.samplers.RandomSampler(seed=who)
    )
    theirs._storage = Stepped(study._storage, stage, who)
    ledger, draw = make(theirs, name, tickets=tickets), random.Random(seed)
    ledger.beat(1)
    for now in itertools.count(0.0, room.STALE / 2):  # it waits for the others as a worker does
        ledger.reclaim(now=now, lost=lambda *_: None)
        while (claim := ledger.claim()) is not None:
            act(ledger, claim, draw)
        if ledger.finished() >= tickets or not any(trial.state == TrialState.RUNNING for trial in ledger.trials()):
            return


def act(ledger: Ledger, claim: Claim, draw: random.Random) -> None:
    """What comes of a trial."""
    fate = draw.random()
    if fate < 0.6:
        ledger.study.tell(claim.trial, fate)
    elif fate < 0.75:
        ledger.fail(claim.trial._trial_id, {"failure": "exception", "over": True})
    else:
        again = {"ticket": claim.ticket, "settled": True, "attempt": claim.attempt + 1}
        ledger.retry(again, claim.trial.params, of=claim.trial.number)
        ledger.fail(claim.trial._trial_id, {"failure": "killed", "over": False})


def play(study: optuna.Study, names: list[str], *, tickets: int, seed: str, mortality: float = 0.0) -> None:
    stage = Stage(random.Random(seed), mortality)
    workers = [
        lambda who=who, name=name: work(study, name, stage, who, tickets=tickets, seed=f"{seed} {who}")
        for who, name in enumerate(names)
    ]
    stage.play(workers)


@pytest.mark.parametrize("seed", range(200))
def test_every_ticket_is_finished_once_however_the_steps_fall(study: optuna.Study, seed: int) -> None:
    """Several workers, some of which die at any step; then several that find what those have left."""
    draw = random.Random(seed)
    tickets = draw.randrange(1, 7)
    with subprocess.Popen(["sleep", "600"]) as machine:
        name = replace(ProcessId.this(), pid=machine.pid, started=_started(machine.pid) or "").name
        mortal = [f"{name}/{who}" for who in range(draw.randrange(2, 5))]
        play(study, mortal, tickets=tickets, seed=f"{seed} a", mortality=draw.choice([0.0, 0.02, 0.1]))
        machine.kill()
    heirs = [f"{ProcessId.this().name}/heir{who}" for who in range(draw.randrange(1, 4))]
    play(study, heirs, tickets=tickets, seed=f"{seed} b")
    trials = study.get_trials(deepcopy=False)
    assert sorted(ticket_of(trial) for trial in trials if is_over(trial)) == list(range(tickets))
    assert make(study, tickets=tickets).finished() == tickets
    assert {ticket_of(trial) for trial in trials if trial.state == TrialState.RUNNING} <= {None}


def test_tickets_come_in_order_and_end(study: optuna.Study) -> None:
    ledger = make(study, tickets=3)
    claims = [ledger.claim() for _ in range(3)]
    assert [claim.ticket for claim in claims if claim] == [0, 1, 2]
    assert ledger.claim() is None
    assert states(study) == ["RUNNING"] * 3
    for claim in claims:
        assert claim is not None
        study.tell(claim.trial, 1.0)
    assert (ledger.finished(), ledger.claim()) == (3, None)
    assert make(study, "later", tickets=5).claim().ticket == 3  # a study may be given more trials


def test_a_queued_trial_takes_its_ticket_with_it(study: optuna.Study) -> None:
    ledger = make(study)
    first = ledger.claim()
    assert first is not None
    x = first.trial.suggest_float("x", 0, 1)
    ledger.retry({"ticket": 0, "settled": True, "attempt": 1}, first.trial.params, of=first.trial.number)
    ledger.fail(first.trial._trial_id, {"failure": "killed", "over": False})
    again = ledger.claim()
    assert again is not None
    assert (again.ticket, again.attempt, again.lost) == (0, 1, 0)
    assert again.trial.suggest_float("x", 0, 1) == x


def test_a_queued_trial_whose_ticket_is_done_takes_another(study: optuna.Study) -> None:
    ledger = make(study, tickets=2)
    for number in range(2):
        ledger.retry({"ticket": 0, "settled": True}, {}, of=number)
    first, second = ledger.claim(), ledger.claim()
    assert first is not None
    assert second is not None
    assert (first.ticket, second.ticket) == (0, 1)
    assert ledger.claim() is None


def test_one_queued_too_many_gives_up_and_nobody_hears_of_it(study: optuna.Study) -> None:
    ledger = make(study, tickets=1)
    study.tell(ledger.claim().trial, 1.0)
    ledger.retry({"ticket": 0, "settled": True}, {}, of=0)
    assert ledger.claim() is None
    assert [has_result(trial) for trial in study.trials] == [True, False]
    assert states(study) == ["COMPLETE", "FAIL"]


def test_what_a_person_queues_beyond_the_total_waits_until_that_is_raised(study: optuna.Study) -> None:
    ledger = make(study, tickets=1)
    study.tell(ledger.claim().trial, 1.0)
    study.enqueue_trial({"x": 0.25})
    assert ledger.claim() is None
    assert states(study) == ["COMPLETE", "WAITING"]
    claim = make(study, tickets=2).claim()
    assert claim.trial.suggest_float("x", 0, 1) == 0.25


def running(study: optuna.Study, owner: str | None, **claim: Any) -> int:
    trial = study.ask()
    if owner is not None or claim:
        trial.set_user_attr(CLAIM, {"ticket": trial.number, "worker": owner, **claim})
    return trial.number


def reclaim(ledger: Ledger, now: float = 0.0) -> list[int]:
    """As a worker does, which looks every few seconds: until then."""
    lost: list[int] = []
    for date in [*np.arange(ledger._looked, now, 20.0), now]:
        ledger.reclaim(now=date, lost=lambda trial, _: lost.append(trial.number))
    return lost


def test_the_trials_of_a_dead_worker_run_again(study: optuna.Study) -> None:
    ledger, alive = make(study), f"{ProcessId.this().name}/other"
    running(study, f"{DEAD}/a")
    running(study, alive)
    assert reclaim(ledger) == [0]
    assert states(study) == ["FAIL", "RUNNING", "WAITING"]
    result = study.trials[0].user_attrs[RESULT]
    assert (result["failure"], result["over"]) == ("killed", False)
    claim = ledger.claim()
    assert claim is not None
    assert (claim.ticket, claim.attempt, claim.lost, claim.trial.number) == (0, 0, 1, 2)
    assert reclaim(ledger) == []


def test_what_kills_every_worker_is_given_up(study: optuna.Study) -> None:
    ledger = make(study)
    running(study, f"{DEAD}/a", lost=room.MOST_LOST - 1)
    assert reclaim(ledger) == [0]
    assert states(study) == ["FAIL", "WAITING"]
    trial = study.ask()
    trial.set_user_attr(CLAIM, {"ticket": 0, "worker": f"{DEAD}/a", "lost": room.MOST_LOST})
    heard: list[tuple[int, bool]] = []
    ledger.reclaim(now=0.0, lost=lambda trial, again: heard.append((trial.number, again)))
    assert heard == [(1, False)]
    assert states(study) == ["FAIL", "FAIL"]
    assert is_over(study.trials[1])


def test_a_worker_elsewhere_is_gone_when_its_heart_has_stood_still(study: optuna.Study) -> None:
    ledger = make(study)
    running(study, FAR)
    study.set_user_attr(WORKER + FAR, 1)
    assert reclaim(ledger, now=0.0) == []
    assert reclaim(ledger, now=room.STALE) == []
    study.set_user_attr(WORKER + FAR, 2)
    assert reclaim(ledger, now=room.STALE + 1) == []
    assert reclaim(ledger, now=2 * room.STALE) == []
    assert reclaim(ledger, now=2 * room.STALE + 2) == [0]


def test_a_worker_whose_process_lives_is_gone_when_its_heart_has_stood_still_for_long(study: optuna.Study) -> None:
    """It ended by an error, in a notebook or under a launcher that keeps its processes, or it hangs."""
    running(study, f"{ProcessId.this().name}/other")
    ledger = make(study)
    assert reclaim(ledger, now=9 * STALE) == []
    assert reclaim(ledger, now=11 * STALE) == [0]


def test_a_storage_that_was_away_makes_nobody_gone(study: optuna.Study) -> None:
    """Neither worker could write meanwhile, and the other one comes back a moment later."""
    ledger = make(study)
    running(study, FAR)
    study.set_user_attr(WORKER + FAR, 1)
    assert reclaim(ledger, now=0.0) == []
    back = room.STALE + 5
    ledger.reclaim(now=back, lost=lambda *_: pytest.fail("it had no chance to say that it lives"))
    assert reclaim(ledger, now=back + room.STALE) == []
    assert reclaim(ledger, now=back + room.STALE + 1) == [0]


def test_queued_values_outlive_a_worker_that_dies_before_it_wrote_them(study: optuna.Study) -> None:
    study.enqueue_trial({"x": 0.5})
    running(study, f"{DEAD}/a")
    ledger = make(study)
    assert reclaim(ledger) == [0]
    claim = ledger.claim()
    assert claim is not None
    assert claim.trial.suggest_float("x", 0.0, 1.0) == 0.5


def test_a_trial_without_an_owner_is_nobody_s_once_all_workers_are_gone(study: optuna.Study) -> None:
    """A worker that was killed between asking and claiming left it."""
    ledger = make(study, tickets=1)
    running(study, None)
    study.set_user_attr(WORKER + f"{ProcessId.this().name}/other", 1)
    assert reclaim(ledger, now=0.0) == []
    assert reclaim(ledger, now=room.STALE) == []
    assert reclaim(ledger, now=room.STALE + 1) == [0]  # it would have written its name in that time
    other = optuna.create_study()
    ledger = make(other, tickets=1)
    running(other, None)
    other.set_user_attr(WORKER + f"{DEAD}/a", 1)
    assert reclaim(ledger) == [0]
    claim = ledger.claim()
    assert claim is not None
    assert (claim.ticket, states(other)) == (0, ["FAIL", "RUNNING"])


def test_a_trial_that_somebody_finished_is_not_failed(study: optuna.Study) -> None:
    ledger = make(study)
    claim = ledger.claim()
    assert isinstance(claim, Claim)
    study.tell(claim.trial, 1.0)
    assert not ledger.fail(claim.trial._trial_id, {"failure": "killed"})
    assert study.trials[0].state == TrialState.COMPLETE
    assert RESULT not in study.trials[0].user_attrs


def test_a_beat_is_on_the_study(study: optuna.Study) -> None:
    make(study, "me").beat(7)
    assert study.user_attrs == {f"{WORKER}me": 7}


@pytest.mark.parametrize(("queued", "given"), [({"x": 0.5}, True), (None, False)])
def test_a_trial_that_is_run_again_is_given_where_it_was(study, queued, given) -> None:
    ledger = make(study)
    ledger.claim()  # the first of all
    if queued is not None:
        study.enqueue_trial(queued)
    claim = ledger.claim()
    claim.trial.suggest_float("x", 0, 1)
    for attempt in (1, 2):
        ledger.fail(claim.trial._trial_id, {"failure": "killed"})
        again = {"ticket": claim.ticket, "attempt": attempt}
        ledger.retry(again, claim.trial.params, of=claim.trial.number)
        claim = ledger.claim()
        trials = study.get_trials(deepcopy=False)
        assert (claim.attempt, claim.given) == (attempt, given)
        assert is_given(trials[claim.trial.number], trials) is given
