"""What a study came to: a table for a person, trials.csv for everything else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from omegaconf import OmegaConf
from optuna.trial import FrozenTrial, TrialState

from ratchet.config.grammar import parse_override, to_override_value
from ratchet.config.hints import to_type
from ratchet.csv_files import csv_text
from ratchet.files import shown, write_atomically
from ratchet.runs.trials import FEASIBLE, FRONT, NO, YES
from ratchet.search.space.plan import StudyPlan, in_full
from ratchet.search.storage.ledger import RESULT, has_result, is_feasible, ticket_of, warm_started_by
from ratchet.search.worker.display import told, written

# commands to type after a study: of its name, a trial of the front where there is one, and the best trial's run
FollowUp = Callable[[str, int | None, str], list[str]]
SHOWN = 10
FAILED = 5


def export(study: optuna.Study, plan: StudyPlan) -> None:
    """Write trials.csv into the study's directory: one row for each trial, failed ones too."""
    trials = [trial for trial in study.get_trials(deepcopy=False) if has_result(trial)]
    params = list(dict.fromkeys(name for trial in trials for name in trial.params))
    metrics = list(dict.fromkeys(name for trial in trials for name in _result(trial).get("metrics", {})))
    head = ["number", "ticket", "state", "failure", "error", "seconds", "directory"]
    standing = _standing(study, plan)
    if origins := _origins(study):
        standing["warm_start"] = origins
    names = [*(f"params/{name}" for name in params), *(f"metrics/{name}" for name in metrics)]
    rows = []
    for trial in trials:
        result = _result(trial)
        seconds = result.get("seconds")
        rows.append([
            trial.number, ticket_of(trial), trial.state.name.lower(), result.get("failure"), result.get("error"),
            seconds, trial.number, *(found.get(trial.number) for found in standing.values()),
            *(trial.params.get(name) for name in params),
            *(result.get("metrics", {}).get(name) for name in metrics),
        ])  # fmt: skip
    plan.directory.mkdir(parents=True, exist_ok=True)
    write_atomically(plan.directory / "trials.csv", csv_text([*head, *standing, *names], rows).encode())


def _standing(study: optuna.Study, plan: StudyPlan) -> dict[str, dict[int, str]]:
    """Return, by number, whether a complete trial is feasible and on the Pareto front, where these apply."""
    ranked = rank(study, plan)
    standing: dict[str, dict[int, str]] = {}
    if plan.settings.constraints:
        standing[FEASIBLE] = {trial.number: YES if is_feasible(trial) else NO for trial in ranked}
    if len(plan.objectives) > 1:
        front = {trial.number for trial in study.best_trials}
        standing[FRONT] = {trial.number: YES if trial.number in front else NO for trial in ranked}
    return standing


def _origins(study: optuna.Study) -> dict[int, str]:
    """Return, by number, the earlier trial `<study>/<number>` whose parameters a trial took over."""
    trials = study.get_trials(deepcopy=False)
    found = {trial.number: warm_started_by(trial, trials) for trial in trials}
    return {number: origin for number, origin in found.items() if origin is not None}


def _whether_it_helped(ranked: Sequence[FrozenTrial], origins: Mapping[int, str]) -> str | None:
    """The best of the trials with settings of earlier studies beside the best of the others; None without both."""
    warm = [trial for trial in ranked if trial.number in origins]
    others = [trial for trial in ranked if trial.number not in origins]
    if not warm or not others:
        return None
    best, other = (f"{written(each[0].values[0])}" for each in (warm, others))
    return (
        f"best of the {len(warm)} warm-started trial{'s' if len(warm) > 1 else ''}: {best}; "
        f"best of the {len(others)} other{'s' if len(others) > 1 else ''}: {other}"
    )


def show(study: optuna.Study, plan: StudyPlan, *, command: str, follow_up: FollowUp | None) -> None:
    """Print the table, best first, and what to type next."""
    print("\n".join(_lines(study, plan, command=command, follow_up=follow_up)))


def _lines(study: optuna.Study, plan: StudyPlan, *, command: str, follow_up: FollowUp | None) -> Iterator[str]:
    trials = [trial for trial in study.get_trials(deepcopy=False) if has_result(trial)]
    counts = {state: sum(trial.state == state for trial in trials) for state in TrialState}
    tally = [f"{count} {state.name.lower()}" for state, count in counts.items() if count]
    yield ""
    yield f"study {plan.name}: {', '.join(tally) or 'no trials'}; in {shown(plan.directory)}"
    ranked, origins = rank(study, plan), _origins(study)
    if ranked:
        names = [each.metric for each in plan.objectives]
        yield f"{', '.join(names)}, {'the front first' if len(names) > 1 else 'best first'}"
    for trial in ranked[:SHOWN]:
        values = "  ".join(written(value) for value in trial.values or [])
        spread = _spread(trial, plan)
        bounds = "" if is_feasible(trial) else "  (beyond a constraint)"
        where = shown(plan.directory / str(trial.number))
        origin = f"  (from {origins[trial.number]})" if trial.number in origins else ""
        yield f"  {values}{spread}{bounds}  {where}  {told(trial.params)}{origin}".rstrip()
    if len(ranked) > SHOWN:
        yield f"  and {len(ranked) - SHOWN} more: {shown(plan.directory / 'trials.csv')}"
    if (line := _whether_it_helped(ranked, origins)) is not None:
        yield f"  {line}"
    failed = [trial for trial in trials if has_failed(trial)]
    for trial in failed[:FAILED]:
        yield f"  failed  {cause(trial)}"
    if len(failed) > FAILED:
        yield f"  and {len(failed) - FAILED} more failed: {shown(plan.directory / 'trials.csv')}"
    if ranked and not is_feasible(ranked[0]):
        yield f"  no trial keeps to {', '.join(plan.settings.constraints)}"
    elif ranked:
        yield "next:"
        yield f"  {command} {to_type(*overrides_of(ranked[0], plan))}".rstrip()
        best = ranked[0].number
        front = best if len(plan.objectives) > 1 else None
        for line in follow_up(plan.name, front, shown(plan.directory / str(best))) if follow_up else ():
            yield f"  {line}"


def rank(study: optuna.Study, plan: StudyPlan) -> list[FrozenTrial]:
    """Complete trials, best first: what keeps to the constraints before what does not, a front before the rest."""
    complete = [
        trial for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if "duplicate_of" not in _result(trial)
    ]  # fmt: skip
    front: set[int] = set()
    if len(plan.objectives) > 1 and complete:
        front = {trial.number for trial in study.best_trials}
    sign = -1.0 if plan.objectives[0].direction == "maximize" else 1.0
    return sorted(
        complete,
        key=lambda t: (not is_feasible(t), bool(front) and t.number not in front, sign * t.values[0], t.number),
    )


def overrides_of(trial: FrozenTrial, plan: StudyPlan) -> list[str]:
    """What to type after the script to train this trial's config."""
    if plan.cells:
        ticket = ticket_of(trial)
        return in_full(plan.fixed, plan.cells[ticket] if ticket is not None else ())
    by_name = {dimension.name: dimension for dimension in plan.space.everything()}
    own = (
        by_name[name].override(value) if name in by_name else f"{name}={to_override_value(value)}"  # of a task's own
        for name, value in trial.params.items()
    )
    return in_full(plan.fixed, list(own))


def save_as_plugin(study: optuna.Study, plan: StudyPlan, directory: Path) -> None:
    """Write optimization_results.yaml as Hydra's own Optuna sweeper does, where any trial has a value."""
    if not (ranked := rank(study, plan)):
        return
    told: dict[str, Any] = {"best_params": _params(ranked[0], plan), "best_value": ranked[0].values[0]}
    if len(plan.objectives) > 1:
        told = {"solutions": [{"params": _params(t, plan), "values": list(t.values)} for t in study.best_trials]}
    text = OmegaConf.to_yaml(OmegaConf.create({"name": "optuna", **told}))
    write_atomically(directory / "optimization_results.yaml", text.encode())


def _params(trial: FrozenTrial, plan: StudyPlan) -> dict[str, Any]:
    """The parameters of a trial by the keys of the config, with the config's values."""
    own = [parse_override(text) for text in overrides_of(trial, plan) if text not in plan.fixed]
    return {override.get_key_element(): override.value() for override in own}


def has_failed(trial: FrozenTrial) -> bool:
    """Whether a trial failed for good."""
    return trial.state == TrialState.FAIL and bool(_result(trial).get("over"))


def seconds_of_trials(study: optuna.Study) -> list[float]:
    """How long each trial took that ran and came to a result, a pruned one too."""
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    return [float(_result(trial)["seconds"]) for trial in trials if _result(trial).get("seconds") is not None]


def cause(trial: FrozenTrial) -> str:
    """Which trial failed, and of what."""
    return f"trial {trial.number} ({failure(trial)}): {_result(trial).get('error')}"


def failure(trial: FrozenTrial) -> str | None:
    """Return the failure class of a trial."""
    return _result(trial).get("failure")


def _result(trial: FrozenTrial) -> dict[str, Any]:
    return trial.user_attrs.get(RESULT) or {}


def _spread(trial: FrozenTrial, plan: StudyPlan) -> str:
    repeats = _result(trial).get("repeats")
    if not repeats:
        return ""
    values = [each[plan.objectives[0].metric] for each in repeats]
    return f" ({min(values):.4f} to {max(values):.4f} over {len(values)})"
