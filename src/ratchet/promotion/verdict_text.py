"""What promote prints: a verdict that a person can weigh."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ratchet.config.grammar import shown
from ratchet.config.non_numeric_settings import is_non_numeric
from ratchet.config.schema import Config
from ratchet.evidence.gate import LOOKS, Evidence
from ratchet.metrics import metric_of
from ratchet.promotion.differences import differences
from ratchet.promotion.gate import Judgement, Terms


def changes(champion: Config, challenger: Config) -> dict[str, tuple[Any, Any]]:
    """The settings in which a challenger differs."""
    found = differences(champion.plain(), challenger.plain())
    return {key: pair for key, pair in found.items() if key != "seed" and not is_non_numeric(key)}


def difference_lines(found: Mapping[str, tuple[Any, Any]]) -> Iterator[str]:
    """A line for each setting: champion's value, then the challenger's."""
    width = max((len(key) for key in found), default=0)
    for key, (was, now) in found.items():
        yield f"  {key:<{width}}  {_value(was)} -> {_value(now)}"


def _value(value: Any) -> str:
    return "-" if value == "absent" else shown(value)


def verdict_lines(judgement: Judgement, *, terms: Terms, metric: str, uses: Sequence[Mapping[str, Any]]) -> list[str]:
    """The verdict and what it rests on, its lower bound first."""
    e = judgement.evidence
    one = metric_of(metric)
    effect = f" by more than {one.text(terms.min_effect)} {one.unit}" if terms.min_effect else ""
    lines = [f"verdict: {_headline(e, terms, effect)}"]
    low, high = one.range
    lower = max(e.lower, low - high)  # no gain is further from nought than the range is wide
    gain = f"gain at least {one.text(lower, sign=True)}, {one.text(e.gain, sign=True)} measured"
    lines.append(f"  {gain}, in {one.shown_as} on confirm")
    same = "; seeds change nothing here, so one look decides" if e.deterministic else ""
    lines.append(f"  {e.pairs} pairs of runs (looks at {', '.join(map(str, LOOKS))}), p = {e.p:.3g}{same}")
    if e.error:
        shares = f"{e.seeds_share:.0%} from seeds, {e.examples_share:.0%} from the {e.examples:,} examples"
        lines.append(f"  error {one.text(e.error)}: {shares}")
        lines.append(
            f"  the smallest gain that this split and {LOOKS[-1]} pairs would show: {one.text(e.smallest_gain)}"
        )
    tests = len({(use.get("champion"), use.get("challenger")) for use in uses})
    in_tests = f"in {tests} test{'s' if tests != 1 else ''}"
    lines.append(f"  confirm was looked at {_times(len(uses))} on this machine, {in_tests}")
    told = ", ".join(f"{f.seeded.of.role} seed {f.seeded.seed} ({f.failure})" for f in judgement.failed)
    lines.append(f"  runs trained for this: {judgement.spent}; failed: {told or 'none'}")
    return lines


def look_line(e: Evidence, *, more: int, metric: str) -> str:
    """What a look saw that decides nothing, and how many pairs are run before the next one."""
    one = metric_of(metric)
    seen = f"{one.text(e.gain, sign=True)} ± {one.text(e.error)} {one.shown_as}, p = {e.p:.3g}"
    return f"after {e.pairs} pairs: {seen}: undecided, {more} more pairs"


def _headline(e: Evidence, terms: Terms, effect: str) -> str:
    eased = f" (alpha={terms.alpha:g} instead of the rule's)" if terms.alpha is not None else ""
    if e.verdict == "proved":
        return f"PROVED{eased}: the challenger is better{effect}"
    if e.verdict == "not ahead":
        return f"NOT AHEAD{eased}: the challenger is not better in the mean"
    if terms.accept == "ahead":
        return f"AHEAD, NOT PROVED{eased}{effect}: accepted by accept=ahead; the history says so"
    may_be = f"it is not shown to be better{effect}" if effect else "it may be luck"
    return f"AHEAD, NOT PROVED{eased}: {may_be}; the champion stays"


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
