"""The studies of one command line, decided before anything runs."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from pathlib import Path
from signal import Signals
from typing import Any, get_args

from hydra.core.override_parser.types import IntervalSweep, Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from optuna import Trial

from ratchet.config.grammar import parse_override, written_values
from ratchet.config.hints import OverrideError
from ratchet.errors import ConfigError
from ratchet.metrics import Direction
from ratchet.search.space.composer import Composer, task_config
from ratchet.search.space.samplers import check_sampler, is_grid
from ratchet.search.space.settings import Objective, SweepSettings
from ratchet.search.space.space import Dimension, SearchSpace


@dataclass(frozen=True)
class Earlier:
    """A folder of earlier studies, and the keys whose values must agree for their settings to be worth a try."""

    directory: Path  # each study is a directory in it
    alike: tuple[str, ...]  # the same in both
    data: str  # what they may differ in; those that do not come first


@dataclass(frozen=True)
class TaskFacts:
    """What an application tells of its task; a plain Hydra task tells nothing."""

    # what a training of a config can return, and which way is better; None: anything
    metrics: Callable[[DictConfig], Mapping[str, Direction] | None] | None = None
    check: Callable[[DictConfig, Sequence[str]], None] | None = None  # raises ConfigError
    build: Callable[[Sequence[DictConfig]], Sequence[str | None]] | None = (
        None  # what is wrong with each, see preflight
    )
    ready: Callable[[Sequence[DictConfig], bool], None] | None = None  # see preflight.make_ready
    identity: Callable[[DictConfig], dict[str, Any]] | None = None  # what of a config two trials must share
    objective: Callable[[DictConfig], Objective] | None = None  # what a config is judged by; None: its objective.metric
    called: Callable[[DictConfig], Mapping[str, str]] | None = None  # a word for an option that many have chosen
    asked: frozenset[str] = frozenset()  # settings of the sweep itself that a person typed: sweep.<key>
    repeat: Callable[[int], list[str]] | None = None  # overrides that make it the k-th seed
    typed: frozenset[str] | None = None  # keys that a person fixed on the command line; None: all that are fixed
    preload: tuple[str, ...] = ("ratchet.search.worker.preload",)  # modules that a training needs, imported once
    command: str = "python <script>"  # how a person trains one config
    follow_up: Callable[[str, int | None, str], list[str]] | None = None  # what to type after a study: see results.py
    threads: Callable[[DictConfig], int] | None = None  # how many one training uses; None: its share of the cores
    devices: Callable[[DictConfig], int] | None = None  # GPUs that one training uses, where there are some; None: one
    trainings: Callable[[DictConfig], str] | None = None  # how long one training is, in words
    measured: Callable[[DictConfig], tuple[float, str] | None] | None = None  # seconds of such a training, and whose
    resolution: Callable[[DictConfig], str | None] | None = None  # what a config's data can tell apart, in a line
    # asks a trial for further parameters, beside what is fixed; returns overrides
    extend: Callable[[Trial, Sequence[str]], list[str]] | None = None
    earlier: Earlier | None = None  # where a study gets settings from; None: nowhere
    lost: Callable[[Path, str], None] | None = None  # hears of a training that was ended before it could tell
    ended: Callable[[int, Signals | None], None] | None = None  # hears how many trials failed, and what ended it early

    @property
    def is_plain(self) -> bool:
        """Whether nobody told anything: it is a plain Hydra task."""
        return self.objective is None and self.metrics is None


FACTS: ContextVar[TaskFacts | None] = ContextVar("facts", default=None)  # of the task that Hydra is about to sweep


@dataclass(frozen=True)
class StudyPlan:
    """One study: what is the same in all of its trials, and what varies."""

    name: str
    settings: SweepSettings
    fixed: tuple[str, ...]
    space: SearchSpace
    cells: tuple[tuple[str, ...], ...]  # of a grid: each trial's overrides, without the fixed ones
    chosen: Mapping[str, str]  # group: option, where nothing is sampled
    objectives: tuple[Objective, ...]
    identity: Mapping[str, Any] = field(default_factory=dict)
    baseline: Mapping[str, Any] | None = None  # the values that conf/ has now, where they lie in the space
    directory: Path = Path()

    @property
    def n_trials(self) -> int:
        """How many trials are to be finished."""
        return len(self.cells) or self.settings.n_trials

    @property
    def storage(self) -> str:
        """An Optuna URL, or the path of a journal."""
        return self.settings.storage or str(self.directory / "study.journal")


def combinations(arguments: Sequence[str]) -> tuple[list[tuple[str, ...]], dict[str, Dimension], list[str]]:
    """What was typed: every cell's overrides in the order typed, the intervals, and which keys have several values.

    As in Hydra's own sweeper the last of two overrides of a key wins, at the place of the first.
    """
    values: dict[str, list[str]] = {}
    intervals: dict[str, Dimension] = {}
    swept = []
    for text in arguments:
        override = parse_override(text)
        key = override.get_key_element()
        if isinstance(override.value(), IntervalSweep):
            values.pop(key, None)
            intervals[key] = Dimension.of(override, text.partition("=")[2])
            continue
        intervals.pop(key, None)
        values[key] = _values(override, key)
        if override.is_sweep_override():
            swept.append(key)
    cells = list(itertools.product(*values.values()))
    return cells, intervals, list(dict.fromkeys(key for key in swept if key in values))


def _values(override: Override, key: str) -> list[str]:
    if not override.is_sweep_override():
        return [
            f"{key}={override.get_value_element_as_str()}" if not override.is_delete() else str(override.input_line)
        ]
    written = written_values(override)
    if not written:
        raise OverrideError(
            f"{override.input_line}: -m cannot count these values; allowed: a list or a range of whole steps"
        )
    return [f"{key}={text}" for text in written]


def plan_studies(
    sweeps: Mapping[str, SweepSettings], arguments: Sequence[str], *, composer: Composer, facts: TaskFacts
) -> tuple[list[StudyPlan], list[str]]:
    """Every study of the command line, and notes for a person.

    Without a search the cells of the grid are one study's trials; with one, each cell is a study. Raises ConfigError
    for anything that could go wrong later and can be known now.
    """
    cells, intervals, swept = combinations(arguments)
    plans, notes = [], []
    for name, settings in sweeps.items():
        if not (settings.space or settings.options or intervals or facts.extend):
            plans.append(_grid(name, settings, cells, swept, composer=composer, facts=facts))
            continue
        for cell in cells:
            plan, said = _search(name, settings, cell, intervals, composer=composer, facts=facts)
            plans.append(plan)
            notes += said
    _require_distinct(plans)
    return plans, list(dict.fromkeys(notes))


def _search(
    sweep: str,
    settings: SweepSettings,
    cell: tuple[str, ...],
    intervals: Mapping[str, Dimension],
    *,
    composer: Composer,
    facts: TaskFacts,
) -> tuple[StudyPlan, list[str]]:
    """A study that samples its trials; or with the grid sampler runs each cell of its space."""
    others = first_values([Dimension.parse(*each) for each in settings.space.items()] + [*intervals.values()], facts)
    told = composable(composer, cell, others)
    chosen = composer.choices(told)
    typed = {text.partition("=")[0] for text in cell}
    typed = typed if facts.typed is None else typed & facts.typed
    space, notes = _space(settings, intervals, typed, chosen)
    if not any(space.everything()) and facts.extend is None:
        raise ConfigError(
            f"sweep={sweep}: an empty space, there is nothing to vary for {_choices_in(settings, chosen)}; "
            f"allowed: {_first_key(settings)} and others of sweeps/{sweep}.yaml; leave out what fixes them"
        )
    fixed = _without_other_options(cell, space, typed)
    base = composer.compose([*(text for text in told if text not in cell), *fixed])
    settings = _with_objectives(settings, base, facts)
    notes += check_sampler(settings, space, objectives=len(settings.objectives))
    cells = _cells_of(space, chosen) if is_grid(settings) else ()
    has_baseline = settings.champion_first and not cells and len(told) == len(cell)
    baseline, said = _baseline(space, chosen, base) if has_baseline else (None, [])
    called = facts.called(task_config(base)) if facts.called else {}
    named = [text for text in fixed if text.partition("=")[0] in typed - {"data", "model"}]
    plan = StudyPlan(
        name=settings.study or _search_name(sweep, space, {**chosen, **called}, named),
        settings=settings,
        fixed=fixed,
        space=space,
        cells=cells,
        chosen=chosen,
        objectives=tuple(settings.objectives),
        identity=_identity(base, settings, facts, _described(space, facts)),
        baseline=baseline,
    )
    _refuse_budget(plan, facts)
    return plan, [*notes, *said]


def _grid(
    sweep: str,
    settings: SweepSettings,
    cells: Sequence[tuple[str, ...]],
    swept: Sequence[str],
    *,
    composer: Composer,
    facts: TaskFacts,
) -> StudyPlan:
    """A study of each cell of the command line."""
    base = composer.compose(min(cells, key=sorted))  # the same one, in whichever order the values were typed
    settings = _with_objectives(settings, base, facts)
    plan = StudyPlan(
        name=settings.study or _grid_name(sweep, swept, cells),
        settings=settings,
        fixed=tuple(text for text in cells[0] if all(text in cell for cell in cells)),
        space=SearchSpace(),
        cells=tuple(cells),
        chosen=composer.choices(cells[0]),
        objectives=tuple(settings.objectives),
        identity=_identity(base, settings, facts, {"each of": json.dumps(in_any_order(cells))}),
    )
    _refuse_budget(plan, facts)
    return plan


def _refuse_budget(plan: StudyPlan, facts: TaskFacts) -> None:
    """Raises ConfigError where a person typed how many trials there are to be, and a grid has as many as it has."""
    if plan.cells and "sweep.n_trials" in facts.asked:
        raise ConfigError(
            f"sweep.n_trials={plan.settings.n_trials}: this is a grid, each of its {len(plan.cells)} jobs is run once; "
            "allowed: n_trials where values are sampled, such as of interval(low, high); leave it out"
        )


def _with_objectives(settings: SweepSettings, base: DictConfig, facts: TaskFacts) -> SweepSettings:
    """The config's objective where the sweep names none. Raises ConfigError for a metric that no training gives."""
    known = None if facts.metrics is None else facts.metrics(task_config(base))
    usual: Direction = "minimize" if facts.is_plain else "maximize"  # the former as hydra/sweeper=optuna has it
    objectives = [_directed(each, known, usual) for each in settings.objectives or [_objective(base, facts)]]
    settings = settings.model_copy(update={"objectives": objectives})
    names = [each.metric for each in objectives]
    for metric in [*names, *(bound.metric for bound in settings.bounds)]:
        if known is not None and metric not in known:
            raise ConfigError(f"there is no metric {metric}; allowed: {', '.join(known)}")
    if len(set(names)) < len(names):
        raise ConfigError(f"sweep.objectives names a metric twice: {', '.join(names)}; allowed: each once")
    return settings


def _identity(base: DictConfig, settings: SweepSettings, facts: TaskFacts, space: Mapping[str, str]) -> dict[str, Any]:
    return {
        "config": _flat(facts.identity(task_config(base)) if facts.identity else _plain(base)),
        "space": space,
        "objectives": {each.metric: each.direction for each in settings.objectives},
        "repeats": settings.repeats,
    }


def _described(space: SearchSpace, facts: TaskFacts) -> dict[str, str]:
    return space.described() | ({} if facts.extend is None else {"custom_search_space": str(facts.extend)})


def _space(
    settings: SweepSettings, intervals: Mapping[str, Dimension], pinned: set[str], chosen: Mapping[str, str]
) -> tuple[SearchSpace, list[str]]:
    """The file's space under what was typed: an interval replaces the file's, a value ends the search of it."""
    common = {key: Dimension.parse(key, text) for key, text in settings.space.items()} | dict(intervals)
    options = {
        group: {
            option: tuple(
                replace(Dimension.parse(key, text), option=option if group in common else "")
                for key, text in space.items()
                if key not in intervals
            )
            for option, space in by_option.items()
        }
        for group, by_option in settings.options.items()
    }
    space = SearchSpace(tuple(common.values()), options)
    pinned = pinned & {dimension.key for dimension in space.everything()}
    notes = [f"{key} is not searched: the command line fixes it" for key in sorted(pinned)]
    for group, by_option in options.items():
        if group not in common and chosen.get(group) not in by_option:
            notes.append(f"{group}={chosen.get(group)} has no space of its own here; the rest varies")
    return space.without(pinned).reachable(chosen), notes


def _without_other_options(fixed: Sequence[str], space: SearchSpace, pinned: set[str]) -> tuple[str, ...]:
    """Leave out values that nobody typed in a group whose option is sampled: they belong to the present option."""
    sampled = {dimension.key for dimension in space.common}
    keys = {text: text.partition("=")[0] for text in fixed}
    return tuple(
        text
        for text in fixed
        if keys[text] in pinned or keys[text].partition(".")[0] not in sampled or "." not in keys[text]
    )


def in_full(fixed: Sequence[str], *own: Sequence[str]) -> list[str]:
    """Overrides as Hydra takes them: what is fixed, unless a trial's own say otherwise, then those."""
    added = [text for overrides in own for text in overrides]
    keys = {text.partition("=")[0] for text in added}
    return [*(text for text in fixed if text.partition("=")[0] not in keys), *added]


def first_values(dimensions: Iterable[Dimension], facts: TaskFacts) -> list[str]:
    """An override of each parameter of a plain task, where one may need another to compose: an option of its group."""
    return [dimension.override(dimension.ends()[0]) for dimension in dimensions] if facts.is_plain else []


def composable(composer: Composer, overrides: Sequence[str], others: Sequence[str]) -> list[str]:
    """The overrides, or where they do not compose without others, these too. Raises what Hydra raises of all."""
    try:
        composer.task(overrides)
        return [*overrides]
    except (HydraException, OmegaConfBaseException):
        wider = in_full(others, overrides)
        composer.task(wider)
        return wider


def _choices_in(settings: SweepSettings, chosen: Mapping[str, str]) -> str:
    return " ".join(f"{group}={chosen.get(group)}" for group in settings.options) or "what the command line leaves open"


def _first_key(settings: SweepSettings) -> str:
    inner = (space for options in settings.options.values() for space in options.values())
    return next((key for space in [settings.space, *inner] for key in space), "everything")


def _objective(base: DictConfig, facts: TaskFacts) -> Objective:
    if facts.objective is not None:
        return facts.objective(task_config(base))
    metric, direction = (OmegaConf.select(base, f"objective.{key}") for key in ("metric", "direction"))
    known = direction if direction in get_args(Direction) else None
    return Objective(metric=metric if isinstance(metric, str) else "value", direction=known)


def _directed(objective: Objective, known: Mapping[str, Direction] | None, usual: Direction) -> Objective:
    """The objective with its direction: the one that was named, else that of the metric, else the usual one."""
    direction = objective.direction or (known or {}).get(objective.metric, usual)
    return objective.model_copy(update={"direction": direction})


def _cells_of(space: SearchSpace, chosen: Mapping[str, str]) -> tuple[tuple[str, ...], ...]:
    """The grid of a discrete space, branch by branch."""
    cells = []
    for branch in space.branches(chosen):
        lists = []
        for dimension in space.dimensions(branch):
            values = dimension.cells()
            if values is None:
                raise ConfigError(
                    f"space of {dimension.key}: {dimension.text} has no end of values, and a grid runs each; "
                    "allowed: choice(a, b), range, int(interval(low, high))"
                )
            decided = [branch[dimension.key]] if dimension.key in space.options else values
            lists.append([dimension.override(value) for value in decided])
        cells += list(itertools.product(*lists))
    return tuple(cells)


def _baseline(
    space: SearchSpace, chosen: Mapping[str, str], base: DictConfig
) -> tuple[dict[str, Any] | None, list[str]]:
    """The values of the config as it is, if the space has all of them."""
    values: dict[str, Any] = {}
    for dimension in space.dimensions(chosen):
        key = dimension.key.lstrip("+")
        now = chosen[key] if key in chosen else OmegaConf.select(base, key)
        label = dimension.label_of(OmegaConf.to_container(now) if OmegaConf.is_config(now) else now)
        if (label is None and now is not None) or (label is None and not dimension.texts):
            return None, [f"{key}={now} lies outside of the space: what conf/ has now is not tried first"]
        values[dimension.name] = label
    return values, []


def in_any_order(cells: Sequence[Sequence[str]]) -> list[list[str]]:
    """The same for the same cells, whichever argument or value of a command line stood first."""
    return sorted(sorted(cell) for cell in cells)


def _search_name(sweep: str, space: SearchSpace, chosen: Mapping[str, str], typed: Sequence[str]) -> str:
    """Readable, and the same for the same command: that is how a study is found again."""
    sampled = {dimension.key for dimension in space.common}
    words = [sweep, *(chosen[group] for group in ("data", "model") if group in chosen and group not in sampled)]
    return _as_name([*words, _digest(sorted(typed))] if typed else words)


def _grid_name(sweep: str, swept: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    return _as_name([sweep, *(key.rpartition(".")[2] for key in sorted(swept)), _digest(in_any_order(cells))])


def _as_name(words: Sequence[str]) -> str:
    return "_".join(re.sub(r"[^A-Za-z0-9._=-]+", "-", word).strip("-") for word in words)[:120]


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:6]


def _plain(config: DictConfig) -> dict[str, Any]:
    plain = OmegaConf.to_container(config, resolve=False)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items() if key != "hydra"}


def _flat(plain: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in plain.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def _require_distinct(plans: Sequence[StudyPlan]) -> None:
    names = [plan.name for plan in plans]
    if len(set(names)) < len(names):
        double = next(name for name in names if names.count(name) > 1)
        raise ConfigError(f"two studies would be named {double}; leave out sweep.study: each then has a name")
