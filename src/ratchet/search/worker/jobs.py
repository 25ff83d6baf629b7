"""The jobs of trials: what a trial process is given to run a claimed trial."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ratchet.search.processes.slots import Slot
from ratchet.search.processes.trial_process import Job
from ratchet.search.space.composer import Composer
from ratchet.search.space.plan import StudyPlan, TaskFacts, in_full
from ratchet.search.storage.ledger import Claim
from ratchet.search.storage.studies import at_once, training_identity
from ratchet.search.worker.hydra_job import HydraJob, HydraTask
from ratchet.search.worker.progress import OpenStudy


@dataclass(frozen=True)
class Jobs:
    """What the trainings of a command line have in common."""

    task: HydraTask
    composer: Composer
    facts: TaskFacts
    keep_returns: bool = False

    def overrides(self, of: OpenStudy, claim: Claim) -> tuple[str, ...]:
        """The trial's own overrides, on record in the study before anything runs."""
        with at_once(of.study):
            if not of.plan.cells:
                own = of.plan.space.suggest(claim.trial, of.plan.chosen)
                return (*own, *(self.facts.extend(claim.trial, of.plan.fixed) if self.facts.extend else ()))
            cell = of.plan.cells[claim.ticket]
            of.record_cell(claim.trial, cell)
            return cell

    def job(
        self, of: OpenStudy, claim: Claim, overrides: Sequence[str], directory: Path, slot: Slot, *, repeat: int
    ) -> Job:
        repeated = of.plan.settings.repeats > 1
        again = self.facts.repeat(repeat) if repeated and self.facts.repeat else []
        task = in_full(of.plan.fixed, overrides, again)
        number = claim.trial.number
        config = self.composer.compose(task, number=number, directory=str(of.plan.directory))
        if repeated:
            directory = directory / f"repeat{repeat}"
            config.hydra.sweep.subdir = f"{number}/repeat{repeat}"
        return Job(
            self.task, HydraJob(config, _names(of.plan), self.keep_returns), study=of.plan.name, number=number,
            directory=directory, environment=slot.environment,
            identity=training_identity(of.study, ticket=claim.ticket, repeat=repeat),
        )  # fmt: skip


def _names(plan: StudyPlan) -> tuple[str, ...]:
    bounds = [bound.metric for bound in plan.settings.bounds]
    return tuple(dict.fromkeys([*(each.metric for each in plan.objectives), *bounds]))
