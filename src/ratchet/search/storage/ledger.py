"""Whose turn it is: which trial of a study is run next, by exactly one of any number of workers.

A study of n trials has the tickets 0 to n-1. A trial holds one from its very beginning, for no storage has
transactions: a retry the one it was queued with, any other trial its place among those that are no retries. Where two
retries hold the same, the lower number keeps it, which every later one can see. So n trials are finished in the end,
however many workers come, go and are killed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from ratchet.compat.optuna import storage_of, trial_id_of
from ratchet.search.processes.process_id import ProcessId

WARM_START = "ratchet:warm_start"  # trial attribute: which trial of which earlier study has these parameters
CLAIM = "ratchet:claim"  # trial attribute: ticket, worker, attempt
RESULT = "ratchet:result"  # trial attribute: failure class, error, traceback, metrics, directory
WORKER = "ratchet:worker:"  # study attribute: a counter that the worker raises
STALE = 60.0  # seconds without a heartbeat, by the observer's clock
MOST_LOST = 20  # times that a trial may be lost with its worker: what kills 20 workers is the trial


@dataclass(frozen=True)
class Claim:
    """A trial that this worker runs now."""

    trial: optuna.Trial
    ticket: int
    attempt: int  # how often it was killed by itself
    lost: int = 0  # how often its worker was
    given: bool = False  # see is_given()


class Ledger:
    """The tickets of one study, as one worker sees them."""

    def __init__(self, study: optuna.Study, *, tickets: int, retries: int, worker: str) -> None:
        self.study, self.tickets, self.retries, self.worker = study, tickets, retries, worker
        self._tickets: list[int] = []  # of each trial, by number
        self._fresh = 0  # trials that are no retries
        self._closed: dict[int, int] = {}  # ticket: number of the trial that finished it
        self._finished = 0
        self._first = 0  # every trial before it is finished for good and counted
        self._beats: dict[str, tuple[int, float]] = {}
        self._looked = 0.0

    def trials(self) -> list[FrozenTrial]:
        """Return the trials that are not known to be finished for good."""
        trials = self.study.get_trials(deepcopy=False)
        for trial in trials[len(self._tickets) :]:
            queued = trial.user_attrs.get(CLAIM) or {}
            is_retry = "retry_of" in queued
            self._tickets.append(int(queued["ticket"]) if is_retry else self._fresh)
            self._fresh += not is_retry
        while self._first < len(trials) and trials[self._first].state.is_finished():
            self._count(trials[self._first])
            self._first += 1
        for trial in trials[self._first :]:
            self._count(trial)
        return trials[self._first :]

    def _count(self, trial: FrozenTrial) -> None:
        ticket = self._tickets[trial.number]
        if ticket not in self._closed and is_over(trial):
            self._closed[ticket] = trial.number
            self._finished += ticket < self.tickets

    def finished(self) -> int:
        """How many tickets are done with."""
        self.trials()
        return self._finished

    def claim(self) -> Claim | None:
        """A trial to run; None while there is none left to start."""
        while self._is_any_left():
            trial = self.study.ask()
            open_trials = self.trials()
            claim = trial.user_attrs.get(CLAIM) or {}
            ticket, attempt = self._tickets[trial.number], int(claim.get("attempt", 0))
            if ticket >= self.tickets or self._taken(ticket, open_trials, before=trial.number):
                self.fail(trial_id_of(trial), {"failure": "surplus"})
                continue
            try:
                trial.set_user_attr(CLAIM, {**claim, "ticket": ticket, "worker": self.worker, "attempt": attempt})
            except UpdateFinishedTrialError:
                continue  # this worker slept for so long that another one took it for gone
            trials = self.study.get_trials(deepcopy=False)
            given = is_given(trials[trial.number], trials)
            return Claim(trial, ticket, attempt, int(claim.get("lost", 0)), given)
        return None

    def _is_any_left(self) -> bool:
        """Whether there is something to ask for; what was forgotten is queued."""
        queued = (self._tickets[trial.number] for trial in self.trials() if trial.state == TrialState.WAITING)
        if any(ticket < self.tickets for ticket in queued) or self._fresh < self.tickets:
            return True  # what is queued beyond the total waits until that is raised
        forgotten = self._forgotten()
        if forgotten is not None:
            self._queue_again(forgotten, lost=1)
        return forgotten is not None

    def _forgotten(self) -> FrozenTrial | None:
        """The last trial of a ticket that nobody does: its worker was killed before it queued a retry, or there were
        fewer tickets when it was asked for.
        """
        held = {self._tickets[trial.number] for trial in self.trials() if not trial.state.is_finished()}
        last = {ticket: number for number, ticket in enumerate(self._tickets) if ticket < self.tickets}
        numbers = (number for ticket, number in last.items() if ticket not in self._closed and ticket not in held)
        number = next(numbers, None)
        return None if number is None else self.study.get_trials(deepcopy=False)[number]

    def _queue_again(self, trial: FrozenTrial, *, lost: int) -> None:
        claim = trial.user_attrs.get(CLAIM) or {}
        again = {**claim, "ticket": self._tickets[trial.number], "lost": int(claim.get("lost", 0)) + lost}
        self.retry(again, {**trial.system_attrs.get("fixed_params", {}), **trial.params}, of=trial.number)

    def _taken(self, ticket: int, open_trials: Sequence[FrozenTrial], *, before: int) -> bool:
        """Whether a trial with a lower number holds this ticket, or it is done with."""
        if self._closed.get(ticket, before) != before:
            return True
        held = (trial for trial in open_trials if not trial.state.is_finished() and trial.number < before)
        return any(self._tickets[trial.number] == ticket for trial in held)

    def retry(self, claim: Mapping[str, Any], params: Mapping[str, Any], *, of: int) -> None:
        """Put a trial with the same ticket and parameters into the queue, when `fail` has said that it may be."""
        kept = {name: int(claim.get(name, 0)) for name in ("attempt", "lost")}
        again = {"ticket": claim["ticket"], "worker": None, **kept, "retry_of": of}
        self.study.enqueue_trial(dict(params), user_attrs={CLAIM: again})

    def fail(self, trial_id: int, result: Mapping[str, Any]) -> bool:
        """Mark as failed; False when somebody else has finished the trial meanwhile."""
        storage = storage_of(self.study)
        try:
            storage.set_trial_user_attr(trial_id, RESULT, dict(result))
            storage.set_trial_state_values(trial_id, TrialState.FAIL)
        except UpdateFinishedTrialError:
            return False
        return True

    def reclaim(self, *, now: float, lost: Callable[[FrozenTrial, bool], None]) -> None:
        """Fail the running trials of workers that are gone, and queue them again where they may be.

        `lost` hears of each, and whether it is queued.
        """
        if now - self._looked > STALE / 2:
            self._beats.clear()  # who could not look for so long, as the storage was away, cannot tell who was silent
        self._looked = now
        for trial in self.trials():
            if trial.state != TrialState.RUNNING:
                continue
            claim = trial.user_attrs.get(CLAIM) or {}
            owner = claim.get("worker")
            gone = self._is_forsaken(trial, now=now) if owner is None else self._is_gone(owner, now=now)
            if owner == self.worker or not gone:
                continue
            ticket = self._tickets[trial.number]
            again = ticket < self.tickets and int(claim.get("lost", 0)) < MOST_LOST
            result = {"failure": "killed", "error": "its worker is gone", "over": ticket < self.tickets and not again}
            if self.fail(trial_id_of(trial), result):
                if again:
                    self._queue_again(trial, lost=1)
                lost(trial, again)

    def give_back(self) -> None:
        """Queue again what this worker still runs: it ends, and its process may live on, as a notebook's does."""
        for trial in self.trials():
            mine = (trial.user_attrs.get(CLAIM) or {}).get("worker") == self.worker
            result = {"failure": "interrupted", "error": "its worker ended", "over": False}
            if mine and trial.state == TrialState.RUNNING and self.fail(trial_id_of(trial), result):
                self._queue_again(trial, lost=0)

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
        """Return whether a worker is gone: by its process id on this machine, by its heartbeat on others.

        One that ended by an error in a process that lives on, as a launcher's or a notebook's does, and one that hangs,
        is gone after ten times as long: the heartbeat of a busy machine's workers stands still for a while.
        """
        alive = ProcessId.parse(owner.partition("/")[0]).is_alive()
        if alive is False:
            return True
        beat = int(self.study.user_attrs.get(WORKER + owner, 0))
        seen, since = self._beats.get(owner, (-1, now))
        if beat != seen:
            self._beats[owner] = (beat, now)
            return False
        return now - since > (STALE if alive is None else 10 * STALE)

    def beat(self, count: int) -> None:
        """Say that this worker is alive."""
        self.study.set_user_attr(WORKER + self.worker, count)


def ticket_of(trial: FrozenTrial) -> int | None:
    """The ticket that a trial holds, once it is claimed."""
    claim = trial.user_attrs.get(CLAIM) or {}
    ticket = claim.get("ticket")
    return None if ticket is None else int(ticket)


def first_attempt(trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> FrozenTrial:
    """The trial that this one is a retry of, or itself. trials: the study's, up to it at least."""
    while (before := int((trial.user_attrs.get(CLAIM) or {}).get("retry_of", trial.number))) < trial.number:
        trial = trials[before]
    return trial


def is_given(trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> bool:
    """Whether a trial's values are given, not drawn: what conf/ has, what a person has queued, or the first of all.

    A pruner does not end it: a search is to be no worse than where it began. Settings of earlier studies may end early.
    """
    trial = first_attempt(trial, trials)
    return trial.number == 0 or ("fixed_params" in trial.system_attrs and WARM_START not in trial.user_attrs)


def warm_started_by(trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> str | None:
    """`<study>/<number>` of the earlier trial whose parameters it has; None of one that was drawn."""
    origin = first_attempt(trial, trials).user_attrs.get(WARM_START)
    return None if origin is None else f"{origin['study']}/{origin['trial']}"


def is_over(trial: FrozenTrial) -> bool:
    """Whether a trial has used its ticket up: it came to a result, or failed in a way that is not tried again."""
    if trial.state in {TrialState.COMPLETE, TrialState.PRUNED}:
        return True
    return trial.state == TrialState.FAIL and bool((trial.user_attrs.get(RESULT) or {}).get("over"))


def has_result(trial: FrozenTrial) -> bool:
    """Whether a person wants to hear of a trial at all: not of those that gave their ticket away."""
    return (trial.user_attrs.get(RESULT) or {}).get("failure") != "surplus"


def is_feasible(trial: FrozenTrial) -> bool:
    """Whether nothing is known of it that breaks a constraint of its study."""
    bounds = [value for key, value in trial.system_attrs.items() if key.startswith("constraints:")]
    return all(value <= 0 for value in bounds)
