"""Whose turn it is: whatever several workers do at the same moment, each ticket is finished by one trial."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import optuna
import pytest
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.trial import TrialState

from ratchet.search.storage.ledger import CLAIM, Ledger, is_over, ticket_of

pytestmark = pytest.mark.slow

WORKERS = ["elsewhere!1-1/a", "elsewhere!2-1/b", "elsewhere!3-1/c"]


class Meeting(InMemoryStorage):
    """At any operation of one worker, another one may come in between and do all that it does."""

    meanwhile: Callable[[], None] = staticmethod(lambda: None)


def _met(name: str) -> Callable[..., Any]:
    operation = getattr(InMemoryStorage, name)

    def act(self: Meeting, *given: Any, **named: Any) -> Any:
        self.meanwhile()
        return operation(self, *given, **named)

    return act


for name in BaseStorage.__abstractmethods__:
    setattr(Meeting, name, _met(name))


def make_study(storage: BaseStorage) -> optuna.Study:
    return optuna.create_study(storage=storage, sampler=optuna.samplers.RandomSampler(seed=0))


def finished(study: optuna.Study) -> Counter[int | None]:
    return Counter(ticket_of(trial) for trial in study.get_trials() if is_over(trial))


@pytest.mark.parametrize("at", range(12))
def test_two_workers_that_ask_at_once_hold_different_tickets(at):
    """The second comes in at every operation of the first's claim."""
    storage = Meeting()
    study = make_study(storage)
    first, second = (Ledger(study, tickets=10, retries=2, worker=name) for name in WORKERS[:2])
    claims = []
    countdown = iter(range(1000))

    def meanwhile() -> None:
        if next(countdown) == at:
            claims.append(second.claim())

    storage.meanwhile = meanwhile
    claims.append(first.claim())
    storage.meanwhile = lambda: None
    while len(claims) < 2:
        claims.append(second.claim())
    assert sorted(claim.ticket for claim in claims) == [0, 1]


@pytest.mark.parametrize("seed", range(60))
def test_each_ticket_is_finished_once(seed):
    """Three workers that end, fail, vanish in the middle and take each other for gone, in every order."""
    draws, storage = random.Random(seed), Meeting()
    study = make_study(storage)
    ledgers = [Ledger(study, tickets=12, retries=2, worker=name) for name in WORKERS]
    held: dict[int, list[Any]] = {0: [], 1: [], 2: []}
    now = [0.0]
    busy: set[int] = set()

    def step(who: int) -> None:
        ledger, what = ledgers[who], draws.random()
        now[0] += 1.0
        if what < 0.15:
            ledger.reclaim(now=now[0], lost=lambda *_: None)
        elif what < 0.3:
            ledger.beat(int(now[0]))
        elif what < 0.65 and len(held[who]) < 2:
            if (claim := ledger.claim()) is not None:
                claim.trial.suggest_float("x", 0, 1)
                held[who].append(claim)
        elif held[who] and what < 0.75:
            held[who].pop()  # it vanishes: somebody reclaims it when the worker is silent
            ledgers[who] = Ledger(study, tickets=12, retries=2, worker=f"{WORKERS[who]}{now[0]}")
        elif held[who]:
            claim = held[who].pop()
            if draws.random() < 0.3:
                if ledger.fail(claim.trial._trial_id, {"failure": "killed"}):
                    ledger.retry({"ticket": claim.ticket}, claim.trial.params, of=claim.trial.number)
                return
            study.tell(claim.trial, 1.0)

    def meanwhile() -> None:
        idle = [who for who in range(3) if who not in busy]
        if idle and draws.random() < 0.05:
            turn(draws.choice(idle))

    def turn(who: int) -> None:
        busy.add(who)
        try:
            with suppress(UpdateFinishedTrialError, ValueError):  # Optuna, of a trial that was taken for lost
                step(who)
        finally:
            busy.remove(who)

    storage.meanwhile = meanwhile
    for _ in range(3000):
        turn(draws.randrange(3))
        if not busy and len(finished(study)) == 12:
            break
    assert finished(study) == Counter(range(12))


def test_a_study_with_more_tickets_than_before_does_those_that_were_too_many():
    study = make_study(InMemoryStorage())
    first, second = (Ledger(study, tickets=1, retries=2, worker=name) for name in WORKERS[:2])
    claim = first.claim()
    study.ask()  # as a second worker does that has looked before the first one asked
    study.tell(claim.trial, 1.0)
    surplus = study.get_trials(states=[TrialState.RUNNING])[0]
    second.fail(surplus._trial_id, {"failure": "surplus"})
    assert second.claim() is None
    more = Ledger(study, tickets=4, retries=2, worker=WORKERS[2])
    while (claim := more.claim()) is not None:
        study.tell(claim.trial, 1.0)
    assert finished(study) == Counter(range(4))


def test_a_retry_that_was_never_queued_is_queued_by_the_next_who_looks():
    """Its worker was killed between the two, and its parameters and its count of losses are kept."""
    study = make_study(InMemoryStorage())
    ledger = Ledger(study, tickets=1, retries=2, worker=WORKERS[0])
    claim = ledger.claim()
    x = claim.trial.suggest_float("x", 0, 1)
    ledger.fail(claim.trial._trial_id, {"failure": "killed", "over": False})
    again = Ledger(study, tickets=1, retries=2, worker=WORKERS[1]).claim()
    assert (again.ticket, again.lost, again.trial.suggest_float("x", 0, 1)) == (0, 1, x)
    assert study.get_trials()[1].user_attrs[CLAIM]["retry_of"] == 0
