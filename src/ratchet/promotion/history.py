"""champions.jsonl: each champion and each step back, a line each; and its plot."""

from __future__ import annotations

import html
import json
from collections.abc import Container, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from ratchet.errors import RatchetError
from ratchet.files import append_lines, read_text, write_atomically
from ratchet.promotion.promotion_paths import PromotionPaths


class Entry(BaseModel):
    """A line of champions.jsonl. Numbers are in the metric's unit, on the confirm split."""

    model_config = ConfigDict(extra="forbid", ser_json_inf_nan="strings")

    number: int  # counts promotions; 0 is the champion that the first one met; of an undo: what was taken back
    event: Literal["first", "promotion", "undo"]
    at: str  # UTC
    data: str
    model: str
    metric: str  # the objective, by which it was searched
    split: str | None = None  # that mean, low and high are of; older lines do not say that it is confirm
    direction: str
    mean: float | None = None  # of the audit runs; of a first champion of its runs in the gate
    low: float | None = None  # 95 % interval of the mean
    high: float | None = None
    runs: int = 0
    failed: int = 0  # audit runs that diverged: mean, low and high are of the others
    reproduced: dict[str, float] = {}  # what the pipeline's own run gives: the number that was promised
    verdict: str | None = None
    override: dict[str, Any] = {}  # where it was promoted by less than the rules ask
    evidence: dict[str, Any] = {}
    origin: dict[str, Any] = {}
    changes: dict[str, tuple[Any, Any]] = {}  # from the champion before
    git: dict[str, Any] = {}
    data_hash: str = ""
    config_hash: str = ""
    files: dict[str, str | None] = {}  # sha256 of what promotion wrote


def read_history(paths: PromotionPaths) -> list[Entry]:
    """Every line, oldest first. Raises RatchetError for one that is none of ours."""
    if not paths.history.is_file():
        return []
    found = []
    for place, line in enumerate(read_text(paths.history).splitlines(), 1):
        try:
            found += [Entry.model_validate_json(line)] if line.strip() else []
        except ValueError as error:
            raise RatchetError(
                f"{paths.history.name} line {place} is none of its lines; type: git checkout {paths.history.name}"
            ) from error
    return found


def reigns(entries: Sequence[Entry]) -> list[Entry]:
    """The champions that lead to the present one: what was taken back is left out."""
    stack: list[Entry] = []
    for entry in entries:
        if entry.event == "undo":
            stack = [each for each in stack if each.number != entry.number]
        else:
            stack.append(entry)
    return stack


def append(paths: PromotionPaths, *entries: Entry) -> None:
    """Add lines, or none, and draw the plot again."""
    append_lines(
        paths.history, *(json.dumps(entry.model_dump(mode="json", exclude_defaults=True)) for entry in entries)
    )
    write_atomically(paths.plot, draw(read_history(paths)).encode())


_WIDTH, _HEIGHT, _LEFT, _TOP = 720, 320, 80, 40  # of one panel


def draw(entries: Sequence[Entry]) -> str:
    """The ratchet as SVG: each champion's number with its interval, those taken back hollow; light and dark.

    Numbers of different data or metrics have no common axis: each has a panel of its own, the present one first.
    """
    shown = [entry for entry in entries if entry.event != "undo" and entry.mean is not None]
    kept = {entry.number for entry in reigns(entries)}
    panels: dict[tuple[str, str, str], list[Entry]] = {}
    present = [entry for entry in reigns(entries) if entry.mean is not None][-1:]
    for entry in [*present, *reversed(shown)]:
        panels.setdefault((entry.data, entry.data_hash, entry.metric), [])
    for entry in shown:
        panels[entry.data, entry.data_hash, entry.metric].append(entry)
    drawn = [_panel(found, kept, top=_HEIGHT * place) for place, found in enumerate(panels.values())]
    return _SVG.format(width=_WIDTH, height=_HEIGHT * max(1, len(drawn)), panels="\n".join(drawn) or _NOTHING)


def _panel(shown: Sequence[Entry], kept: Container[int], *, top: float) -> str:
    """Champions of one data set and metric."""
    ends = [value for e in shown for value in (e.low, e.high, e.mean) if value is not None]
    low, high = min(ends), max(ends)
    margin = 0.08 * (high - low) or 0.05 * (abs(high) or 1.0)
    low, high = low - margin, high + margin
    floor = _HEIGHT - 60

    def y(value: float) -> float:
        return round(floor - (value - low) / (high - low) * (floor - _TOP), 1)

    step = (_WIDTH - _LEFT - 60) / max(1, len(shown) - 1)
    parts: list[str] = []
    path: list[str] = []
    for k, entry in enumerate(shown):
        assert entry.mean is not None
        x = round(_LEFT + 20 + k * step, 1)
        is_kept = entry.number in kept
        if is_kept:
            path += [f"{'H' if path else 'M'}{x}{'' if path else f' {y(entry.mean)}'}", f"V{y(entry.mean)}"]
        if entry.low is not None and entry.high is not None:
            parts.append(f'<path class="bar" d="M{x} {y(entry.low)}V{y(entry.high)}"/>')
        told = f"{entry.data} {entry.model}, {entry.at[:10]}: {entry.mean:.4f}{'' if is_kept else ', taken back'}"
        kind = "dot" if is_kept else "dot undone"
        parts.append(
            f'<circle class="{kind}" cx="{x}" cy="{y(entry.mean)}" r="5"><title>{html.escape(told)}</title></circle>'
        )
        parts.append(f'<text x="{x}" y="{floor + 20}" text-anchor="middle">{entry.number}</text>')
        parts.append(f'<text x="{x}" y="{floor + 36}" text-anchor="middle">{html.escape(entry.model)}</text>')
    ticks = [low + (high - low) * k / 4 for k in range(5)]
    grid = [
        f'<path class="grid" d="M{_LEFT} {y(t)}H{_WIDTH - 20}"/>'
        f'<text x="{_LEFT - 8}" y="{y(t) + 4}" text-anchor="end">{t:.4g}</text>'
        for t in ticks
    ]
    metric = shown[-1].metric.removeprefix("validation/")
    return _PANEL.format(
        top=top, title=html.escape(f"Champions of {shown[-1].data}: {metric} on confirm"), grid="\n".join(grid),
        line="".join(path) or "M0 0", points="\n".join(parts),
    )  # fmt: skip


_SVG = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">
<style>
svg {{ background: #fff; font: 12px sans-serif; }} text {{ fill: #333; }}
.grid {{ stroke: #ddd; }} .line {{ fill: none; stroke: #1f6feb; stroke-width: 2; }}
.bar {{ stroke: #1f6feb; stroke-width: 1.5; }} .dot {{ fill: #1f6feb; stroke: #1f6feb; }} .undone {{ fill: none; }}
@media (prefers-color-scheme: dark) {{ svg {{ background: #111; }} text {{ fill: #ddd; }} .grid {{ stroke: #333; }} }}
</style>
{panels}
</svg>
"""

_PANEL = """\
<g transform="translate(0 {top})">
<text x="20" y="24" style="font-size: 15px">{title}</text>
{grid}
<path class="line" d="{line}"/>
{points}
</g>"""

_NOTHING = '<text x="20" y="24">No champion has a number yet</text>'
