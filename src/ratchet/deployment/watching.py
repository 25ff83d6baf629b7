"""Kept requests against the export's reference: what has drifted, whether it is still right, how long it takes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import numpy as np

from ratchet.deployment.exported import REFERENCE, ExportedModel, sha256_of
from ratchet.deployment.kept import Kept
from ratchet.deployment.reference import Reference, said, samples
from ratchet.errors import FileError, RatchetError, first_line
from ratchet.evidence.drift import FEWEST, Sample, compared, fewer_right, holm, larger, share_interval, stability
from ratchet.evidence.intervals import t_interval
from ratchet.files import shown

ALPHA = 0.05  # the chance that a check finds something where nothing has changed
_PERCENT = (50, 95, 99)  # of requests


@dataclass(frozen=True)
class Finding:
    """One test. p: corrected for all tests of the check. of: column or answer; what: values, gaps or quality."""

    of: str
    name: str
    what: str
    before: str
    now: str
    stability: float | None  # the population stability index, of values
    p: float
    drifted: bool


@dataclass(frozen=True)
class Quality:
    """How right the answers were whose labels arrived: the share of right ones, or the mean error of numbers."""

    metric: str
    labels: int
    value: float
    low: float | None
    high: float | None
    before: float


@dataclass(frozen=True)
class Watched:
    """What a check found; findings: those that tell most first. pairs: the samples, for a page."""

    rows: int
    requests: int
    first: str
    last: str
    alpha: float
    findings: tuple[Finding, ...]
    quality: Quality | None
    milliseconds: Mapping[str, float]  # of a request, by percentile
    memory_mb: float
    notes: tuple[str, ...]
    pairs: Mapping[tuple[str, str], tuple[Sample, Sample]]  # by of and name of a finding

    @property
    def drifted(self) -> list[Finding]:
        """What an alarm is given for."""
        return [each for each in self.findings if each.drifted]

    def as_json(self) -> dict[str, Any]:
        """All but the samples."""
        return {**asdict(replace(self, pairs={})), "drifted": len(self.drifted)}


def read_reference(directory: Path, model: ExportedModel) -> Reference:
    """What export wrote beside the model. Raises RatchetError for an older export, and a file that was changed."""
    hint = "type: python src/export.py"
    if REFERENCE not in model.manifest["files"]:
        raise RatchetError(f"{shown(directory)} has no {REFERENCE}: an older version exported it; {hint}")
    try:
        content = (directory / REFERENCE).read_bytes()
        if sha256_of(content) != model.manifest["files"][REFERENCE]:
            raise RatchetError(f"{shown(directory / REFERENCE)} is not what export wrote: it was changed; {hint}")
        found = json.loads(content)
        if "repeated" not in found:  # it has rounded numbers, which are none of a request's
            raise RatchetError(
                f"{shown(directory / REFERENCE)} is of another kind: an older version exported it; {hint}"
            )
        return Reference.from_json(found)
    except (OSError, FileError, ValueError, KeyError, TypeError) as error:
        raise RatchetError(f"{shown(directory / REFERENCE)} cannot be read ({first_line(error)}); {hint}") from error


def watch(
    kept: Kept, model: ExportedModel, reference: Reference, *, labels: Sequence[Any] | None = None,
    ignore: Sequence[str] = (), alpha: float = ALPHA, notes: Sequence[str] = (),
) -> Watched:  # fmt: skip
    """Test every column, what was predicted, and the quality where labels are there (None: of that row there is none).

    The chance of any finding is alpha where rows are drawn as those of the reference, one independent of the other.
    """
    columns, without = _columns(kept, model)
    answers = [json.loads(each) for each in kept.compared["said"]]
    missing = [name for name, rows in without.items() if rows == len(answers)]
    both = {"column": (reference.columns, columns), "answer": (reference.predictions, said(answers, model.target))}
    pairs = {
        (of, old.name): (old, new) for of, samples_of in both.items() for old, new in zip(*samples_of, strict=True)
        if old.name not in ignore and not (of == "column" and old.name in missing)
    }  # fmt: skip
    tested = [(of, *pair, *asked) for (of, _), pair in pairs.items() for asked in compared(*pair)]
    quality, p_quality = _quality(kept, labels, reference)
    corrected = holm([*(p for *_, p in tested), *([] if p_quality is None else [p_quality])])
    found = [_finding(*test[:4], p=p, alpha=alpha) for test, p in zip(tested, corrected, strict=False)]
    if quality is not None and p_quality is not None:
        worse = corrected[-1] <= alpha
        found.append(Finding("answer", quality.metric, "quality", f"{quality.before:.4g}", f"{quality.value:.4g}", None,
                             corrected[-1], worse))  # fmt: skip
    frame = kept.frame
    share = 1 / frame["of_rows"].to_numpy()  # of its request: of a large one more rows are kept, by chance too
    times = np.percentile(frame["milliseconds"], _PERCENT, weights=share, method="inverted_cdf")
    requests = frame["answer"].str.rpartition("-")[0].nunique()
    told = _told(without, len(answers), reference.repeated)
    return Watched(
        len(frame), requests, str(frame["at"].min()), str(frame["at"].max()), alpha,
        tuple(sorted(found, key=lambda each: (each.p, -(each.stability or 0)))), quality,
        {str(q): round(float(time), 3) for q, time in zip(_PERCENT, times, strict=True)},
        round(float(frame["memory_mb"].max()), 1), (*kept.notes, *told, *notes), pairs,
    )  # fmt: skip


def _columns(kept: Kept, model: ExportedModel) -> tuple[list[Sample], dict[str, int]]:
    """A sample of each column, of the rows that were kept with it; and of how many rows each was not."""
    table, parts = model.transform.table, list[list[Sample]]()
    names = [] if table is None else [rule.column.name for rule in table.rules]
    without = np.zeros(len(names), int)
    for rows in kept.pieces():
        there = np.array([[name in row for name in names] for row in rows], bool)
        without += (~there).sum(axis=0)
        x, codes = model.transformed(rows if table is None else [{**dict.fromkeys(names), **row} for row in rows])
        parts.append(list(samples(x, model.transform, codes, there)))
    return [reduce(add, each) for each in zip(*parts, strict=True)], dict(zip(names, without.tolist(), strict=True))


def _told(without: Mapping[str, int], rows: int, repeated: int) -> Iterator[str]:
    if missing := [name for name, lacking in without.items() if lacking == rows]:
        yield f"not compared, as it was not kept: {', '.join(missing)}"
    for name, lacking in without.items():
        if 0 < lacking < rows:
            yield f"{name} is compared without the {lacking:,} rows that were kept without it"
    if repeated:
        yield f"the reference is without {repeated:,} rows that prepare took out, as the same came before"
    if rows < FEWEST:
        yield f"too few rows to tell anything: nothing is tested below {FEWEST}"


def _quality(kept: Kept, labels: Sequence[Any] | None, reference: Reference) -> tuple[Quality | None, float | None]:
    """And the p value of its not being worse; None of too few labels."""
    both = zip(kept.frame["said"], labels or [], strict=False)
    met = [(json.loads(said)["predicted"], true) for said, true in both if true is not None]
    if not met:
        return None, None
    if reference.errors is None:
        right, told = sum(one == other for one, other in met), len(met)
        before = (int(reference.right or 0), reference.told)
        p = fewer_right(before, (right, told)) if told >= FEWEST else None
        return Quality("accuracy", told, right / told, *share_interval(right, told), before[0] / before[1]), p
    errors, old = np.abs([one - other for one, other in met]), np.array(reference.errors)
    interval = t_interval(errors)
    p = larger(old, errors) if min(len(old), len(errors)) >= FEWEST else None
    return Quality("mean error", len(met), interval.mean, interval.low, interval.high, float(old.mean())), p


def _finding(of: str, old: Sample, new: Sample, what: str, *, p: float, alpha: float) -> Finding:
    if what == "gaps":
        told = [f"{100 * each.gaps / (each.gaps + each.known):.1f} % empty" for each in (old, new)]
    elif old.levels is None:
        told = [f"{np.median(each.values):.5g} ({_spread(each)})" for each in (old, new)]
    else:
        shares = [each.values / each.values.sum() for each in (old, new)]
        most = int(np.abs(shares[0] - shares[1]).argmax())
        told = [f"{old.levels[most]} {100 * share[most]:.1f} %" for share in shares]
    before, now = told
    return Finding(of, old.name, what, before, now, stability(old, new) if what == "values" else None, p, p <= alpha)


def _spread(sample: Sample) -> str:
    """The middle half of numbers."""
    low, high = np.quantile(sample.values, [0.25, 0.75])
    return f"{low:.4g} to {high:.4g}"
