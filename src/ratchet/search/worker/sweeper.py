"""What Hydra's sweeper plugin does, away from Hydra: plan, look before leaping, work, report."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import DictConfig, OmegaConf

from ratchet.config.grammar import to_override_value
from ratchet.config.hints import to_type
from ratchet.errors import ConfigError, Interrupted, RatchetError
from ratchet.files import shown, write_atomically
from ratchet.redaction import redacted
from ratchet.search.processes.executors import ForkedExecutor
from ratchet.search.processes.server import SERVER
from ratchet.search.processes.slots import Slot
from ratchet.search.space.composer import Composer
from ratchet.search.space.plan import StudyPlan, TaskFacts, composable, first_values, in_full, plan_studies
from ratchet.search.space.preflight import build_ahead, corners, lease, make_ready, preflight, resolutions
from ratchet.search.space.settings import SweepSettings
from ratchet.search.storage.ledger import is_over
from ratchet.search.worker import official, results
from ratchet.search.worker.display import Display, TerminalDisplay
from ratchet.search.worker.dry_run import tell_plan
from ratchet.search.worker.recheck import recheck_plan, tell_recheck
from ratchet.search.worker.remote_interrupts import RemoteInterrupts
from ratchet.search.worker.worker import Worker
from ratchet.terminal.signals import handled_by


@dataclass(frozen=True)
class Sweep:
    """A sweep: the studies of one command line with -m."""

    sweeps: Mapping[str, SweepSettings]
    arguments: Sequence[str]
    directory: Path
    nested: bool  # each study in a directory of its own below
    task: Callable[[DictConfig], Any]
    context: Any  # HydraContext
    master: DictConfig
    facts: TaskFacts
    launcher: str = "basic"  # the option of hydra/launcher
    keep_returns: bool = False

    @contextmanager
    def server(self) -> Iterator[None]:
        """Trials of this process are forked from a server; its imports begin before anything is planned."""
        if self.launcher == "basic" and not any(settings.dry_run for settings in self.sweeps.values()):
            SERVER.begin(self.facts.preload)
            try:
                yield
            finally:
                SERVER.leave()
        else:
            SERVER.end()  # one that was begun by a wrong guess
            yield

    def plans(self, composer: Composer) -> list[StudyPlan]:
        """The studies, each checked: everything a trial could ask for composes. Raises ConfigError."""
        workers = max(settings.n_workers for settings in self.sweeps.values())
        if workers > 1 and self.launcher == "basic":
            raise ConfigError(
                f"sweep.n_workers={workers}: hydra/launcher=basic places one; allowed: joblib, submitit_local, "
                "submitit_slurm, ray; type: hydra/launcher=joblib, or n_jobs instead, for trials at once in one worker"
            )
        plans, notes = plan_studies(self.sweeps, self.arguments, composer=composer, facts=self.facts)
        nested = self.nested or len(plans) > 1
        placed = [replace(p, directory=self.directory / p.name if nested else self.directory) for p in plans]
        for plan in placed:
            preflight(plan, composer=composer, facts=self.facts)
        notes += build_ahead(placed, composer=composer, facts=self.facts)
        with TerminalDisplay() as display:
            for note in [*notes, *composer.notes]:
                display.say(note)
        return placed

    def run(self, plans: Sequence[StudyPlan], composer: Composer) -> Worker:
        """Work until the studies are done: here, and in as many workers as Hydra's launcher is to place."""
        task, wanted = WorkerTask(self, tuple(plans)), plans[0].settings.n_workers
        if self.launcher == "basic" and wanted == 1:
            return task.work(composer, live=True, opened=lambda: self._keep_config(plans))
        observer = task.worker(composer, slots=[], live=False)  # it makes the studies, once
        self._keep_config(plans)
        wanted = _useful_workers(plans, observer)
        observer.announce(f"{wanted} worker{'' if wanted == 1 else 's'} by {self.launcher}")
        with RemoteInterrupts(observer) as interrupts:
            self._launch(replace(task, interrupts_attribute=interrupts.attribute), observer)
        observer.export()
        return observer

    def _keep_config(self, plans: Sequence[StudyPlan]) -> None:
        """Write multirun.yaml as Hydra does, once the studies could be opened."""
        for plan in plans:
            plan.directory.mkdir(parents=True, exist_ok=True)
            text = redacted(OmegaConf.to_yaml(self.master))  # a storage's password, for one
            write_atomically(plan.directory / "multirun.yaml", text.encode())

    def _launch(self, task: WorkerTask, observer: Worker) -> None:
        """Place workers until the studies are done.

        Where one was lost, and others with it or not, as many are placed again, if any trial was finished since.
        """
        placed = 0
        while True:
            wanted = _useful_workers(task.plans, observer)
            before, missing = observer.finished, wanted if not placed else wanted - observer.others()
            if missing > 0:
                error = self._place(task, range(placed, placed + missing))
                placed += missing
                if error is None or observer.ended_by:
                    return
                line = " ".join(str(error).split())[:200] or type(error).__name__
                if observer.finished == before and not observer.is_done:
                    raise RatchetError(
                        f"hydra/launcher={self.launcher} lost its workers ({line}); the study keeps what was finished; "
                        "type the same command again, to go on"
                    ) from error
                observer.say(f"a worker was lost ({line}); what it ran is run again")
            if observer.is_done or observer.ended_by:
                return
            time.sleep(1)  # launchers end what they placed beside a lost one

    def _place(self, task: WorkerTask, numbers: range) -> Exception | None:
        """Workers as Hydra's jobs, until all have ended. Returns what a launcher raises that lost one."""
        launcher = Plugins.instance().instantiate_launcher(
            hydra_context=self.context, task_function=task, config=self.master
        )
        plan = task.plans[0]
        base = os.path.relpath(plan.directory / "workers", self.directory)
        others = in_full(first_values(plan.space.common, self.facts), plan.fixed, corners(plan)[0])
        needed = composable(Composer(self.context.config_loader, self.master), (), others)  # such as a mandatory group
        jobs = [[*needed, f"hydra.sweep.subdir={to_override_value(f'{base}/{k}')}"] for k in numbers]
        try:
            returned = launcher.launch(jobs, initial_job_idx=numbers.start)
        except Exception as error:  # noqa: BLE001 - every launcher has its own
            return error
        for job in returned:
            if job.status == JobStatus.FAILED:
                raise job._return_value
        return None


def _useful_workers(plans: Sequence[StudyPlan], observer: Worker) -> int:
    """How many workers to place: one without a trial would hold its machine."""
    settings = plans[0].settings
    return min(settings.n_workers, max(1, observer.left, settings.recheck.top * settings.recheck.seeds))


class Returns(Sequence[JobReturn]):
    """What Hydra gets of a batch, unpickled where somebody looks at it; a command line does not."""

    def __init__(self, pickled: Sequence[bytes]) -> None:
        self._pickled = pickled

    def __len__(self) -> int:
        return len(self._pickled)

    def __getitem__(self, index: Any) -> Any:
        chosen = self._pickled[index]
        return Returns(chosen) if isinstance(index, slice) else pickle.loads(chosen)


@dataclass(frozen=True)
class WorkerTask:
    """A worker as a task of Hydra's: what a launcher places."""

    sweep: Sweep
    plans: tuple[StudyPlan, ...]
    interrupts_attribute: str = ""  # where it is placed: the study attribute that it heeds

    def __call__(self, _: DictConfig) -> int:
        """Work. Returns how many studies are done."""
        composer = Composer(self.sweep.context.config_loader, self.sweep.master)
        with handled_by(signal.SIG_IGN, signal.SIGINT):  # it is told through the study
            worker = self.work(composer, live=False)
        return sum(study.ledger.finished() >= study.plan.n_trials for study in worker.studies)

    def work(self, composer: Composer, *, live: bool, opened: Callable[[], None] = lambda: None) -> Worker:
        """Work here; `opened` is called once there are studies. The best are trained again where that was asked."""
        slots, note = lease(self.plans, composer=composer, facts=self.sweep.facts)
        with TerminalDisplay(live=live) as display:
            if note:
                display.say(note)
            worker = self.worker(composer, slots=slots, live=live, display=display)
            opened()
            worker.run(announce=not self.interrupts_attribute)
            wanted = [recheck_plan(study.study, study.plan, self.sweep.facts) for study in worker.studies]
            plans = [plan for plan in wanted if plan is not None]
            if plans and worker.ended_by is None:
                for plan in plans:
                    plan.directory.mkdir(parents=True, exist_ok=True)
                again = replace(self, plans=tuple(plans)).worker(composer, slots=slots, live=live, display=display)
                again.interrupt_study = worker.interrupt_study
                again.run(announce=not self.interrupts_attribute)
        return worker

    def worker(
        self, composer: Composer, *, slots: Sequence[Slot], live: bool, display: Display | None = None
    ) -> Worker:
        """Return a worker that has not begun."""
        return Worker(
            self.plans, task=self.sweep.task, context=self.sweep.context, composer=composer,
            executor=ForkedExecutor(self.sweep.facts.preload), slots=slots,
            display=display or TerminalDisplay(live=live), facts=self.sweep.facts,
            keep_returns=self.sweep.keep_returns, interrupts_attribute=self.interrupts_attribute,
        )  # fmt: skip


def sweep_under_hydra(
    arguments: Sequence[str],
    *,
    settings: Mapping[str, Any],
    task: Callable[[DictConfig], Any],
    context: Any,
    master: DictConfig,
    facts: TaskFacts,
) -> list[Sequence[JobReturn]]:
    """Do what is between Hydra's sweep() and its return: one batch, of the trials that this call ran.

    `settings` are those of hydra.sweeper. With keep_returns a mistake ends as in a plain application: by its line.
    """
    try:
        return _sweep(arguments, settings=settings, task=task, context=context, master=master, facts=facts)
    except RatchetError as error:
        if not settings["keep_returns"]:
            raise
        print(f"error: {official.in_official_words(str(error), settings)}", file=sys.stderr)
        raise SystemExit(1) from error


def _sweep(
    arguments: Sequence[str], *, settings: Mapping[str, Any], task: Callable[[DictConfig], Any], context: Any,
    master: DictConfig, facts: TaskFacts,
) -> list[Sequence[JobReturn]]:  # fmt: skip
    launcher = str(OmegaConf.select(master, "hydra.runtime.choices")["hydra/launcher"])
    asked = official.translate(settings, arguments, launcher=launcher, master=master)
    facts = replace(facts, extend=asked.custom or facts.extend)
    sweep = Sweep(
        sweeps=asked.sweeps, arguments=asked.arguments, directory=Path(str(master.hydra.sweep.dir)),
        nested=settings["nested"], task=task, context=context, master=master, facts=facts, launcher=launcher,
        keep_returns=settings["keep_returns"],
    )  # fmt: skip
    composer = Composer(context.config_loader, master)
    with sweep.server():
        plans = sweep.plans(composer)
        dry_run = any(plan.settings.dry_run for plan in plans)
        make_ready(plans, composer=composer, facts=facts, dry_run=dry_run)
        with TerminalDisplay() as display:
            for line in [*asked.notes, *resolutions(plans, composer=composer, facts=facts)]:
                display.say(line)
        if dry_run:
            for plan in plans:
                tell_plan(plan, composer=composer, facts=facts)
            return []
        worker = sweep.run(plans, composer)
    if not sweep.keep_returns:
        report(worker, facts)
    else:
        study = worker.studies[0]
        if asked.is_official or (len(worker.studies) == 1 and not study.plan.cells):
            results.save_as_plugin(study.study, study.plan, sweep.directory)
        _exit_as_hydra_would(worker, most=asked.max_failure_rate)
    return [Returns([worker.returns[key] for key in sorted(worker.returns)])]


def _exit_as_hydra_would(worker: Worker, *, most: float | None) -> None:
    """A plain application fails where it was interrupted, and where all of its trials failed, or more than `most`.

    A grid whose task returns no number is for printing or the like: its trials have no value, and it did not fail.
    """
    if worker.ended_by is not None:
        ended = Interrupted(worker.ended_by)
        print(ended.said, file=sys.stderr)
        raise SystemExit(ended.status)
    over = [
        (trial, results.has_failed(trial) and (results.failure(trial) != "no value" or not study.plan.cells))
        for study in worker.studies for trial in study.study.get_trials(deepcopy=False) if is_over(trial)
    ]  # fmt: skip
    failed = [trial for trial, has_failed in over if has_failed]
    if over and (len(failed) == len(over) or (most is not None and len(failed) > most * len(over))):
        of = "all" if len(failed) == len(over) else f"{len(failed)} of"
        count = f"{of} {len(over)} trials failed, such as" if len(over) > 1 else "it failed:"
        where = shown(worker.studies[0].plan.directory)
        print(
            f"error: {count} {results.cause(failed[0])}; type: {to_type('cat', f'{where}/trials.csv')}", file=sys.stderr
        )
        raise SystemExit(1)


def report(worker: Worker, facts: TaskFacts) -> None:
    """Print the table of each study."""
    failed = 0
    for study in worker.studies:
        results.show(study.study, study.plan, command=facts.command, follow_up=facts.follow_up)
        tell_recheck(study.study, study.plan, facts)
        failed += sum(results.has_failed(trial) for trial in study.study.get_trials(deepcopy=False))
        left = study.plan.n_trials - study.ledger.finished()
        if left > 0:
            print(f"  {left} of {study.plan.n_trials} trials are left; the same command goes on with them")
    if facts.ended is not None:
        facts.ended(failed, worker.ended_by)
