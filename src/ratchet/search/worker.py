"""The worker: it asks the studies for trials, runs each in a process, and tells what came of it."""

from __future__ import annotations

import gc
import signal
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import optuna
from omegaconf import DictConfig
from optuna.exceptions import UpdateFinishedTrialError
from optuna.pruners import WilcoxonPruner
from optuna.trial import FrozenTrial, TrialState

from ratchet.search.channel import Report
from ratchet.search.composer import Composer
from ratchet.search.display import Display
from ratchet.search.executors import Executor, Running, wait_for
from ratchet.search.host import Process
from ratchet.search.ledger import RESULT, Claim, Ledger
from ratchet.search.outcomes import Outcome
from ratchet.search.plan import StudyPlan, TaskFacts, in_full
from ratchet.search.samplers import build_sampler
from ratchet.search.slots import Slot
from ratchet.search.studies import open_study, patiently
from ratchet.search.trial_process import Job

BEAT_EVERY = 10.0  # seconds between two signs of life
RECLAIM_EVERY = 5.0
PRUNE_GRACE = 1.0  # seconds that a pruned training has to end
STOP_GRACE = 10.0  # seconds that a training has to write its checkpoint after `stop`
ALL_ALIKE = 4  # so many failures with one message and no success end a study


@dataclass
class OpenStudy:
    """A study that this worker works on."""

    plan: StudyPlan
    study: optuna.Study
    ledger: Ledger
    composer: Composer
    began: float = field(default_factory=time.monotonic)
    failures: list[str] = field(default_factory=list)
    succeeded: bool = False
    given_up: str | None = None
    measured: dict[str, int] = field(default_factory=dict)  # parameters: number of the trial that came to a value
    indexed: int = 0  # every trial before it is finished, and in `measured` if it came to a value

    @cached_property
    def columns(self) -> dict[str, list[str]]:
        """Each key of a grid that varies, with its values."""
        columns: dict[str, dict[str, None]] = {}
        for cell in self.plan.cells:
            for text in cell:
                key, _, value = text.partition("=")
                columns.setdefault(key, {})[value] = None
        return {key: list(values) for key, values in columns.items() if len(values) > 1}

    @property
    def takes_trials(self) -> bool:
        """Whether it may start another one."""
        limit = self.plan.settings.timeout
        return self.given_up is None and (limit is None or time.monotonic() - self.began < limit)


@dataclass
class Active:
    """A trial in progress: its repeats one after another, in one slot."""

    of: OpenStudy
    claim: Claim
    overrides: tuple[str, ...]
    slot: Slot
    directory: Path
    running: Running
    began: float
    repeat: int = 0
    metrics: list[Mapping[str, float]] = field(default_factory=list)
    stopping: Literal["timeout", "interrupted", "pruned"] | None = None  # why it was told to stop
    stop_at: float = 0.0
    step: int = 0
    value: float | None = None

    @property
    def run_directory(self) -> Path:
        """Of the training that runs now."""
        repeated = self.of.plan.settings.repeats > 1
        return self.directory / f"repeat{self.repeat}" if repeated else self.directory


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
    ) -> None:
        self._task, self._context, self._composer = task, context, composer
        self._executor, self._display, self._facts, self._keep = executor, display, facts, keep_returns
        self._name = f"{Process.this().name}/{id(self):x}"
        self._free = list(reversed(slots))
        self.active: list[Active] = []
        self._interrupts = 0
        self._beats, self._beaten, self._reclaimed = 0, 0.0, 0.0
        self.returns: dict[tuple[str, int], bytes] = {}  # Hydra's JobReturns, pickled
        self.studies = [self._open(plan) for plan in plans]
        if slots and not self.is_done:
            executor.warm_up()

    def _open(self, plan: StudyPlan) -> OpenStudy:
        study = patiently(lambda: open_study(plan, say=self._display.say), say=self._display.say)
        ledger = Ledger(study, tickets=plan.n_trials, retries=plan.settings.retries, worker=self._name)
        ledger.beat(0)  # by what a worker finds it draws its seed: alone on a new study it is the same again
        found = len(study.get_trials(deepcopy=False)), len(ledger.others(now=time.monotonic()))
        study.sampler = build_sampler(plan.settings, salt=str(found))
        return OpenStudy(plan, study, ledger, self._composer)

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended it early."""
        return self._interrupts > 0

    @property
    def finished(self) -> int:
        """How many trials of all studies are done with."""
        return sum(study.ledger.finished() for study in self.studies)

    @property
    def is_done(self) -> bool:
        """Whether no study has a trial left."""
        return all(study.ledger.finished() >= study.plan.n_trials for study in self.studies)

    def others(self) -> int:
        """How many other workers are alive."""
        now = time.monotonic()
        return len({name for study in self.studies for name in study.ledger.others(now=now)})

    def say(self, line: str) -> None:
        """A note for a person."""
        self._display.say(line)

    def run(self) -> None:
        """Work until there is nothing left, Ctrl-C, or a timeout."""
        gc.freeze()  # configs come and go by thousands of objects; what was there before need not be searched each time
        with _on_interrupt(self._interrupt):
            try:
                self._loop()
            finally:
                gc.unfreeze()
                for active in list(self.active):  # only where something unforeseen was raised
                    active.running.end()

    def _loop(self) -> None:
        self._display.refresh(self)
        self._keep_alive()
        while True:
            while self._free and not self._interrupts and self._start_next():
                pass
            if not self.active and (self._interrupts or not self._others_work()):
                return
            for running in wait_for([active.running for active in self.active], self._patience()):
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
            claim = patiently(study.ledger.claim, say=self._display.say)
            if claim is not None:
                self._start(study, claim)
                return True
        return False

    def _start(self, of: OpenStudy, claim: Claim) -> None:
        try:
            overrides = self._overrides(of, claim)
        except Exception as error:  # noqa: BLE001 - a sampler that fails costs the trial, not the sweep
            self._settle_failure(of, claim, Outcome.of_error(error))
            return
        if not of.plan.cells and (known := self._measured(of, claim.trial)) is not None:
            self._settle_duplicate(of, claim, known)
            return
        directory = of.plan.directory / str(claim.trial.number)
        slot = self._free.pop()
        try:
            job = self._job(of, claim, overrides, directory, slot, repeat=0)
        except Exception as error:  # noqa: BLE001 - a config that does not compose costs the trial
            self._free.append(slot)
            self._settle_failure(of, claim, Outcome("failed", failure="compose error", error=_line(error)))
            return
        active = Active(of, claim, overrides, slot, directory, self._executor.start(job), time.monotonic())
        self.active.append(active)
        self._display.started(active)

    def _overrides(self, of: OpenStudy, claim: Claim) -> tuple[str, ...]:
        """The trial's own overrides, on record in the study before anything runs."""
        if of.plan.cells:
            cell = of.plan.cells[claim.ticket]
            _record_cell(of, claim.trial, cell)
            return cell
        return tuple(of.plan.space.suggest(claim.trial, of.plan.chosen))

    def _measured(self, of: OpenStudy, trial: optuna.Trial) -> FrozenTrial | None:
        """An earlier trial of the study with the same parameters that came to a value."""
        trials = of.study.get_trials(deepcopy=False)
        for other in trials[of.indexed :]:
            if other.state == TrialState.COMPLETE:
                of.measured.setdefault(_key(other), other.number)
            of.indexed += other.state.is_finished() and other.number == of.indexed
        found = of.measured.get(_key(trial))
        return trials[found] if found is not None and found != trial.number else None

    def _job(
        self, of: OpenStudy, claim: Claim, overrides: Sequence[str], directory: Path, slot: Slot, *, repeat: int
    ) -> Job:
        repeated = of.plan.settings.repeats > 1
        again = self._facts.repeat(repeat) if repeated and self._facts.repeat else []
        task = in_full(of.plan.fixed, overrides, again)
        number = claim.trial.number
        config = of.composer.compose(task, number=number, directory=str(of.plan.directory))
        if repeated:
            directory = directory / f"repeat{repeat}"
            config.hydra.sweep.subdir = f"{number}/repeat{repeat}"
        return Job(
            task=self._task, config=config, context=self._context, study=of.plan.name, number=number,
            directory=directory, names=self._names(of.plan), keep_return=self._keep, environment=slot.environment,
        )  # fmt: skip

    def _names(self, plan: StudyPlan) -> tuple[str, ...]:
        bounds = [bound.metric for bound in plan.settings.bounds]
        return tuple(dict.fromkeys([*(each.metric for each in plan.objectives), *bounds]))

    # --- listening

    def _hear(self, active: Active) -> None:
        message = active.running.receive()
        if isinstance(message, Report):
            verdict = self._judge(active, message)
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
                outcome = _told_to_stop(active) if self._interrupts else Outcome("pruned")
        self._release(active, outcome)

    def _meaning(self, active: Active, outcome: Outcome | None) -> Outcome:
        """What the end of a training means: it may have been told to stop, here or by somebody else."""
        if outcome is None:
            outcome = Outcome("failed", failure="killed", error=active.running.death)
        if active.stopping is not None and outcome.state != "complete":
            return _told_to_stop(active, outcome.traceback)
        if outcome.failure == "interrupted":
            return replace(outcome, failure="killed", error="its process was told to end")
        return outcome

    def _release(self, active: Active, outcome: Outcome) -> None:
        self.active.remove(active)
        self._free.append(active.slot)
        patiently(lambda: self._settle(active, outcome), say=self._display.say)

    def _say_lost(self, active: Active, outcome: Outcome) -> None:
        if self._facts.lost is not None:
            self._facts.lost(active.run_directory, outcome.failure or outcome.state)

    def _judge(self, active: Active, report: Report) -> Any:
        """The pruner's verdict on an intermediate value."""
        active.step, active.value = report.step, report.value
        if active.of.plan.settings.repeats > 1 or len(active.of.plan.objectives) > 1:
            return "go"
        return "prune" if self._is_hopeless(active, report.step, report.value) else "go"

    def _is_hopeless(self, active: Active, step: int, value: float) -> bool:
        def ask() -> bool:
            active.claim.trial.report(value, step)
            return active.claim.trial.should_prune()

        try:
            return patiently(ask, say=self._display.say)
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
            if self._is_hopeless(active, len(values), values[-1] if single else statistics.fmean(values)):
                return False
        active.repeat += 1
        job = self._job(active.of, active.claim, active.overrides, active.directory, active.slot, repeat=active.repeat)
        active.running, active.began = self._executor.start(job), time.monotonic()
        return True

    def _watch(self, active: Active) -> None:
        """Timeouts: asked to stop first, then ended."""
        limit, now = active.of.plan.settings.trial_timeout, time.monotonic()
        if active.stopping is None and limit is not None and now - active.began > limit:
            self._stop(active, "timeout")
        if active.stop_at and now > active.stop_at:
            active.running.end()
            outcome = _told_to_stop(active)
            self._say_lost(active, outcome)
            self._release(active, outcome)

    def _stop(self, active: Active, why: Literal["timeout", "interrupted"]) -> None:
        active.stopping, active.stop_at = why, time.monotonic() + STOP_GRACE
        active.running.answer("stop")

    # --- settling

    def _settle(self, active: Active, outcome: Outcome) -> None:
        of, claim = active.of, active.claim
        if outcome.state == "failed":
            self._settle_failure(of, claim, outcome)
            return
        complete = outcome.state == "complete"
        state = TrialState.COMPLETE if complete else TrialState.PRUNED
        metrics = _means(active.metrics)
        try:
            result: dict[str, Any] = {"metrics": metrics, "seconds": round(time.monotonic() - active.began, 3)}
            if len(active.metrics) > 1:
                result["repeats"] = [dict(each) for each in active.metrics]
            claim.trial.set_user_attr(RESULT, result)
            for bound in of.plan.settings.bounds if metrics else ():
                claim.trial.set_constraint(f"{bound.metric}", bound.excess(metrics))
            values = [metrics[each.metric] for each in of.plan.objectives] if complete else None
            of.study.tell(claim.trial, values, state=state)
        except UpdateFinishedTrialError:
            self._display.say(f"trial {claim.trial.number} was taken for lost meanwhile; its result is left aside")
            return
        of.succeeded = True
        self._display.finished(of, claim.trial.number, state.name.lower(), outcome, metrics)

    def _settle_failure(self, of: OpenStudy, claim: Claim, outcome: Outcome) -> None:
        lost = outcome.failure in {"killed", "interrupted"}
        again = outcome.failure == "interrupted" or (lost and claim.attempt < of.plan.settings.retries)
        number = claim.trial.number
        result = {"failure": outcome.failure, "error": outcome.error, "traceback": outcome.traceback, "over": not again}
        if of.ledger.fail(claim.trial._trial_id, result) and again:
            attempt = claim.attempt + (outcome.failure == "killed")
            kept = {"ticket": claim.ticket, "attempt": attempt, "lost": claim.lost}
            of.ledger.retry(kept, claim.trial.params, of=number)
        self._display.finished(of, number, "failed", outcome, {}, again=again)
        if not again:
            of.failures.append(outcome.error)
        if not of.succeeded and len(of.failures) >= ALL_ALIKE and len(set(of.failures)) == 1 and of.given_up is None:
            of.given_up = outcome.error
            self._display.say(f"study {of.plan.name} ends early: {ALL_ALIKE} trials failed alike and none succeeded")

    def _settle_duplicate(self, of: OpenStudy, claim: Claim, known: FrozenTrial) -> None:
        claim.trial.set_user_attr(RESULT, {"duplicate_of": known.number})
        of.study.tell(claim.trial, list(known.values))
        self._display.finished(of, claim.trial.number, "known", Outcome("complete"), {})

    # --- staying alive

    def _keep_alive(self) -> None:
        now = time.monotonic()
        if now - self._beaten > BEAT_EVERY or not self._beats:
            self._beats, self._beaten = self._beats + 1, now
            for study in self.studies:
                patiently(lambda study=study: study.ledger.beat(self._beats), say=self._display.say)  # type: ignore[misc]
        if now - self._reclaimed > RECLAIM_EVERY or not self._reclaimed:
            self._reclaimed = now
            for study in self.studies:
                patiently(lambda study=study: self._reclaim(study, now), say=self._display.say)  # type: ignore[misc]

    def _reclaim(self, study: OpenStudy, now: float) -> None:
        study.ledger.reclaim(now=now, lost=lambda trial: self._lost(study, trial))

    def _lost(self, study: OpenStudy, trial: FrozenTrial) -> None:
        if self._facts.lost is not None:
            directory = study.plan.directory / str(trial.number)
            for run in [directory, *directory.glob("repeat*")]:
                self._facts.lost(run, "killed")
        self._display.say(f"trial {trial.number} had lost its worker; it is run again")

    def _interrupt(self) -> None:
        self._interrupts += 1
        if self._interrupts == 1:
            self._display.say(f"no new trials; waiting for {len(self.active)} to finish (Ctrl-C again ends them)")
        else:
            for active in self.active:
                self._stop(active, "interrupted")


def _key(trial: optuna.Trial | FrozenTrial) -> str:
    return repr(sorted(trial.params.items()))


def _record_cell(of: OpenStudy, trial: optuna.Trial, cell: Sequence[str]) -> None:
    """A grid's values as the trial's parameters: a column each, in every dashboard."""
    for text in cell:
        key, _, value = text.partition("=")
        if key in of.columns and key not in trial.params:
            values = of.columns[key]
            kind = optuna.distributions.CategoricalDistribution(tuple(values))
            of.study._storage.set_trial_param(trial._trial_id, key, values.index(value), kind)


def _means(metrics: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = list(metrics[0]) if metrics else []
    return {name: statistics.fmean(each[name] for each in metrics if name in each) for name in names}


def _told_to_stop(active: Active, traceback: str = "") -> Outcome:
    """What a training came to that was told to stop, however it took that."""
    if active.stopping == "pruned":
        return Outcome("pruned")
    if active.stopping == "timeout":
        limit = active.of.plan.settings.trial_timeout
        return Outcome("failed", failure="timeout", error=f"longer than {limit:g} s", traceback=traceback)
    return Outcome("failed", failure="interrupted", error="Ctrl-C", traceback=traceback)


def _line(error: BaseException) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


@contextmanager
def _on_interrupt(action: Callable[[], None]) -> Iterator[None]:
    try:
        before = signal.signal(signal.SIGINT, lambda *_: action())
    except ValueError:  # not in the main thread: somebody else handles signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
