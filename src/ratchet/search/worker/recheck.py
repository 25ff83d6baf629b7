"""The best trials once more, on fresh seeds: the best of many noisy numbers overstates itself."""

from __future__ import annotations

import statistics
from dataclasses import replace

import optuna
from optuna.trial import TrialState

from ratchet.search.space.plan import StudyPlan, TaskFacts
from ratchet.search.storage.ledger import RESULT, is_over, ticket_of
from ratchet.search.storage.studies import load_study
from ratchet.search.worker.results import overrides_of, rank

FIRST_FRESH = 100  # a study's own repeats count from 0


def recheck_plan(study: optuna.Study, plan: StudyPlan, facts: TaskFacts) -> StudyPlan | None:
    """A study of each of the best on each fresh seed; None where none is asked for, or the search is not over."""
    wanted = plan.settings.recheck
    finished = sum(is_over(trial) for trial in study.get_trials(deepcopy=False))
    if not wanted.top or facts.repeat is None or finished < plan.n_trials:
        return None
    best = rank(study, plan)[: wanted.top]
    seeds = [tuple(facts.repeat(FIRST_FRESH + k)) for k in range(wanted.seeds)]
    cells = [(*overrides_of(trial, plan), *seed) for trial in best for seed in seeds]
    settings = plan.settings.model_copy(update={"pruner": None, "repeats": 1, "timeout": None})
    return replace(
        plan, name=f"{plan.name}_recheck", settings=settings, fixed=(), cells=tuple(cells), baseline=None,
        identity={"trials": {str(trial.number): trial.number for trial in best}}, directory=plan.directory / "recheck",
    )  # fmt: skip


def tell_recheck(study: optuna.Study, plan: StudyPlan, facts: TaskFacts) -> None:
    """Print the means over fresh seeds, best first, beside what the search had seen."""
    again = recheck_plan(study, plan, facts)
    if again is None:
        return
    checked = load_study(again)
    values: dict[int, list[float]] = {}
    for trial in checked.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)) if checked else ():
        ticket = ticket_of(trial)
        if ticket is not None and RESULT in trial.user_attrs:
            values.setdefault(ticket // plan.settings.recheck.seeds, []).append(trial.values[0])
    best = rank(study, plan)
    order = sorted(
        values, key=lambda k: statistics.fmean(values[k]), reverse=plan.objectives[0].direction == "maximize"
    )
    print(f"once more on {plan.settings.recheck.seeds} fresh seeds (the best of {plan.n_trials} had luck too)")
    for k in order:
        seen = best[k].values[0]
        print(f"  {statistics.fmean(values[k]):.4f}  (searched: {seen:.4f})  trial {best[k].number}")
