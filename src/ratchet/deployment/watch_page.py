"""What a check of kept requests found, as a page: watch.html."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ratchet.deployment.watching import Watched
from ratchet.evidence.drift import Sample
from ratchet.pages import render
from ratchet.pages.charts import Chart, chart, key, rounded

DRAWN = 40  # columns, those that differ most
_LEVELS = 12  # of a category, the most frequent ones
_BANDS = 24
_PARTS = ("reference", "requests")


def watch_page(watched: Watched, *, name: str, cache: Path | None) -> str:
    """HTML that needs nothing beside it. cache: as of ratchet.pages."""
    order = dict.fromkeys((each.of, each.name) for each in watched.findings if (each.of, each.name) in watched.pairs)
    return render(
        Path(__file__).with_name("watch.html"), cache=cache, watched=watched, name=name,
        charts=[_chart(*watched.pairs[each]) for each in list(order)[:DRAWN]], drawn=DRAWN, columns=len(order),
    )  # fmt: skip


def _chart(old: Sample, new: Sample) -> Chart:
    colour = {"field": "part", "type": "nominal", "scale": {"domain": list(_PARTS)}, "legend": {"title": None}}
    share = {
        "field": "share",
        "type": "quantitative",
        "title": "share of rows",
        "axis": {"format": "~%", "tickCount": 5},
    }
    if old.levels is None and old.known and new.known:
        rows = list(_bands(old.values, new.values))
        place = {"field": "x", "type": "quantitative", "title": None, "scale": {"zero": False, "nice": False}}
        area = {
            "transform": [{"filter": "datum.part === 'reference'"}],
            "mark": {"type": "area", "opacity": 0.3, "interpolate": "step-after"},
        }
        line = {"mark": {"type": "line", "strokeWidth": 1.5, "interpolate": "step-after"}}
        encoding = {"x": place, "y": share, "color": colour}
        return chart(old.name, 200, {"values": rows}, layer=[area, line], encoding=encoding)
    rows = list(_levels(old, new))
    level = {"field": "level", "type": "nominal", "sort": None, "title": None}
    encoding = {"y": level, "x": share, "color": colour, "yOffset": {"field": "part", "sort": list(_PARTS)}}
    height = 70 + 26 * len({row["level"] for row in rows})
    return chart(old.name, height, {"values": rows}, mark="bar", encoding=encoding)


def _bands(old: np.ndarray, new: np.ndarray) -> Iterator[dict[str, Any]]:
    """Between the first and the last hundredth of both; what is beyond counts to the last bands."""
    low, high = np.quantile(np.concatenate([old, new]), [0.005, 0.995])
    edges = np.linspace(low, high if high > low else low + 1, _BANDS + 1)
    for part, values in zip(_PARTS, (old, new), strict=True):
        shares = np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0] / len(values)
        for left, share in zip(edges, [*shares, shares[-1]], strict=True):
            yield {"x": rounded(float(left)), "share": rounded(float(share)), "part": part}


def _levels(old: Sample, new: Sample) -> Iterator[dict[str, Any]]:
    """The most frequent levels, and gaps."""
    names = list(old.levels or ["a value"])
    counts = [each.values if old.levels is not None else np.array([each.known]) for each in (old, new)]
    order = np.argsort(-(counts[0] + counts[1]), kind="stable")[:_LEVELS]
    for part, count, sample in zip(_PARTS, counts, (old, new), strict=True):
        total = max(1, sample.known + sample.gaps)
        for name, share in [*((names[k], count[k] / total) for k in order), ("(empty)", sample.gaps / total)]:
            yield {"level": key(name), "share": rounded(float(share)), "part": part}
