"""The worker: it asks the studies for trials, runs each in a process, and tells what came of it."""

from __future__ import annotations

import gc
import os
import signal
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Literal

from omegaconf import DictConfig
from optuna.exceptions import UpdateFinishedTrialError
from optuna.pruners import WilcoxonPruner
from optuna.trial import FrozenTrial, TrialState

from ratchet.errors import RatchetError
from ratchet.search.halving import LENGTH, HalvingPruner
from ratchet.search.processes.channel import Report, Verdict
from ratchet.search.processes.executors import Executor, wait_for
from ratchet.search.processes.outcomes import Outcome
from ratchet.search.processes.process_id import ProcessId
from ratchet.search.processes.server import SERVER
from ratchet.search.processes.slots import Slot
from ratchet.search.space.composer import Composer
from ratchet.search.space.plan import StudyPlan, TaskFacts
from ratchet.search.space.samplers import build_sampler
from ratchet.search.storage.ledger import Claim, Ledger
from ratchet.search.storage.studies import as_it_began, open_study, patiently
from ratchet.search.worker.display import Display
from ratchet.search.worker.jobs import Jobs
from ratchet.search.worker.progress import Active, OpenStudy
from ratchet.search.worker.report_result import ResultReporter
from ratchet.search.worker.results import export
from ratchet.terminal.command import PATIENCE, to_end
from ratchet.terminal.signals import blocked, handled_by

BEAT_EVERY = 10.0  # seconds between two signs of life
RECLAIM_EVERY = 5.0
EXPORT_EVERY = 10.0  # seconds between two trials.csv
HEED_EVERY = 1.0  # seconds between two looks at what the one that placed this worker has heard
PRUNE_GRACE = 10.0  # seconds that a pruned training has to close what it holds, such as an online run of W&B
STOP_GRACE = 10.0  # seconds that a training has to write its checkpoint after `stop`


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
        self._jobs = Jobs(task, context, composer, facts, keep_returns)
        self._executor, self._display, self._facts = executor, display, facts
        self._results = ResultReporter(display)
        self.name = f"{ProcessId.this().name}/{id(self):x}"
        self._interrupts_attribute, self._heeded = interrupts_attribute, 0.0
        self._free, self._slots = list(reversed(slots)), len(slots)
        self.active: list[Active] = []
        self._interrupts, self._signals = 0, 0
        self.ended_by: signal.Signals | None = None  # what ended it early
        self._beats, self._beaten, self._reclaimed, self._exported = 0, 0.0, 0.0, time.monotonic()
        self.returns: dict[tuple[str, int], bytes] = {}  # Hydra's JobReturns, pickled
        self.studies = [self._open(plan) for plan in plans]
        self.ordered_in = self.studies[0].study  # whose attribute `interrupts_attribute` is
        if slots and not self.is_done:
            executor.warm_up()

    def _open(self, plan: StudyPlan) -> OpenStudy:
        say, earlier = self._display.say, self._facts.earlier
        study = patiently(lambda: open_study(plan, say=say, earlier=earlier), say=say)
        plan = as_it_began(study, plan)
        ledger = Ledger(study, tickets=plan.n_trials, retries=plan.settings.retries, worker=self.name)
        ledger.beat(0)  # of two workers that begin at once at least one sees the other, and draws by its own name
        found = len(study.get_trials(deepcopy=False)), self.name if ledger.others(now=time.monotonic()) else 0
        study.sampler = build_sampler(plan.settings, salt=str(found))  # alone on a new study it is the same again
        return OpenStudy(plan, study, ledger)

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C, or another signal, ends it early."""
        return self.ended_by is not None

    @property
    def finished(self) -> int:
        """How many trials of all studies are done with."""
        return sum(study.ledger.finished() for study in self.studies)

    @property
    def is_done(self) -> bool:
        """Whether no study has a trial left."""
        return all(study.ledger.finished() >= study.plan.n_trials for study in self.studies)

    @property
    def is_starting(self) -> bool:
        """Whether trials cannot be started yet: their server imports."""
        return not self.active and not self.is_done and self._executor.warming is not None

    def introduce(self, at_once: str = "") -> None:
        """Tell a person of each study how far it is, and `at_once`: how many of its trials are run at a time."""
        for study in self.studies:
            self._display.opened(study, at_once or f"{self._slots} at a time", others=self.others())

    def interrupt(self, times: int, *, by: int = signal.SIGINT) -> None:
        """Interrupt the worker as `times` times Ctrl-C would, without printing. `by`: the signal received elsewhere."""
        if times > 0:
            self._interrupts, self.ended_by = max(self._interrupts, times), signal.Signals(by)

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

    def run(self, *, introduce: bool = False) -> None:
        """Work until there is nothing left, Ctrl-C, or a timeout.

        With `introduce` a person is told of the studies first: once something is said, Ctrl-C ends as it should.
        """
        gc.freeze()  # configs come and go by thousands of objects; what was there before need not be searched each time
        with (
            handled_by(signal.SIG_IGN if self._interrupts_attribute else lambda *_: self._interrupt(), signal.SIGINT),
            handled_by(lambda number, _: self._terminate(number), *to_end()),
        ):
            try:
                if introduce:
                    with blocked(signal.SIGINT):  # its handler prints too, and would print what is half printed again
                        self.introduce()
                self._loop()
                self.export()
            finally:
                gc.unfreeze()
                for active in list(self.active):  # only where something unforeseen was raised
                    active.running.end()
                self._executor.leave()
                if not isinstance(sys.exc_info()[1], RatchetError):  # of a storage that is away
                    with suppress(Exception):
                        for study in self.studies:
                            study.ledger.give_back()

    def _loop(self) -> None:
        self._display.refresh(self)
        self._keep_alive()
        while True:
            warming = self._executor.warming
            while self._free and warming is None and not self._interrupts and self._start_next():
                self._keep_alive()  # a sampler can take seconds for each
            if not self.active and (self._interrupts or not (self.is_starting or self._others_work())):
                return
            waited_for = [active.running for active in self.active]
            for running in wait_for(waited_for, self._patience(), warming=warming):
                self._hear(next(active for active in self.active if active.running is running))
            for active in list(self.active):
                self._watch(active)
            self._keep_alive()
            self._display.refresh(self)

    def _patience(self) -> float:
        """Seconds until something has to be looked at, if nobody speaks."""
        now = time.monotonic()
        dates = [self._beaten + BEAT_EVERY, self._reclaimed + RECLAIM_EVERY, now + 0.5]
        dates += [active.stop_at for active in self.active if active.stop_at]
        limits = ((active, active.of.plan.settings.trial_timeout) for active in self.active)
        dates += [active.began + limit for active, limit in limits if limit is not None]
        return max(0.0, min(dates) - now)

    def _others_work(self) -> bool:
        """Whether a trial of these studies runs elsewhere: should its worker die, it is ours to do again."""
        return any(
            study.takes_trials and study.ledger.finished() < study.plan.n_trials and self._runs_elsewhere(study)
            for study in self.studies
        )

    def _runs_elsewhere(self, study: OpenStudy) -> bool:
        return any(trial.state == TrialState.RUNNING for trial in study.ledger.trials())

    # --- starting

    def _start_next(self) -> bool:
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
        slot = self._free.pop()
        try:
            job = self._jobs.job(of, claim, overrides, directory, slot, repeat=0)
        except Exception as error:  # noqa: BLE001 - a config that does not compose costs the trial
            self._free.append(slot)
            self._results.report_failure(of, claim, Outcome.of_composing(error))
            return
        now = time.monotonic()
        active = Active(of, claim, overrides, slot, directory, self._executor.start(job), began=now, claimed=now)
        self.active.append(active)
        self._end_if_told(active)
        self._display.started(active)

    # --- listening

    def _hear(self, active: Active) -> None:
        message = active.running.receive()
        if isinstance(message, Report):
            verdict: Verdict = "go" if active.stopping else self._judge(active, message)  # it has heard why it ends
            active.running.answer(verdict)
            if verdict == "prune":
                active.stopping, active.stop_at = "pruned", time.monotonic() + PRUNE_GRACE
            return
        outcome = self._meaning(active, message)
        active.running.end()
        if message is None:
            self._say_lost(active, outcome)
        if outcome.returned is not None:
            self.returns[active.of.plan.name, active.claim.trial.number] = outcome.returned
        if outcome.state == "complete":
            active.metrics.append(outcome.metrics)
            if self._continues(active):
                return
            if len(active.metrics) < active.of.plan.settings.repeats:
                outcome = active.told_to_stop() if self._interrupts else Outcome("pruned")
        self._release(active, outcome)

    def _meaning(self, active: Active, outcome: Outcome | None) -> Outcome:
        """What the end of a training means: it may have been told to stop, here or by somebody else."""
        if outcome is None:
            outcome = Outcome("failed", failure="killed", error=active.running.death)
        if active.stopping is not None and outcome.state != "complete":
            return active.told_to_stop(outcome.traceback)
        if outcome.failure == "interrupted":
            return replace(outcome, failure="killed", error="its process was told to end")
        return outcome

    def _release(self, active: Active, outcome: Outcome) -> None:
        self.active.remove(active)
        self._free.append(active.slot)
        self._results.report(active, outcome)

    def _say_lost(self, active: Active, outcome: Outcome) -> None:
        if self._facts.lost is not None:
            self._facts.lost(active.run_directory, outcome.failure or outcome.state)

    def _judge(self, active: Active, report: Report) -> Any:
        """The pruner's verdict on an intermediate value."""
        active.step, active.value = report.step, report.value
        if active.of.plan.settings.repeats > 1 or len(active.of.plan.objectives) > 1:
            return "go"
        return "prune" if self._is_hopeless(active, report.step, report.value, of=report.of) else "go"

    def _is_hopeless(self, active: Active, step: int, value: float, *, of: int | None) -> bool:
        try:
            if active.length is None and of is not None and isinstance(active.of.study.pruner, HalvingPruner):
                active.claim.trial.set_user_attr(LENGTH, of)
                active.length = of
            active.claim.trial.report(value, step)
            return not active.claim.given and active.claim.trial.should_prune()
        except UpdateFinishedTrialError:
            return True  # another worker took it for lost and has started it again

    def _continues(self, active: Active) -> bool:
        """Start the next repeat, if there is one and the pruner sees hope."""
        plan = active.of.plan
        if len(active.metrics) >= plan.settings.repeats or self._interrupts:
            return False
        if len(plan.objectives) == 1:
            values = [float(metrics[plan.objectives[0].metric]) for metrics in active.metrics]
            single = isinstance(active.of.study.pruner, WilcoxonPruner)
            value = values[-1] if single else statistics.fmean(values)
            if self._is_hopeless(active, len(values), value, of=plan.settings.repeats):
                return False
        active.repeat += 1
        of, slot = active.of, active.slot
        job = self._jobs.job(of, active.claim, active.overrides, active.directory, slot, repeat=active.repeat)
        active.running, active.began = self._executor.start(job), time.monotonic()
        self._end_if_told(active)
        return True

    def _watch(self, active: Active) -> None:
        """Timeouts: asked to stop first, then ended."""
        limit, now = active.of.plan.settings.trial_timeout, time.monotonic()
        if active.stopping is None and limit is not None and now - active.began > limit:
            self._stop(active, "timeout")
        if active.stop_at and now > active.stop_at:
            active.running.end()
            outcome = active.told_to_stop()
            self._say_lost(active, outcome)
            self._release(active, outcome)

    def _stop(self, active: Active, why: Literal["timeout", "interrupted"]) -> None:
        active.stopping, active.stop_at = why, time.monotonic() + STOP_GRACE
        if active.told is not active.running:  # a second word would break off what the first one made it write
            active.told = active.running
            active.running.answer("timeout" if why == "timeout" else "stop")

    def _end_if_told(self, active: Active) -> None:
        """End a training that was being started when a signal came: `active` had not yet led to it."""
        if self._interrupts > 1:
            self._stop(active, "interrupted")

    # --- staying alive

    def _keep_alive(self) -> None:
        now = time.monotonic()
        if now - self._beaten > BEAT_EVERY or not self._beats:
            self._beats, self._beaten = self._beats + 1, now
            for study in self.studies:
                study.ledger.beat(self._beats)
        if now - self._reclaimed > RECLAIM_EVERY or not self._reclaimed:
            self._reclaimed = now
            for study in self.studies:
                self._reclaim(study, now)
        if now - self._exported > EXPORT_EVERY:
            self._exported = now
            self.export()
        if self._interrupts_attribute and now - self._heeded > HEED_EVERY:
            self._heeded = now
            self._heed()

    def _heed(self) -> None:
        """Do as was ordered: Ctrl-C is heard where the workers were placed from, and not everywhere here."""
        study = self.ordered_in
        ordered = study._storage.get_study_user_attrs(study._study_id).get(self._interrupts_attribute, 0)
        self.interrupt(ordered)
        if ordered > 1:
            self._end()

    def _reclaim(self, study: OpenStudy, now: float) -> None:
        study.ledger.reclaim(now=now, lost=lambda trial: self._lost(study, trial))

    def _lost(self, study: OpenStudy, trial: FrozenTrial) -> None:
        if self._facts.lost is not None:
            directory = study.plan.directory / str(trial.number)
            for run in [directory, *directory.glob("repeat*")]:
                self._facts.lost(run, "killed")
        self._display.say(f"trial {trial.number} had lost its worker; it is run again")

    def _interrupt(self) -> None:
        self._exit_if_asked_again(signal.SIGINT)
        self.interrupt(self._interrupts + 1)
        self._exported = 0.0
        if self._interrupts == 1:
            busy = self._slots - len(self._free)  # with what is being started just now
            waits = f"; waiting for {busy} to finish (Ctrl-C again ends them)" if busy else ""
            self._display.say(f"no new trials{waits}")
        else:
            self._end()

    def _exit_if_asked_again(self, number: int) -> None:
        """End at once at the fourth signal, for something may be waited for in vain. Trials end with their worker."""
        self._signals += 1
        if self._signals > PATIENCE:
            SERVER.kill()
            os._exit(128 + number)

    def _terminate(self, number: int) -> None:
        """Whoever ends processes, such as a cluster at its time limit, means it: as Ctrl-C twice."""
        self._exit_if_asked_again(number)
        self._display.say(f"told to end by {signal.Signals(number).name}")
        self._end(by=number)

    def _end(self, *, by: int = signal.SIGINT) -> None:
        """Tell what runs to stop. A third signal changes nothing."""
        self.interrupt(2, by=by)
        ending = [active for active in self.active if active.stopping is None]
        if ending:
            self._display.say(f"ending {len(ending)} running; the same command runs them again")
        for active in ending:
            self._stop(active, "interrupted")
