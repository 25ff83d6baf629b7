"""A warm start: the best settings of earlier studies of the same question are among a study's first trials."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ratchet.errors import FileError
from ratchet.files import shown
from ratchet.runs.trials import asked_of, read_trials
from ratchet.search.space.plan import Earlier, StudyPlan

NEAR = 0.1  # of each axis of the space: two settings that are nearer to each other are one
BETTER_SHARE = 4  # one trial of so many is good enough to be tried again
# what a file may lack that another version of Ratchet wrote, or nobody
_UNREADABLE = (FileError, OSError, ValueError, LookupError, TypeError, AttributeError)


@dataclass(frozen=True)
class Proposal:
    """A setting that was among the best of an earlier study."""

    params: Mapping[str, Any]  # by Dimension.name
    study: str
    trial: int
    data: str


def proposals(plan: StudyPlan, earlier: Earlier | None) -> tuple[list[Proposal], str | None]:
    """What a new study tries after the champion's values, and a line on studies that cannot be read, if there are any.

    An earlier study counts that has the same single objective and is `earlier.alike`; of its settings those that this
    space has, all of them and nothing clipped. The best of each study come first, before any second best, newer
    studies before older ones, and all on the same data before any others. None is near to another.
    """
    wanted = min(plan.settings.warm_start, plan.n_trials // 2)
    if not wanted or earlier is None or plan.cells or len(plan.objectives) > 1:
        return [], None
    found: list[tuple[tuple[bool, int, int], Proposal]] = []
    unread: list[Path] = []
    for age, study in enumerate(_newest_first(earlier.directory, but=plan.directory)):
        try:
            found += [((other, rank, age), each) for rank, (other, each) in enumerate(_best_of(study, plan, earlier))]
        except _UNREADABLE:
            unread.append(study)
    chosen: list[Proposal] = []
    for _, each in sorted(found, key=lambda ranked: ranked[0]):
        before = [*([plan.baseline] if plan.baseline else []), *(other.params for other in chosen)]
        if len(chosen) < wanted and all(plan.space.distance(each.params, params) >= NEAR for params in before):
            chosen.append(each)
    count = f"{len(unread)} earlier studies, such as {shown(unread[0])}," if len(unread) > 1 else ""
    count = count or (f"the earlier study {shown(unread[0])}" if unread else "")
    return chosen, f"{count} cannot be read; no setting is taken from there" if unread else None


def told(chosen: Sequence[Proposal]) -> str:
    """How many settings are taken, and from where."""
    counts = Counter((each.study, each.data) for each in chosen)
    parts = [f"{count} from study {study} of {data}" for (study, data), count in counts.items()]
    return ", ".join(parts).replace(" from", f" setting{'s' if len(chosen) > 1 else ''} from", 1)


def _newest_first(directory: Path, *, but: Path) -> list[Path]:
    tables = [path for path in directory.glob("*/trials.csv") if path.parent.resolve() != but.resolve()]
    return [path.parent for path in sorted(tables, key=lambda path: (-path.stat().st_mtime_ns, path))]


def _best_of(study: Path, plan: StudyPlan, earlier: Earlier) -> Iterator[tuple[bool, Proposal]]:
    """The better settings of a study that this space has, best first, each with whether it is of other data."""
    asked = asked_of(study)
    ((metric, direction),) = [(each.metric, each.direction) for each in plan.objectives]
    if asked is None or asked["objectives"] != {metric: direction} or "each of" in asked["space"]:
        return
    then, now = asked["config"], plan.identity["config"]
    groups = {key for space in (plan.space.described(), asked["space"]) for key in space if "." not in key}
    if any(then.get(key) != now.get(key) for key in earlier.alike if key.partition(".")[0] not in groups):
        return
    sign = -1 if direction == "maximize" else 1
    valued = [
        (sign * float(value), number, row)
        for number, row in read_trials(study).items()
        if row["state"] == "complete" and (value := row.get(f"metrics/{metric}")) and math.isfinite(float(value))
    ]
    for _, number, row in sorted(valued, key=lambda each: each[:2])[: math.ceil(len(valued) / BETTER_SHARE)]:
        params = _within(plan, row, then)
        if params is not None and not _breaks_a_bound(plan, row):
            yield then[earlier.data] != now[earlier.data], Proposal(params, study.name, number, str(then[earlier.data]))


def _within(plan: StudyPlan, row: Mapping[str, str], then: Mapping[str, Any]) -> dict[str, Any] | None:
    """A trial's values for each dimension of the space; None where one lies outside, or it varied what is fixed now.

    What was not searched then has the value of the study's config.
    """
    now = plan.identity["config"]
    varied = {
        name.removeprefix("params/").partition(" (")[0].lstrip("+"): text
        for name, text in row.items()
        if name.startswith("params/") and text
    }
    others = {key for key in varied if "." not in key}  # groups: what `then` says in them is of another option

    def was(key: str) -> Any:
        return varied.get(key, then.get(f"{key}.name", then.get(key)) if key.partition(".")[0] not in others else None)

    sampled = {each.key: str(was(each.key)) for each in plan.space.common if "." not in each.key}
    values: dict[str, Any] = {}
    for dimension in plan.space.dimensions({**plan.chosen, **sampled}):
        key = dimension.key.lstrip("+")
        value = dimension.read(varied[key]) if key in varied else dimension.label_of(was(key))
        if value is None:
            return None
        values[dimension.name] = value
        varied.pop(key, None)
    return values if all(text == str(now.get(f"{key}.name", now.get(key))) for key, text in varied.items()) else None


def _breaks_a_bound(plan: StudyPlan, row: Mapping[str, str]) -> bool:
    known = [(bound, text) for bound in plan.settings.bounds if (text := row.get(f"metrics/{bound.metric}"))]
    return any(bound.excess({bound.metric: float(text)}) > 0 for bound, text in known)
