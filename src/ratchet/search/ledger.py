"""Whose turn it is: which trial of a study is run next, by exactly one of any number of workers.

A study of n trials has the tickets 0 to n-1. A trial holds one; a retry inherits it. No storage has transactions, so a
ticket is taken in three steps: write that the trial wants it, look who else does, write that it is settled. Where two
want the same, what is settled keeps it; else the lower number does, once the other has given way. So n trials are
finished in the end, however many workers come, go and are killed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from ratchet.search.host import Process

CLAIM = "ratchet:claim"  # trial attribute: ticket, settled, worker, attempt
RESULT = "ratchet:result"  # trial attribute: failure class, error, traceback, metrics, directory
WORKER = "ratchet:worker:"  # study attribute: a counter that the worker raises
STALE = 60.0  # seconds without a heartbeat, by the observer's clock
GIVES_WAY = 1.0  # seconds that a trial waits for another one that wants its ticket
MOST_LOST = 20  # times that a trial may be lost with its worker: what kills 20 workers is the trial


@dataclass(frozen=True)
class Claim:
    """A trial that this worker runs now."""

    trial: optuna.Trial
    ticket: int
    attempt: int  # how often it was killed by itself
    lost: int = 0  # how often its worker was


class Ledger:
    """The tickets of one study, as one worker sees them."""

    def __init__(self, study: optuna.Study, *, tickets: int, retries: int, worker: str) -> None:
        self.study, self.tickets, self.retries, self.worker = study, tickets, retries, worker
        self._closed: dict[int, int] = {}  # ticket: number of the trial that finished it
        self._finished = 0
        self._lowest = 0  # every ticket before it is closed
        self._first = 0  # every trial before it is finished for good and counted
        self._beats: dict[str, tuple[int, float]] = {}

    def trials(self) -> list[FrozenTrial]:
        """Those that are not known to be over."""
        trials = self.study.get_trials(deepcopy=False)
        while self._first < len(trials) and trials[self._first].state.is_finished():
            self._count(trials[self._first])
            self._first += 1
        for trial in trials[self._first :]:
            self._count(trial)
        return trials[self._first :]

    def _count(self, trial: FrozenTrial) -> None:
        ticket = ticket_of(trial)
        if ticket is not None and ticket not in self._closed and is_over(trial):
            self._closed[ticket] = trial.number
            self._finished += ticket < self.tickets
            while self._lowest in self._closed:
                self._lowest += 1

    def finished(self) -> int:
        """How many tickets are done with."""
        self.trials()
        return self._finished

    def claim(self) -> Claim | None:
        """A trial to run; None while there is none left to start."""
        while self._is_any_left():
            trial = self.study.ask()
            try:
                claim = self._take(trial)
            except UpdateFinishedTrialError:  # it took so long that another worker thought this one gone
                continue
            if claim is not None:
                return claim
            self.fail(trial._trial_id, {"failure": "surplus"})  # two may have given way to each other: look again
        return None

    def _is_any_left(self) -> bool:
        return any(trial.state == TrialState.WAITING for trial in self.trials()) or self._free() is not None

    def _take(self, trial: optuna.Trial) -> Claim | None:
        """Come to a ticket for a trial; None where all are taken."""
        claim = {"attempt": 0, "lost": 0, **(trial.user_attrs.get(CLAIM) or {}), "worker": self.worker}
        ticket, settled = claim.get("ticket"), bool(claim.get("settled"))
        while ticket is None or not self._keeps(trial.number, ticket, settled=settled):
            ticket, settled = self._free(but=trial.number), False
            if ticket is None:
                return None
            trial.set_user_attr(CLAIM, {**claim, "ticket": ticket, "settled": False})
        trial.set_user_attr(CLAIM, {**claim, "ticket": ticket, "settled": True})
        return Claim(trial, ticket, int(claim["attempt"]), int(claim["lost"]))

    def _free(self, *, but: int | None = None) -> int | None:
        held = {ticket_of(trial) for trial in self.trials() if trial.number != but and not trial.state.is_finished()}
        return next(
            (
                ticket
                for ticket in range(self._lowest, self.tickets)
                if ticket not in self._closed and ticket not in held
            ),
            None,
        )

    def _keeps(self, number: int, ticket: int, *, settled: bool) -> bool:
        """Whether a trial may keep the ticket that is written on it."""
        wait, deadline = 0.001, time.monotonic() + GIVES_WAY
        while True:
            others = [t for t in self.trials() if t.number != number and not t.state.is_finished()]
            others = [trial for trial in others if ticket_of(trial) == ticket]
            if self._closed.get(ticket, number) != number:
                return False
            if any(_is_settled(trial) and (not settled or trial.number < number) for trial in others):
                return False
            if settled or not others:
                return True
            if any(trial.number < number for trial in others) or time.monotonic() > deadline:
                return False
            time.sleep(wait)  # a higher number wants it too: it gives way, or had not seen this one and settles
            wait = min(2 * wait, 0.05)

    def retry(self, claim: Mapping[str, Any], params: Mapping[str, Any], *, of: int) -> None:
        """Put a trial with the same ticket and parameters into the queue."""
        kept = {name: int(claim.get(name, 0)) for name in ("attempt", "lost")}
        settled = bool(claim.get("settled"))
        again = {"ticket": claim["ticket"], "settled": settled, "worker": None, **kept, "retry_of": of}
        self.study.enqueue_trial(dict(params), user_attrs={CLAIM: again})

    def fail(self, trial_id: int, result: Mapping[str, Any]) -> bool:
        """Mark as failed; False when somebody else has finished the trial meanwhile."""
        storage = self.study._storage
        try:
            storage.set_trial_user_attr(trial_id, RESULT, dict(result))
            storage.set_trial_state_values(trial_id, TrialState.FAIL)
        except UpdateFinishedTrialError:
            return False
        return True

    def reclaim(self, *, now: float, lost: Callable[[FrozenTrial], None]) -> None:
        """Fail the running trials of workers that are gone, and queue them again. `lost` hears of each."""
        for trial in self.trials():
            if trial.state != TrialState.RUNNING:
                continue
            claim = trial.user_attrs.get(CLAIM) or {}
            owner = claim.get("worker")
            gone = self._is_forsaken(trial, now=now) if owner is None else self._is_gone(owner, now=now)
            if owner == self.worker or not gone:
                continue
            lost_before = int(claim.get("lost", 0))
            again = claim.get("ticket") is not None and lost_before < MOST_LOST
            if again and not self._is_queued(trial.number):
                self.retry({**claim, "lost": lost_before + 1}, trial.params, of=trial.number)
            killed = {"failure": "killed", "error": "its worker is gone", "over": not again}
            self.fail(trial._trial_id, {"failure": "surplus"} if claim.get("ticket") is None else killed)
            lost(trial)

    def _is_queued(self, number: int) -> bool:
        return any((trial.user_attrs.get(CLAIM) or {}).get("retry_of") == number for trial in self.trials())

    def _is_forsaken(self, trial: FrozenTrial, *, now: float) -> bool:
        """Whether a trial without an owner stays so: in the moment between asking for it and claiming it its worker
        was killed, or cut off from the storage. So it is where every worker is gone, or it has been so for long.
        """
        since = self._beats.setdefault(f"trial {trial.number}", (0, now))[1]
        return now - since > STALE or not self.others(now=now)

    def others(self, *, now: float) -> list[str]:
        """Other workers that ever wrote to the study and are not gone."""
        names = (key.removeprefix(WORKER) for key in self.study.user_attrs if key.startswith(WORKER))
        return [name for name in names if name != self.worker and not self._is_gone(name, now=now)]

    def _is_gone(self, owner: str, *, now: float) -> bool:
        """By its own machine's word, or else by its heartbeat."""
        alive = Process.parse(owner.partition("/")[0]).is_alive()
        if alive is not None:
            return not alive
        beat = int(self.study.user_attrs.get(WORKER + owner, 0))
        seen, since = self._beats.get(owner, (-1, now))
        if beat != seen:
            self._beats[owner] = (beat, now)
            return False
        return now - since > STALE

    def beat(self, count: int) -> None:
        """Say that this worker is alive."""
        self.study.set_user_attr(WORKER + self.worker, count)


def ticket_of(trial: FrozenTrial) -> int | None:
    """The ticket that a trial holds."""
    claim = trial.user_attrs.get(CLAIM) or {}
    ticket = claim.get("ticket")
    return None if ticket is None else int(ticket)


def _is_settled(trial: FrozenTrial) -> bool:
    return bool((trial.user_attrs.get(CLAIM) or {}).get("settled"))


def is_over(trial: FrozenTrial) -> bool:
    """Whether a trial has used its ticket up: it came to a result, or failed in a way that is not tried again."""
    if trial.state in {TrialState.COMPLETE, TrialState.PRUNED}:
        return True
    return trial.state == TrialState.FAIL and bool((trial.user_attrs.get(RESULT) or {}).get("over"))


def has_result(trial: FrozenTrial) -> bool:
    """Whether a person wants to hear of a trial at all: not of those that gave their ticket away."""
    return (trial.user_attrs.get(RESULT) or {}).get("failure") != "surplus"
