"""The comparison itself: one table for each data set, its rows judged by ratchet.evidence.

A row that stands for the best of several settings, or for a search's best, carries no significance: its value took
part in choosing it, and the best of k noisy values is expected high by about the k-th normal order statistic (Blom
1958: the quantile at (k - 3/8)/(k + 1/4)) times the standard deviation between seeds.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from ratchet.comparison.gather import FINISHED, Run
from ratchet.comparison.measures import direction_of, objective_of, value_of
from ratchet.comparison.settings import Setting, differing, distinct, labels, settings_of, written_out
from ratchet.evidence.groups import Group, compare_groups
from ratchet.metrics import Direction, Range, range_of
from ratchet.tasks.build import definition

_CHANGED = "{} has changed between runs (its file, preparation or folds): each state has a table of its own."
_MEANT = "Tasks mean something else by {}: each meaning has a table of its own."
TIED, AHEAD, BEHIND, UNKNOWN = "tied with best", "best", "behind", "cannot tell"


@dataclass(frozen=True)
class Row:
    """A line of a table."""

    name: str
    settings: tuple[Setting, ...]  # the one it stands for first
    group: Group | None  # None: no finished run
    verdict: str  # TIED, AHEAD, BEHIND, UNKNOWN, "best of 50", or empty: nothing is claimed
    runs: tuple[Run, ...]
    seconds: float | None  # median of a training
    parameters: int | None

    @property
    def best_of(self) -> int:
        """How many settings it was the best of: in a search those that were given up too, else those with its seeds."""
        chosen = self.settings[0]
        if not chosen.values:
            return 0
        return sum(
            len(each.values) == len(chosen.values)
            or (chosen.searched and each.studies == chosen.studies and any(run.status != "failed" for run in each.runs))
            for each in self.settings
        )

    @property
    def statuses(self) -> dict[str, int]:
        """How many runs ended how."""
        return dict(Counter(run.status for run in self.runs))


@dataclass(frozen=True)
class BaselineRow:
    """A simple model beside the rows: no run, and nothing to promote."""

    name: str
    value: float
    note: str


@dataclass(frozen=True)
class Table:
    """Rows of runs that saw the same data, best first."""

    dataset: str
    data_hash: str
    metric: str
    direction: Direction
    rows: tuple[Row, ...]
    values: Mapping[Run, float | None]
    verdict: str  # a sentence
    notes: tuple[str, ...]
    baselines: tuple[BaselineRow, ...] = ()
    edition: str = ""  # which of several states of the data, or meanings of the metric, it is of, in words

    @property
    def title(self) -> str:
        """What tells it from other tables of one metric."""
        return (self.dataset or "unknown data") + (f" ({self.edition})" if self.edition else "")

    @property
    def runs(self) -> tuple[Run, ...]:
        """Every run of the table."""
        return tuple(run for row in self.rows for run in row.runs)


def tables_of(
    runs: Sequence[Run], *, metric: str | None, direction: Direction | None, group_by: Sequence[str]
) -> list[Table]:
    """Make a table for each data set and hash: different data are never in one table.

    The data set with most runs stands first, and of one that has changed the newest state.

    Runs that only tried something out, as with debug=one_batch, are in none, and the first table says how many.
    """
    aside = [run.debugging for run in runs if run.debugging]
    runs = [run for run in runs if not run.debugging]
    hashes: dict[str, Counter[str]] = {}
    for run in runs:
        if run.data_hash:
            hashes.setdefault(run.dataset, Counter())[run.data_hash] += 1
    together: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        usual = hashes.get(run.dataset, Counter({"": 1})).most_common(1)[0][0]
        together.setdefault((run.dataset, run.data_hash or usual), []).append(run)
    sizes = Counter(run.dataset for run in runs)
    newest = {key: max(run.record.started_at if run.record else "" for run in found) for key, found in together.items()}
    by_age = sorted(together.items(), key=lambda item: newest[item[0]], reverse=True)
    ordered = sorted(by_age, key=lambda item: (-sizes[item[0][0]], item[0][0]))
    made = [
        table
        for name, found in ordered
        for table in _tables(name, found, metric=metric or objective_of(found), direction=direction, group_by=group_by)
    ]
    twice = {name for name, count in Counter(name for name, _ in together).items() if count > 1}
    if made and aside:
        made[0] = replace(made[0], notes=(*made[0].notes, _left_out(aside)))
    seen: dict[str, str] = {}
    for place, table in enumerate(made):
        if table.dataset in twice:
            since = newest[table.dataset, table.data_hash][:10]
            earlier = seen.setdefault(table.dataset, table.data_hash) != table.data_hash
            edition = f"earlier data, last trained on {since}" if earlier else "the newest data"
            edition = ", ".join(filter(None, (edition, table.edition)))
            made[place] = replace(table, edition=edition, notes=(*table.notes, _CHANGED.format(table.dataset)))
    return made


def _left_out(debugging: Sequence[str]) -> str:
    kinds = ", ".join(dict.fromkeys(debugging))
    return f"{len(debugging)} run{'s' * (len(debugging) > 1)} of {kinds} left out: a try is no measurement."


def _tables(
    data: tuple[str, str], runs: Sequence[Run], *, metric: str, direction: Direction | None, group_by: Sequence[str]
) -> list[Table]:
    """A table of each quantity that runs call by the metric's name, that of most runs first."""
    meant = {run: definition(metric, run.config) for run in runs}
    keys = differing([meant[run] for run in runs if run.config])
    apart: dict[str, list[Run]] = {}
    for run in runs:
        apart.setdefault(written_out(meant[run], keys) if run.config else "", []).append(run)
    unknown = apart.pop("", []) if len(apart) > 1 else []
    first, *others = sorted(apart, key=lambda told: -len(apart[told]))
    apart[first] += unknown
    made = []
    for told in (first, *others):
        table = _table(data, apart[told], metric=metric, direction=direction, group_by=group_by)
        notes = (*table.notes, _MEANT.format(metric))
        made.append(replace(table, edition=told, notes=notes) if others else table)
    return made


def _table(
    data: tuple[str, str], runs: Sequence[Run], *, metric: str, direction: Direction | None, group_by: Sequence[str]
) -> Table:
    direction = direction or direction_of(runs, metric)
    values = {run: value_of(run, metric) for run in runs}
    rows = _rows(settings_of(runs, values), group_by, direction)
    judged, verdict, notes = _judged(rows, direction, within=range_of(metric))
    return Table(*data, metric, direction, tuple(judged), values, verdict, (*notes, *_more_notes(rows, values)))


def _rows(settings: Sequence[Setting], group_by: Sequence[str], direction: Direction) -> list[Row]:
    """Make rows: of settings without group_by, but where several things are compared, each search is one row."""
    bundles: dict[Any, list[Setting]] = {}
    if group_by:
        for setting in settings:
            bundles.setdefault(tuple(map(repr, _group(setting, group_by))), []).append(setting)
        names = distinct([_group_name(found[0], group_by) for found in bundles.values()])
        return [_row(name, found, direction) for name, found in zip(names, bundles.values(), strict=True)]
    searches = {study for setting in settings if setting.searched for study in setting.studies}
    apart = bool(searches) and (len(searches) > 1 or any(not setting.searched for setting in settings))
    alone = [setting for setting in settings if not (apart and setting.searched)]
    for setting in settings:
        if apart and setting.searched:
            bundles.setdefault(f"search {setting.studies[0]}", []).append(setting)
    rows = [_row(name, [setting], direction) for name, setting in zip(_names(alone), alone, strict=True)]
    return rows + [_row(name, found, direction) for name, found in bundles.items()]


def _names(settings: Sequence[Setting]) -> list[str]:
    """Trials that never began have no config: they are called by their number."""
    known = [setting for setting in settings if setting.runs[0].record is not None]
    named = iter(labels([setting.config for setting in known]))
    return [next(named) if s.runs[0].record is not None else f"trial {s.runs[0].trial}" for s in settings]


def _group(setting: Setting, group_by: Sequence[str]) -> list[Any]:
    """The values of the keys that rows are made by."""
    first = setting.runs[0]
    return [first.study or "no study" if key == "study" else setting.config.get(key, "none") for key in group_by]


def _group_name(setting: Setting, group_by: Sequence[str]) -> str:
    found = _group(setting, group_by)
    leaves = [key.removesuffix(".name").removesuffix("._target_") for key in group_by]
    if len(group_by) == 1:
        return _short(found[0])
    return " ".join(f"{leaf}={_short(value)}" for leaf, value in zip(leaves, found, strict=True))


def _short(value: object) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text.rpartition(".")[2] if text.startswith(("torch.", "ratchet.", "own.")) else text


def _row(name: str, settings: Sequence[Setting], direction: Direction) -> Row:
    """The row stands for its setting with the most seeds, of those for the one with the best mean.

    What its study does not call best, such as beyond a constraint, stands for nothing while there are others.
    """
    sign = -1.0 if direction == "maximize" else 1.0
    ordered = sorted(
        settings,
        key=lambda e: (not e.values, bool(e.beyond), -len(e.values), sign * e.mean if e.values else 0.0),
    )
    runs = tuple(run for setting in settings for run in setting.runs)
    counted = [run for run in ordered[0].runs if run.finished] or list(runs)
    seconds = [run.seconds for run in counted if run.seconds is not None]
    sizes = [run.record.parameters for run in counted if run.record is not None]
    return Row(
        name, tuple(ordered), None, "", runs, statistics.median(seconds) if seconds else None,
        sizes[0] if sizes else None,
    )  # fmt: skip


def _judged(rows: Sequence[Row], direction: Direction, *, within: Range) -> tuple[list[Row], str, list[str]]:
    """Rows with their figures and verdicts, best first; the sentence about all; notes."""
    measured = [row for row in rows if row.settings[0].values]
    empty = [row for row in rows if not row.settings[0].values]
    if not measured:
        return list(rows), "No run has finished: there is nothing to compare.", []
    mode: Literal["max", "min"] = "max" if direction == "maximize" else "min"
    fair = {row.name: dict(row.settings[0].values) for row in measured if not _chosen(row)}
    judged: list[Row] = []
    notes: list[str] = []
    verdict = "The rows were chosen by their values: none of them is called better than another."
    chosen = [row for row in measured if _chosen(row)]
    if fair:
        compared = compare_groups(fair, mode=mode, within=within)
        verdict = _sentence(compared.leader, compared.alone, compared.groups, bool(chosen))
        notes = [compared.note] if compared.note and len(fair) > 1 else []
        groups = {group.name: group for group in compared.groups}
        judged += [
            replace(row, group=groups[row.name], verdict=_word(groups[row.name], compared.leader, compared.alone))
            for row in measured if row.name in groups
        ]  # fmt: skip
    for row in chosen:
        (group,) = compare_groups({row.name: dict(row.settings[0].values)}, mode=mode).groups
        judged.append(
            replace(row, group=replace(group, low=None, high=None), verdict=_best_of(row, all_searched=not fair))
        )
    sign = -1.0 if direction == "maximize" else 1.0
    judged.sort(key=lambda row: (bool(row.settings[0].beyond), sign * row.group.mean if row.group else 0.0, row.name))
    return [*judged, *empty], verdict, notes + _expected_high(chosen)


def _chosen(row: Row) -> bool:
    """Whether its value took part in choosing it."""
    return row.best_of > 1 or row.settings[0].searched


def _best_of(row: Row, *, all_searched: bool) -> str:
    if row.settings[0].beyond:
        return row.settings[0].beyond
    return f"best of {row.best_of}" if row.best_of > 1 else "" if all_searched else "chosen by its value"


def _sentence(leader: str, alone: bool, groups: Sequence[Group], chosen: bool) -> str:
    others = " the rows that were not chosen by their values" if chosen else " every other row"
    if len(groups) == 1:
        return f"{leader} is the only row that was not chosen by its value." if chosen else ""
    if alone:
        return f"{leader} is better than{others} (each at two-sided 5 %)."
    tied = [group for group in groups if group.tied]
    if all(group.half_width is None for group in tied):
        return f"{leader} has the best mean{' of' + others if chosen else ''}; too few seeds to say more."
    names = ", ".join(group.name for group in tied) if len(tied) <= 3 else f"{len(tied)} of {len(groups) - 1} others"
    return f"{leader} has the best mean{' of' + others if chosen else ''}, but {names} cannot be told from it."


def _word(group: Group, leader: str, alone: bool) -> str:
    if group.name == leader:
        return AHEAD if alone else ""
    if group.half_width is None:
        return UNKNOWN
    return TIED if group.tied else BEHIND


def _expected_high(chosen: Sequence[Row]) -> list[str]:
    """Rule 4 for tables: what choosing does to a value."""
    most = max((row.best_of for row in chosen), default=0)
    total = most if most > 1 else len(chosen)
    if total < 2:
        return []
    what = f"the best of {total}" if most > 1 else f"the best of these {total}"
    told = [row for row in chosen if row.best_of == most]
    repeats = [list(each.values.values()) for row in told for each in row.settings if len(each.values) > 1]
    seeds = min(len(row.settings[0].values) for row in told)
    high = statistics.NormalDist().inv_cdf((total - 0.375) / (total + 0.25))
    pooled = ""
    if repeats:
        df = sum(len(each) - 1 for each in repeats)
        sd = (sum(statistics.variance(each) * (len(each) - 1) for each in repeats) / df / seeds) ** 0.5
        pooled = f", here {high * sd:.2g}"
    return [
        f"Values that took part in a choice carry no significance: {what} is expected about {high:.1f} sd too high"
        f"{pooled}. To know: repeat it on fresh seeds, or let src/promote.py ask."
    ]


def _more_notes(rows: Sequence[Row], values: Mapping[Run, float | None]) -> list[str]:
    repeated = sum(setting.repeated for row in rows for setting in row.settings)
    aside = sum(setting.set_aside for row in rows for setting in row.settings)
    missing = sum(run.status == FINISHED and value is None for run, value in values.items())
    said = []
    if repeated:
        said.append(f"{repeated} finished run{'s' * (repeated > 1)} had a seed that ran again: the newest counts.")
    if aside:
        said.append(f"{aside} finished run{'s' * (aside > 1)} made a setting the champion: its audits alone count.")
    if missing:
        said.append(f"{missing} finished run{'s' * (missing > 1)} did not measure it (trained on all data, perhaps).")
    return said
