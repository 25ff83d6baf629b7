"""The look before the first trial: whether everything composes, and what of the machine the trials get."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Mapping, Sequence

from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from ratchet.errors import ConfigError, first_line
from ratchet.search.processes.slots import Slot, cores, make_slots
from ratchet.search.space.composer import Composer
from ratchet.search.space.plan import StudyPlan, TaskFacts, composable, first_values, in_full

MOST_BUILT = 64  # combinations of all studies of a command that are built ahead; a model takes some milliseconds


def preflight(plan: StudyPlan, *, composer: Composer, facts: TaskFacts) -> None:
    """Compose every option of every choice, and both ends of every interval. Raises ConfigError for a mistake."""
    others = first_values(plan.space.common, facts)
    for overrides in corners(plan):
        own = [text for text in overrides if text not in plan.fixed]
        try:
            told = composable(composer, in_full(plan.fixed, overrides), others)
            config = composer.task(told)
            if facts.check is not None:
                facts.check(config, told)
            known = None if facts.metrics is None else facts.metrics(config)
            missing = [each.metric for each in plan.objectives if known is not None and each.metric not in known]
            if missing:
                raise ConfigError(
                    f"it is not judged by {missing[0]}, as the rest of the study is; allowed: what has one objective; "
                    "type: a command for each, or sweep.objectives='[{metric: seconds}]'"
                )
        except ConfigError as error:
            raise ConfigError(f"{' '.join(own)}: {error}" if own else str(error)) from error
        except (HydraException, OmegaConfBaseException) as error:
            if not own:
                raise
            said = f"with {' '.join(own)}: {first_line(error).rstrip('.')}"
            raise ConfigError(f"{said}; mend that, or leave it out") from error


def make_ready(plans: Sequence[StudyPlan], *, composer: Composer, facts: TaskFacts, dry_run: bool) -> None:
    """Let the task see to what its trials share, such as data, once, before any of them is placed or run.

    It is given a config of each option of every choice; with `dry_run` it does nothing but say what it would do.
    """
    if facts.ready is None:
        return
    told = [in_full(plan.fixed, overrides) for plan in plans for overrides in covering(corners(plan))]
    facts.ready([composer.task(overrides) for overrides in told], dry_run)


def resolutions(plans: Sequence[StudyPlan], *, composer: Composer, facts: TaskFacts) -> list[str]:
    """What the data of the studies can tell apart, a line for each that is another one."""
    if facts.resolution is None:
        return []
    first = [composer.task(in_full(plan.fixed, corners(plan)[0])) for plan in plans]
    return list(dict.fromkeys(filter(None, map(facts.resolution, first))))


def covering(combinations: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return the first combinations that together contain every override."""
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


def build_ahead(plans: Sequence[StudyPlan], *, composer: Composer, facts: TaskFacts) -> list[str]:
    """Let the task build what each option asks for. Returns notes for a person.

    Of a grid its cells are built, of a search combinations of its choices and of the ends of its intervals; of more
    than MOST_BUILT a part, in which the options take turns. Raises ConfigError for an option with which nothing can be
    built. One that goes with some others and not with all is a note: a search may do without.
    """
    if facts.build is None:
        return []
    most = max(1, MOST_BUILT // len(plans))
    chosen = [_combinations(plan, most=most) for plan in plans]
    asked = [(plan, own) for plan, (combinations, _) in zip(plans, chosen, strict=True) for own in combinations]
    said = iter(_said(asked, composer=composer, facts=facts))
    notes = []
    for plan, (combinations, total) in zip(plans, chosen, strict=True):
        tried = dict(zip(combinations, said, strict=False))
        _refuse_options(tried, plan)
        notes += _notes(tried, total, plan)
    return list(dict.fromkeys(notes))


def _notes(tried: Mapping[tuple[str, ...], str | None], total: int, plan: StudyPlan) -> list[str]:
    """What a person should know of combinations that cannot be built, or were not tried."""
    wrong = [(own, line) for own, line in tried.items() if line is not None]
    notes = []
    if wrong:
        first = " ".join(text for text in wrong[0][0] if text not in plan.fixed)
        notes.append(f"{len(wrong)} of {len(tried)} combinations cannot be built, such as {first}: {wrong[0][1]}")
    if tried and len(tried) < total and (plan.cells or plan.settings.dry_run):
        notes.append(f"{len(tried)} of {total:,} combinations were built ahead; others are built in their trials")
    return notes


def _refuse_options(tried: Mapping[tuple[str, ...], str | None], plan: StudyPlan) -> None:
    """Raises ConfigError for an option all of whose combinations have something wrong: of several the likeliest."""
    reasons: dict[str, list[str | None]] = {}
    for own, line in tried.items():
        for text in (each for each in own if each not in plan.fixed):
            reasons.setdefault(text, []).append(line)
    always = set(tried.values())
    if len(always) == 1 and None not in always and all(len(lines) < len(tried) for lines in reasons.values()):
        raise ConfigError(str(always.pop()))  # whatever varies: it is of what does not
    hopeless = [option for option, lines in reasons.items() if all(lines)]
    if hopeless:
        option = min(hopeless, key=lambda option: len(set(reasons[option])))  # one reason: it is its own
        raise ConfigError(f"{option}: {reasons[option][0]}")


def _said(
    asked: Sequence[tuple[StudyPlan, tuple[str, ...]]], *, composer: Composer, facts: TaskFacts
) -> list[str | None]:
    """What is wrong with each combination, as far as the task came with them."""
    assert facts.build is not None
    said: dict[int, str | None] = {}
    composed = {}
    for number, (plan, overrides) in enumerate(asked):
        try:
            told = in_full(plan.fixed, overrides)
            config = composer.task(told)
            if facts.check is not None:
                facts.check(config, told)
            composed[number] = config
        except (ConfigError, HydraException, OmegaConfBaseException) as error:
            said[number] = first_line(error)
    said |= dict(zip(composed, facts.build(list(composed.values())), strict=False))
    return [said[number] for number in itertools.takewhile(said.__contains__, range(len(asked)))]


def _combinations(plan: StudyPlan, *, most: int) -> tuple[list[tuple[str, ...]], int]:
    """Overrides to build, at most about `most`, and how many there are."""
    if plan.cells:
        first = covering(plan.cells)
        rest = list(dict.fromkeys(plan.cells).keys() - set(first))
        drawn = random.Random(0).sample(sorted(rest), max(0, min(len(rest), most - len(first))))
        return [*first[:most], *drawn], len(plan.cells)
    branches = list(plan.space.branches(plan.chosen))
    found, total = [], 0
    for branch in branches:
        dimensions = plan.space.dimensions(branch)
        ends = [
            [d.override(v) for v in ([branch[d.key]] if d.key in plan.space.options else d.ends())] for d in dimensions
        ]
        product = math.prod(map(len, ends))
        share = max(1, most // len(branches))
        found += list(itertools.product(*ends)) if product <= share else _taking_turns(ends, share)
        total += product
    return list(dict.fromkeys(found)), total


def _taking_turns(ends: Sequence[Sequence[str]], count: int) -> list[tuple[str, ...]]:
    """Return combinations in which each value of a dimension comes as often as the others, give or take one."""
    draw, columns = random.Random(0), []
    for values in ends:
        column = list(itertools.islice(itertools.cycle(values), count))
        draw.shuffle(column)
        columns.append(column)
    return list(zip(*columns, strict=True))


def lease(plans: Sequence[StudyPlan], *, composer: Composer, facts: TaskFacts) -> tuple[list[Slot], str | None]:
    """Slots for these studies, and what a person should know of them."""
    wanted = plans[0].settings.n_jobs
    threads = max(_most(facts.threads, plan, composer) for plan in plans)
    devices = max(_most(facts.devices, plan, composer) for plan in plans)
    slots = make_slots(wanted, threads=threads, devices=devices, tickets=sum(plan.n_trials for plan in plans))
    if len(slots) * threads > max(cores(), threads):
        return slots, (
            f"{len(slots)} trainings of {threads} threads on {cores()} cores slow each other down; "
            f"type: sweep.n_jobs={max(1, cores() // threads)}"
        )
    return slots, None


_CELLS = 64  # of a grid, that are looked at for what its trainings need


def _most(needs: Callable[[DictConfig], int] | None, plan: StudyPlan, composer: Composer) -> int:
    """Return the most that a training of the plan needs: of a grid any of its cells."""
    if needs is None:
        return 1
    return max(needs(composer.task(in_full(plan.fixed, cell))) for cell in plan.cells[:_CELLS] or [()])
