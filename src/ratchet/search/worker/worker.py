"""The worker: it asks the studies for trials, runs each in a process, and tells what came of it."""

from __future__ import annotations

import gc
import itertools
import signal
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from omegaconf import DictConfig
from optuna.exceptions import UpdateFinishedTrialError
from optuna.pruners import WilcoxonPruner
from optuna.trial import FrozenTrial, TrialState

from ratchet.compat.optuna import storage_of, study_id_of
from ratchet.search.halving import LENGTH, HalvingPruner
from ratchet.search.processes.channel import Report, Verdict
from ratchet.search.processes.executors import Executor
from ratchet.search.processes.outcomes import Outcome
from ratchet.search.processes.pool import Pool
from ratchet.search.processes.process_id import ProcessId
from ratchet.search.processes.slots import Slot
from ratchet.search.space.composer import Composer
from ratchet.search.space.plan import StudyPlan, TaskFacts
from ratchet.search.space.samplers import build_sampler
from ratchet.search.storage.ledger import Claim, Ledger
from ratchet.search.storage.studies import StorageError, open_study, patiently, with_stored_cells
from ratchet.search.worker.display import Display
from ratchet.search.worker.hydra_job import HydraTask
from ratchet.search.worker.jobs import Jobs
from ratchet.search.worker.progress import ActiveTrial, OpenStudy
from ratchet.search.worker.report_result import ResultReporter
from ratchet.search.worker.results import export

HEARTBEAT_EVERY = 10.0  # seconds between two signs of life
RECLAIM_EVERY = 5.0
EXPORT_EVERY = 10.0  # seconds between two trials.csv
START_FOR = 1.0  # seconds to start trials for, before those that run are heard: some end at once
INTERRUPT_POLL_EVERY = 1.0  # seconds between two looks at what the one that placed this worker has heard

_NUMBERS = itertools.count()  # of the workers of this process


class Worker:
    """Runs trials of several studies in its slots until none is left to start and none is running."""

    def __init__(
        self,
        plans: Sequence[StudyPlan],
        *,
        task: Callable[[DictConfig], Any],
        context: Any,
        composer: Composer,
        executor: Executor,
        slots: Sequence[Slot],
        display: Display,
        facts: TaskFacts,
        keep_returns: bool = False,
        interrupts_attribute: str = "",
    ) -> None:
        """`interrupts_attribute`: the study attribute that counts how often who placed this worker was interrupted."""
        self._jobs = Jobs(HydraTask(task, context), composer, facts, keep_returns)
        self._display, self._facts = display, facts
        self.pool: Pool[ActiveTrial] = Pool(executor, slots, say=display.say)
        self._results = ResultReporter(display, is_plain=facts.is_plain)
        self.name = f"{ProcessId.this().name}/{next(_NUMBERS)}"
        self._interrupts_attribute, self._last_interrupt_poll = interrupts_attribute, 0.0
        self._heartbeats, self._last_heartbeat, self._reclaimed, self._exported = 0, 0.0, 0.0, time.monotonic()
        self.returns: dict[tuple[str, int], bytes] = {}  # Hydra's JobReturns, pickled
        self.studies = [self._open(plan) for plan in plans]
        self.interrupt_study = self.studies[0].study  # whose attribute `interrupts_attribute` is
        if slots and not self.is_done:
            executor.warm_up()

    def _open(self, plan: StudyPlan) -> OpenStudy:
        say, earlier = self._display.say, self._facts.earlier
        study = patiently(lambda: open_study(plan, say=say, earlier=earlier), say=say)
        plan = with_stored_cells(study, plan)
        ledger = Ledger(study, tickets=plan.n_trials, retries=plan.settings.retries, worker=self.name)
        ledger.beat(0)  # of two workers that begin at once at least one sees the other, and draws by its own name
        trials = study.get_trials(deepcopy=False)
        salt = len(trials), self.name if ledger.others(now=time.monotonic()) else 0
        study.sampler = build_sampler(plan.settings, salt=str(salt))  # the same again for the one worker of a new study
        succeeded = any(trial.state == TrialState.COMPLETE for trial in trials)
        return OpenStudy(plan, study, ledger, succeeded=succeeded)

    @property
    def ended_by(self) -> signal.Signals | None:
        """The signal that ended it early, or ends it; None where there was none."""
        return self.pool.ended_by

    @property
    def finished(self) -> int:
        """How many trials of all studies are done with."""
        return sum(study.ledger.finished() for study in self.studies)

    @property
    def left(self) -> int:
        """How many trials of all studies are left."""
        return sum(max(0, study.plan.n_trials - study.ledger.finished()) for study in self.studies)

    @property
    def is_done(self) -> bool:
        """Whether no study has a trial left."""
        return self.left == 0

    @property
    def is_starting(self) -> bool:
        """Whether trials cannot be started yet: their server imports."""
        return not self.pool.active and not self.is_done and self.pool.executor.warming is not None

    def announce(self, at_once: str = "") -> None:
        """Tell a person of each study how far it is, and `at_once`: how many of its trials are run at a time."""
        for study in self.studies:
            others = len(study.ledger.others(now=time.monotonic()))
            self._display.opened(study, at_once or f"{self.pool.size} at a time", others=others)

    def export(self) -> None:
        """Write the trials.csv of each study that has changed."""
        for study in self.studies:
            state = len(study.study.get_trials(deepcopy=False)), study.ledger.finished()
            if state[0] and state != study.exported:
                export(study.study, study.plan)
                study.exported = state

    def others(self) -> int:
        """How many other workers are alive."""
        now = time.monotonic()
        return len({name for study in self.studies for name in study.ledger.others(now=now)})

    def say(self, line: str) -> None:
        """Print a note for the user."""
        self._display.say(line)

    def run(self, *, announce: bool = False) -> None:
        """Work until there is nothing left, Ctrl-C, or a timeout.

        With `announce` a person is told of the studies first: once something is said, Ctrl-C ends as it should.
        """
        gc.freeze()  # configs come and go by thousands of objects; what was there before need not be searched each time
        try:
            with self.pool.handling_signals(ctrl_c=not self._interrupts_attribute):
                if announce:
                    self.announce()
                self._loop()
                self.export()
        finally:
            gc.unfreeze()
            if not isinstance(sys.exc_info()[1], StorageError):  # it would be waited for once more
                with suppress(Exception):
                    for study in self.studies:
                        study.ledger.give_back()

    def _loop(self) -> None:
        self._display.refresh(self)
        self._keep_alive()
        while True:
            until = time.monotonic() + START_FOR
            while self.pool.has_room and self._claim_and_start() and time.monotonic() < until:
                self._keep_alive()  # a sampler can take seconds for each
            if not self.pool.active and (
                self.pool.interrupts or not (self.is_starting or self._must_wait_for_others())
            ):
                return
            for active in self.pool.ready(self._patience()):
                self._handle_message(active)
            for active, outcome in self.pool.end_overdue():
                self._mark_run_ended(active, outcome)
                self._release(active, outcome)
            self._keep_alive()
            self._display.refresh(self)

    def _patience(self) -> float:
        """Seconds until something has to be looked at, if nobody speaks."""
        return min(0.5, min(self._last_heartbeat + HEARTBEAT_EVERY, self._reclaimed + RECLAIM_EVERY) - time.monotonic())

    def _must_wait_for_others(self) -> bool:
        """Whether a trial of these studies runs elsewhere: should its worker die, it is ours to do again."""
        return any(
            study.takes_trials and study.ledger.finished() < study.plan.n_trials and self._has_running_trials(study)
            for study in self.studies
        )

    def _has_running_trials(self, study: OpenStudy) -> bool:
        return any(trial.state == TrialState.RUNNING for trial in study.ledger.trials())

    # --- starting

    def _claim_and_start(self) -> bool:
        """Fill one slot. Returns whether a trial was claimed, also one that ended at once."""
        for study in self.studies:
            if not study.takes_trials:
                continue
            claim = study.ledger.claim()
            if claim is not None:
                self._start(study, claim)
                return True
        return False

    def _start(self, of: OpenStudy, claim: Claim) -> None:
        try:
            overrides = self._jobs.overrides(of, claim)
        except Exception as error:  # noqa: BLE001 - a sampler that fails costs the trial, not the sweep
            self._results.report_failure(of, claim, Outcome.of_error(error))
            return
        if not of.plan.cells and (known := of.measured(claim.trial)) is not None:
            self._results.report_duplicate(of, claim, known)
            return
        directory = of.plan.directory / str(claim.trial.number)
        slot = self.pool.take_slot()
        try:
            job = self._jobs.job(of, claim, overrides, directory, slot, repeat=0)
        except Exception as error:  # noqa: BLE001 - a config that does not compose costs the trial
            self.pool.return_slot(slot)
            self._results.report_failure(of, claim, Outcome.of_composing(error))
            return
        now = time.monotonic()
        active = ActiveTrial(
            of=of, claim=claim, overrides=overrides, slot=slot, directory=directory, began=now, claimed=now,
            running=self.pool.start(job), limit=of.plan.settings.trial_timeout,
        )  # fmt: skip
        self.pool.add(active)
        self._display.started(active)

    # --- listening

    def _handle_message(self, active: ActiveTrial) -> None:
        message = self.pool.receive(active)
        if isinstance(message, Report):
            self.pool.answer(active, "go" if active.stop_reason else self._judge(active, message))
            return
        outcome = message
        if active.ended_without_result:
            self._mark_run_ended(active, outcome)
        if outcome.returned is not None:
            self.returns[active.of.plan.name, active.claim.trial.number] = outcome.returned
        if outcome.state == "complete":
            active.metrics.append(outcome.metrics)
            if len(active.metrics) < active.of.plan.settings.repeats:
                failure = self._start_next_repeat(active)
                if failure is None:
                    return
                outcome = failure
        self._release(active, outcome)

    def _release(self, active: ActiveTrial, outcome: Outcome) -> None:
        self.pool.release(active)
        self._results.report(active, outcome)

    def _mark_run_ended(self, active: ActiveTrial, outcome: Outcome) -> None:
        if self._facts.lost is not None:
            self._facts.lost(active.run_directory, outcome.failure or outcome.state)

    def _judge(self, active: ActiveTrial, report: Report) -> Verdict:
        """The pruner's verdict on an intermediate value."""
        active.step, active.value = report.step, report.value
        if active.of.plan.settings.repeats > 1 or len(active.of.plan.objectives) > 1:
            return "go"
        return "prune" if self._should_prune(active, report.step, report.value, of=report.of) else "go"

    def _should_prune(self, active: ActiveTrial, step: int, value: float, *, of: int | None) -> bool:
        try:
            if active.length is None and of is not None and isinstance(active.of.study.pruner, HalvingPruner):
                active.claim.trial.set_user_attr(LENGTH, of)
                active.length = of
            active.claim.trial.report(value, step)
            return not active.claim.given and active.claim.trial.should_prune()
        except UpdateFinishedTrialError:
            return True  # another worker took it for lost and has started it again

    def _start_next_repeat(self, active: ActiveTrial) -> Outcome | None:
        """Start the next repeat. Returns what the trial came to where there is none: the pruner gives it up, say."""
        plan = active.of.plan
        if self.pool.interrupts > 1:
            return active.outcome_of_stop()
        if len(plan.objectives) == 1:
            values = [float(metrics[plan.objectives[0].metric]) for metrics in active.metrics]
            single = isinstance(active.of.study.pruner, WilcoxonPruner)
            value = values[-1] if single else statistics.fmean(values)
            if self._should_prune(active, len(values), value, of=plan.settings.repeats):
                return Outcome("pruned")
        active.repeat += 1
        claim, slot = active.claim, active.slot
        try:
            job = self._jobs.job(active.of, claim, active.overrides, active.directory, slot, repeat=active.repeat)
        except Exception as error:  # noqa: BLE001 - as of the first one
            return Outcome.of_composing(error)
        self.pool.start_next(active, job)
        return None

    # --- staying alive

    def _keep_alive(self) -> None:
        now = time.monotonic()
        if now - self._last_heartbeat > HEARTBEAT_EVERY or not self._heartbeats:
            self._heartbeats, self._last_heartbeat = self._heartbeats + 1, now
            for study in self.studies:
                study.ledger.beat(self._heartbeats)
        if now - self._reclaimed > RECLAIM_EVERY or not self._reclaimed:
            self._reclaimed = now
            for study in self.studies:
                self._reclaim(study, now)
        if now - self._exported > EXPORT_EVERY:
            self._exported = now
            self.export()
        if self._interrupts_attribute and now - self._last_interrupt_poll > INTERRUPT_POLL_EVERY:
            self._last_interrupt_poll = now
            self._poll_remote_interrupts()

    def _poll_remote_interrupts(self) -> None:
        """Do as was ordered: Ctrl-C is heard where the workers were placed from, and not everywhere here."""
        study = self.interrupt_study
        ordered = storage_of(study).get_study_user_attrs(study_id_of(study)).get(self._interrupts_attribute, 0)
        self.pool.set_interrupts(ordered)
        if ordered > 1:
            self.pool.stop_all()

    def _reclaim(self, study: OpenStudy, now: float) -> None:
        study.ledger.reclaim(now=now, lost=lambda trial, again: self._lost(study, trial, again=again))

    def _lost(self, study: OpenStudy, trial: FrozenTrial, *, again: bool) -> None:
        if self._facts.lost is not None:
            directory = study.plan.directory / str(trial.number)
            for run in [directory, *directory.glob("repeat*")]:
                self._facts.lost(run, "killed")
        then = "it is run again" if again else "it is not run again"
        self._display.say(f"trial {trial.number} had lost its worker; {then}")
