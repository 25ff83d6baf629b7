"""`sweep.dry_run=true`: what a study would do, and what that costs."""

from __future__ import annotations

import math
import statistics
from pathlib import Path

from ratchet.files import shown
from ratchet.redaction import redacted
from ratchet.search.space.composer import Composer
from ratchet.search.space.plan import StudyPlan, TaskFacts, composable, first_values, in_full
from ratchet.search.space.preflight import corners, lease
from ratchet.search.space.warm_start import proposals, told
from ratchet.search.storage.ledger import is_over
from ratchet.search.storage.studies import load_study
from ratchet.search.worker.results import seconds_of_trials


def tell_plan(plan: StudyPlan, *, composer: Composer, facts: TaskFacts) -> None:
    """What a study would do, and what that costs."""
    settings = plan.settings
    trainings = plan.n_trials * settings.repeats + settings.recheck.top * settings.recheck.seeds
    print(f"study {plan.name}: {plan.n_trials} trials, {trainings} trainings at most; in {shown(plan.directory)}")
    others = first_values(plan.space.common, facts)
    first = composer.task(composable(composer, in_full(plan.fixed, corners(plan)[0]), others))
    if facts.trainings is not None:
        print(f"  each training: {facts.trainings(first)}")
    slots, note = lease([plan], composer=composer, facts=facts)
    if note:
        print(f"  note: {note}")
    print(f"  at once: {len(slots)} on this machine; storage: {_shown(plan.storage)}")
    measured = facts.measured(first) if facts.measured is not None else None
    print(f"  time: {_time(plan, measured, at_once=len(slots))}")
    for each in plan.objectives:
        print(f"  objective: {each.direction} {each.metric}")
    if plan.cells:
        for cell in plan.cells[:20]:
            print(f"  trial: {' '.join(cell) or 'the config as it is'}")
        if len(plan.cells) > 20:
            print(f"  and {len(plan.cells) - 20} more")
        return
    first_settings, _ = proposals(plan, facts.earlier) if load_study(plan) is None else ([], None)
    if first_settings:
        print(f"  warm start: {told(first_settings)}")
    print(f"  sampler: {settings.sampler['_target_']}; pruner: {(settings.pruner or {}).get('_target_', 'none')}")
    for key, text in plan.space.described().items():
        print(f"  {key}: {text}")


def _shown(storage: str) -> str:
    return redacted(storage) if "://" in storage or "${" in storage else shown(Path(storage))


def _time(plan: StudyPlan, measured: tuple[float, str] | None, *, at_once: int) -> str:
    """What is left of a study, by the trials that it has, else by trainings of before."""
    settings = plan.settings
    study = load_study(plan)
    seconds = seconds_of_trials(study) if study is not None else []
    done = sum(is_over(trial) for trial in study.get_trials(deepcopy=False)) if study is not None else 0
    left = max(0, plan.n_trials - done)
    if seconds:
        each, source = statistics.fmean(seconds), f"a trial, the mean of the study's {len(seconds)}"
    elif measured is not None:
        each, source = measured[0] * settings.repeats, f"a trial, {measured[1]}"
    else:
        return "unknown until a training of this model on this data has run"
    minutes = math.ceil(left / at_once) * each / 60
    count = f"{left} trial{'' if left == 1 else 's'}{' left' if done else ''}"
    return f"about {minutes:.3g} min for {count}, {at_once} at a time ({each:.3g} s {source})"
