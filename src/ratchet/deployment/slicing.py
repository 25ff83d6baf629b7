"""Where a model is wrong more often than elsewhere: groups that a person names, slices that are searched for."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ratchet.data.prepared import PreparedData
from ratchet.deployment.predictor import Predictor
from ratchet.errors import ConfigError
from ratchet.evidence.drift import FEWEST, holm, larger, same_shares, share_interval
from ratchet.evidence.intervals import t_interval
from ratchet.tables import TableTransform
from ratchet.tables.columns import UNKNOWN
from ratchet.training.predictions import outputs_of, threads

if TYPE_CHECKING:
    from sklearn.tree import DecisionTreeRegressor

MOST = 5  # slices that are tried on test
_DEPTH, _SHARE = 3, 0.05  # of the tree of mistakes; the validation rows of a slice at least
_BANDS = 4  # of a number, as many rows of test in each


@dataclass(frozen=True)
class Slice:
    """Some rows of test beside all others.

    wrong: the share of wrong decisions, or the mean error of a number, with its interval; elsewhere: that of the
    others. p: of no difference (a group), or of being no worse (a slice that was searched for), corrected for their
    number. found: what it was on validation, where it was chosen for that.
    """

    name: str
    rows: int
    wrong: float
    low: float | None
    high: float | None
    elsewhere: float
    p: float
    found: float | None = None

    @property
    def told(self) -> bool:
        """Whether it is told from the others."""
        return self.p <= 0.05


@dataclass(frozen=True)
class Rows:
    """Rows of a split of a table: features before normalisation, codes of the columns, and how wrong each answer is."""

    features: np.ndarray
    codes: np.ndarray
    mistakes: np.ndarray  # 0 and 1, or the size of a number's error
    shares: bool  # whether it is 0 and 1


def rows_of(predictor: Predictor, data: PreparedData, split: str) -> Rows:
    """Raises ConfigError for what is no table, and a task that decides for several labels."""
    table, task, scale = predictor.transform.table, predictor.task, predictor.transform.normalisation
    if table is None or task.target.kind == "labels":
        raise ConfigError("slices are of the columns of a table, whose target is a class or a number")
    x, y = (np.asarray(part) for part in data.split(split))
    with threads(predictor.config.trainer.threads):
        said = task.predictions(outputs_of(predictor.model, task, x), y)
    header, told = said.table()
    names = list(header)
    pairs = [(row[names.index("label")], row[names.index("predicted")]) for row in told]
    number = task.target.kind == "number"
    mistakes = np.array([abs(float(str(a)) - float(str(b))) if number else float(a != b) for a, b in pairs])
    features = x * scale.std.astype(np.float64) + scale.mean
    return Rows(features, table.codes_of(features), mistakes, shares=not number)


def groups(test: Rows, table: TableTransform, by: Sequence[str]) -> list[Slice]:
    """Each group of the columns named, with FEWEST rows at least, beside all other rows; the worst first."""
    found = [(name, chosen) for column in by for name, chosen in _members(test.codes, table, column)]
    return _judged([(name, chosen, None) for name, chosen in found], test, worse=False)


def worst_slices(validation: Rows, test: Rows, table: TableTransform, *, seed: int = 0) -> list[Slice]:
    """The leaves of a small tree of mistakes on validation that are worse than all of it, tried on test."""
    from sklearn.tree import DecisionTreeRegressor

    names, readable = table.features, _readable(table)
    least = max(FEWEST, round(_SHARE * len(validation.mistakes)))
    tree = DecisionTreeRegressor(max_depth=_DEPTH, min_samples_leaf=least, random_state=seed)
    leaves = tree.fit(validation.features[:, readable], validation.mistakes).apply(validation.features[:, readable])
    of_test = tree.apply(test.features[:, readable])
    means = {int(leaf): float(validation.mistakes[leaves == leaf].mean()) for leaf in np.unique(leaves)}
    worse = sorted((leaf for leaf in means if means[leaf] > validation.mistakes.mean()), key=lambda leaf: -means[leaf])
    said = {leaf: " and ".join(_path(tree, leaf, [names[k] for k in readable], table)) for leaf in worse[:MOST]}
    return _judged([(said[leaf], of_test == leaf, means[leaf]) for leaf in said], test, worse=True)


def _judged(members: Sequence[tuple[str, np.ndarray, float | None]], rows: Rows, *, worse: bool) -> list[Slice]:
    """Those that have enough rows, and leave enough; the worst first."""
    kept = [each for each in members if FEWEST <= each[1].sum() <= len(rows.mistakes) - FEWEST]
    parts = [(rows.mistakes[chosen], rows.mistakes[~chosen]) for _, chosen, _ in kept]
    corrected = holm([_p(*each, shares=rows.shares, worse=worse) for each in parts])
    found = []
    for (name, _, before), (own, others), p in zip(kept, parts, corrected, strict=True):
        interval = t_interval(own)
        ends = share_interval(int(own.sum()), len(own)) if rows.shares else (interval.low, interval.high)
        found.append(Slice(name, len(own), float(own.mean()), *ends, float(others.mean()), p, before))
    return sorted(found, key=lambda each: -each.wrong)


def _p(own: np.ndarray, others: np.ndarray, *, shares: bool, worse: bool) -> float:
    """Of no difference; where slices were chosen for being worse, of being no worse."""
    if not shares:
        above, below = larger(others, own), larger(own, others)
        return above if worse else min(1.0, 2 * min(above, below))
    p = same_shares(*(np.array([each.sum(), len(each) - each.sum()]) for each in (others, own)))
    if not worse:
        return p
    return p / 2 if own.mean() > others.mean() else 1.0


def _members(codes: np.ndarray, table: TableTransform, column: str) -> Iterator[tuple[str, np.ndarray]]:
    place, rule = next((k, rule) for k, rule in enumerate(table.rules) if rule.column.name == column)
    values = codes[:, place]
    if rule.column.kind == "category":
        for code in (*rule.kept, UNKNOWN):
            yield f"{column} = {'(any other)' if code == UNKNOWN else rule.column.levels[code]}", values == code
    elif (known := values[~np.isnan(values)]).size:
        edges = np.unique(np.quantile(known, np.arange(1, _BANDS) / _BANDS))
        bands = np.where(np.isnan(values), -1, np.searchsorted(edges, values, side="left"))
        ends = [_value(edge, rule) for edge in edges]
        names = [f"{column} <= {ends[0]}", *(f"{low} < {column} <= {high}" for low, high in pairwise(ends)),
                 f"{column} > {ends[-1]}"]  # fmt: skip
        yield from ((name, bands == band) for band, name in enumerate(names))
    yield f"{column} is empty", np.isnan(values)


def _readable(table: TableTransform) -> list[int]:
    """The features that a person can read: not the phases of a date."""
    found, start = [], 0
    for rule in table.rules:
        phases = (" sin", " cos") if rule.column.kind == "date" else ()
        found += [start + k for k, name in enumerate(rule.names) if not (phases and name.endswith(phases))]
        start += len(rule.names)
    return found


def _path(tree: DecisionTreeRegressor, leaf: int, names: list[str], table: TableTransform) -> list[str]:
    """The conditions of a leaf."""
    nodes, numbers = tree.tree_, {rule.column.name: rule for rule in table.rules if rule.column.kind != "category"}
    above = {int(child): (node, low) for node in range(nodes.node_count)
             for child, low in ((nodes.children_left[node], True), (nodes.children_right[node], False))}  # fmt: skip
    found: list[str] = []
    while leaf in above:
        leaf, low = above[leaf]
        name, edge = names[nodes.feature[leaf]], float(nodes.threshold[leaf])
        if name in numbers:
            found.append(f"{name} {'<=' if low else '>'} {_value(edge, numbers[name])}")
        else:
            found.append(f"not {name}" if low else name)
    return found[::-1] or ["all rows"]


def _value(value: float, rule: Any) -> str:
    if rule.column.kind != "date":
        return f"{value:.5g}"
    return (datetime.date(1970, 1, 1) + datetime.timedelta(days=float(value))).isoformat()
