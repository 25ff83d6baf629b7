"""The look before the first trial: whether everything composes, and what of the machine the trials get."""

from __future__ import annotations

from collections.abc import Sequence

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from ratchet.errors import ConfigError
from ratchet.search.composer import Composer, task_config
from ratchet.search.plan import StudyPlan, TaskFacts, in_full
from ratchet.search.slots import Slot, cores, make_slots


def preflight(plan: StudyPlan, *, composer: Composer, facts: TaskFacts) -> None:
    """Compose every option of every choice, and both ends of every interval. Raises ConfigError for a mistake."""
    for overrides in corners(plan):
        own = [text for text in overrides if text not in plan.fixed]
        try:
            config = composer.compose(in_full(plan.fixed, overrides))
            if facts.check is not None:
                facts.check(task_config(config))
        except ConfigError as error:
            raise ConfigError(f"{' '.join(own)}: {error}" if own else str(error)) from error
        except (HydraException, OmegaConfBaseException) as error:
            if not own:
                raise
            line = next(filter(None, str(error).splitlines()), type(error).__name__).rstrip(".")
            raise ConfigError(f"with {' '.join(own)}: {line}; mend that, or leave it out") from error


def make_ready(plans: Sequence[StudyPlan], *, composer: Composer, facts: TaskFacts, dry_run: bool) -> None:
    """Let the task see to what its trials share, such as data, once, before any of them is placed or run.

    It is given a config of each option of every choice; with `dry_run` it does nothing but say what it would do.
    """
    if facts.ready is None:
        return
    told = [in_full(plan.fixed, overrides) for plan in plans for overrides in covering(corners(plan))]
    facts.ready([task_config(composer.compose(overrides)) for overrides in told], dry_run)


def covering(combinations: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Of many combinations the first ones in which every override that there is occurs."""
    seen: set[str] = set()
    found: list[tuple[str, ...]] = []
    for overrides in combinations:
        if not found or not seen.issuperset(overrides):
            found.append(overrides)
            seen.update(overrides)
    return found


def corners(plan: StudyPlan) -> list[tuple[str, ...]]:
    """Overrides of each cell; of a search, each option of every choice and both ends of every interval."""
    if plan.cells:
        return list(plan.cells)
    corners: list[tuple[str, ...]] = []
    for branch in plan.space.branches(plan.chosen):
        dimensions = list(plan.space.dimensions(branch))
        decided = tuple(d.override(branch[d.key]) for d in dimensions if d.key in plan.space.options)
        rest = [d for d in dimensions if d.key not in plan.space.options]
        corners.append(decided)
        corners += [(*decided, dimension.override(value)) for dimension in rest for value in dimension.ends()]
    return list(dict.fromkeys(corners))


def lease(plans: Sequence[StudyPlan], *, composer: Composer, facts: TaskFacts) -> tuple[list[Slot], str | None]:
    """Slots for these studies, and what a person should know of them."""
    wanted = plans[0].settings.n_jobs
    threads = max(_threads(plan, composer, facts) for plan in plans)
    slots = make_slots(wanted, threads=threads, tickets=sum(plan.n_trials for plan in plans))
    if len(slots) * threads > max(cores(), threads):
        return slots, (
            f"{len(slots)} trainings of {threads} threads on {cores()} cores slow each other down; "
            f"type: sweep.n_jobs={max(1, cores() // threads)}"
        )
    return slots, None


def _threads(plan: StudyPlan, composer: Composer, facts: TaskFacts) -> int:
    if facts.threads is None:
        return 1
    return facts.threads(task_config(composer.compose(in_full(plan.fixed, *plan.cells[:1]))))
