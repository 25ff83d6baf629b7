"""A storage that goes away and comes back: operations wait for it, and what a cut left half done is mended."""

from __future__ import annotations

import errno
import random
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import optuna
import pytest
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import BaseStorage, InMemoryStorage
from sqlalchemy.exc import IntegrityError

from ratchet.errors import ConfigError, RatchetError
from ratchet.search.storage import studies
from ratchet.search.storage.ledger import STALE, Ledger, is_over, ticket_of
from ratchet.search.storage.studies import open_storage, patient, patiently


def cut(storage: BaseStorage, *, seed: int, every: float = 0.2) -> BaseStorage:
    """Some operations fail: half of those before they are done, half after."""
    draws = random.Random(seed)

    def failing(operation: Callable[..., Any]) -> Callable[..., Any]:
        def act(*given: Any, **named: Any) -> Any:
            draw = draws.random()
            if draw < every / 2:
                raise StorageInternalError("before") from ConnectionError("it hung up")
            result = operation(*given, **named)
            if draw < every:
                raise StorageInternalError("after") from ConnectionError("it hung up")
            return result

        return act

    for name in BaseStorage.__abstractmethods__ - {"create_new_study"}:
        setattr(storage, name, failing(getattr(storage, name)))
    return storage


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(studies.time, "sleep", lambda _: None)
    return []


@pytest.mark.parametrize("seed", range(10))
def test_a_study_comes_to_its_end_over_a_line_that_is_cut_all_the_time(seed, said):
    """What was asked for and never claimed is given up after a while, with a ticket it had again to do."""
    storage = patient(cut(InMemoryStorage(), seed=seed), say=said.append)
    study = optuna.create_study(storage=storage, sampler=optuna.samplers.RandomSampler(seed=0))
    ledger = Ledger(study, tickets=20, retries=2, worker="elsewhere!1-1/a")
    other = Ledger(study, tickets=20, retries=2, worker="elsewhere!2-1/b")
    now, draws = 0.0, random.Random(seed)
    for beat in range(400):
        other.beat(beat)
        now += STALE / 4
        ledger.reclaim(now=now, lost=lambda *_: None)
        claim = ledger.claim()
        if claim is None:
            continue
        claim.trial.suggest_float("x", 0, 1)
        if draws.random() < 0.3:
            if ledger.fail(claim.trial._trial_id, {"failure": "interrupted"}):
                ledger.retry({"ticket": claim.ticket}, claim.trial.params, of=claim.trial.number)
            continue
        with suppress(UpdateFinishedTrialError):  # it was done the first time
            study.tell(claim.trial, 1.0)
        if ledger.finished() == 20 and all(trial.state.is_finished() for trial in ledger.trials()):
            break
    trials = study.get_trials()
    assert sorted(ticket_of(trial) for trial in trials if is_over(trial) and ticket_of(trial) is not None) == [
        *range(20)
    ]
    assert not [trial for trial in trials if not trial.state.is_finished()]
    assert "the storage does not answer (it hung up)" in said[0]


def test_a_storage_that_stays_away_ends_in_one_line(said, monkeypatch):
    monkeypatch.setattr(studies, "PATIENCE", 0.0)
    storage = patient(cut(InMemoryStorage(), seed=0, every=2.0), say=said.append)
    with pytest.raises(RatchetError, match=r"has not answered for 0 seconds \(it hung up\); .* type the same command"):
        storage.get_all_studies()


def test_of_workers_that_make_the_tables_at_once_none_fails(said, monkeypatch):
    ends = iter([IntegrityError("create", {}, Exception("they are there")), InMemoryStorage()])

    def connect(_: str) -> BaseStorage:
        end = next(ends)
        if isinstance(end, Exception):
            raise end
        return end

    monkeypatch.setattr(optuna.storages, "get_storage", connect)
    assert isinstance(open_storage("postgresql://localhost/studies"), InMemoryStorage)


@pytest.mark.parametrize(
    ("url", "driver", "to_type"),
    [
        ("postgresql://me:secret@localhost/x", "psycopg", "pip install 'psycopg[binary]'"),
        ("mysql+pymysql://me:secret@localhost/x", "pymysql", "pip install pymysql"),
    ],
)
def test_a_driver_that_is_not_installed_is_named(url, driver, to_type, monkeypatch):
    monkeypatch.setitem(sys.modules, driver, None)
    with pytest.raises(ConfigError) as caught:
        open_storage(url)
    assert str(caught.value) == f"sweep.storage={url.partition(':')[0]}://... needs a driver, {driver}; type: {to_type}"


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENAMETOOLONG, errno.ENOTDIR])
def test_what_no_waiting_mends_is_not_waited_for(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: pytest.fail("it waited"))

    def fail() -> None:
        raise OSError(number, "no")

    def fail_within() -> None:
        try:
            fail()
        except OSError as error:
            raise StorageInternalError("invalid data") from error

    for action in (fail, fail_within):
        with pytest.raises(OSError, match="no") as caught:
            patiently(action, say=print)
        assert caught.value.errno == number
