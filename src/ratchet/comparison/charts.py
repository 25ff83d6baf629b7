"""The charts of the comparison page: Vega-Lite specifications of its runs, which all charts of a table share.

A run is a row with `run` (its number), `name`, `slot` (its colour), `value`, `tip`, what it costs, its settings as
`s0`, `s1`, ..., its curves as `x0` and `y0`, `x1` and `y1`, ... The page's script sets the signals: `shown` by run,
`slots` by run, and `pointed`, the runs under the pointer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ratchet.comparison.importance import logarithmic
from ratchet.pages.charts import Chart, chart, rounded

COLOURS = 8
_TICKS = 6  # distinct numbers: no more, and each has its tick
_LEVELS = 12  # of a setting that is no number
_MANY = 300  # runs that a canvas draws faster
_SIGNALS = [{"name": name, "value": None} for name in ("shown", "slots", "pointed")]
_TIP = {"tooltip": {"expr": "datum.tip"}}
_COLOUR = {
    "field": "shade", "type": "nominal", "scale": {"domain": list(range(COLOURS)), "range": "category"}, "legend": None,
}  # fmt: skip
_DRAG = "[pointerdown[event.pointerType === 'mouse'], window:pointerup] > window:pointermove!"  # a finger scrolls
_BRUSH = {
    "name": "brush",
    "select": {"type": "interval", "on": _DRAG, "translate": _DRAG, "mark": {"fillOpacity": 0.12, "cursor": "move"}},
}
_ZOOM = {
    "name": "zoom", "bind": "scales",
    "select": {"type": "interval", "translate": _DRAG, "zoom": "wheel![event.ctrlKey]"},
}  # fmt: skip

Runs = Sequence[Mapping[str, Any]]


def curves(runs: Runs, place: int, metric: str, data: str) -> Chart | None:
    """The curves of a metric; None where no run has one."""
    x, y = f"x{place}", f"y{place}"
    values = [value for run in runs for value in run.get(y, ()) if value is not None]
    if not values:
        return None
    last = max(run[x][-1] for run in runs if y in run)
    numbers = _number(y, values, metric)
    tip = f"merge({{title: datum.name, step: datum.{x}, 'value at it': datum.{y}}}, datum.tip)"
    dots = {"type": "point", "filled": True, "size": 26, "clip": True, "tooltip": {"expr": tip}}
    return _of_runs(
        f"{metric} by step", 320, data, {"type": "line", "clip": True}, needed=f"datum.{y}", n=len(runs), flat=[x, y],
        dots={"mark": dots}, params=[_ZOOM],
        encoding={"x": _axis(x, "step", scale={"domain": [0, last], "nice": False}), "y": numbers},
    )  # fmt: skip


def scatter(runs: Runs, field: str, title: str, metric: str, data: str, *, front: bool = False) -> Chart | None:
    """The metric against a cost or a setting; None where it is the same in all finished runs.

    front: with a line through the runs that no other beats at less.
    """
    known = [run for run in runs if run.get(field) is not None and run["value"] is not None]
    if len({run[field] for run in known}) < 2 or field == metric:
        return None
    encoding = {
        "x": _scale(field, [run[field] for run in known], title),
        "y": _number("value", [run["value"] for run in known], metric),
    }
    line = {
        "type": "line",
        "interpolate": "step-after",
        "strokeDash": [4, 3],
        "color": {"expr": "good"},
        "tooltip": None,
    }
    first = [{"transform": [{"filter": f"datum.front && datum.front['{field}']"}], "mark": line}] if front else []
    mark = {"type": "point", "filled": True, "clip": True}
    needed = f"isValid(datum.value) && isValid(datum.{field})"
    return _of_runs(
        f"{metric} against {title}", 300 if front else 230, data, mark, needed=needed, n=len(runs), params=[_BRUSH],
        encoding=encoding, first=first,
    )  # fmt: skip


def parallel(runs: Runs, keys: Sequence[tuple[str, str]], metric: str, data: str) -> tuple[Chart, list[list[Any]]]:
    """A line for each finished run across its settings, (field, title) of each, and the metric; and where it lies.

    The places, `p` of each run, are between 0 and 1, None where a run has no such setting.
    """
    axes = [*keys, ("value", metric)]
    places: list[list[Any]] = [[] for _ in runs]
    words: list[dict[str, Any]] = []
    titles: list[dict[str, Any]] = []
    for k, (field, title) in enumerate(axes):
        at, ticks = _placed([run.get(field) if run["value"] is not None else None for run in runs])
        for place, where in zip(places, at, strict=True):
            place.append(where)
        words += [{"k": k, "p": where, "word": word} for word, where in ticks]
        titles.append({"k": k, "p": 1.09, "word": title.replace("/", ".").rpartition(".")[2]})
    x = {
        "field": "k",
        "type": "quantitative",
        "axis": None,
        "scale": {"domain": [-0.1, len(axes) - 0.4], "nice": False},
    }
    y = {"field": "p", "type": "quantitative", "axis": None, "scale": {"domain": [-0.04, 1.12], "nice": False}}
    rules = {
        "data": {"values": [{"k": k, "p": 0, "top": 1} for k in range(len(axes))]},
        "mark": {"type": "rule", "color": {"expr": "line"}, "tooltip": None}, "encoding": {"y2": {"field": "top"}},
    }  # fmt: skip
    text = {
        "type": "text",
        "align": "left",
        "tooltip": None,
        "fontSize": 11,
        "limit": {"expr": f"width / {len(axes)} - 8"},
    }
    halo = {"stroke": {"expr": "card"}, "strokeWidth": 4, "strokeJoin": "round", "dx": 6}
    drawn = [
        {"data": {"values": values}, "mark": {**text, **more}, "encoding": {"text": {"field": "word"}}}
        for values, more in (
            (words, halo), (words, {"dx": 6, "color": {"expr": "quiet"}}), (titles, {"dx": -8, "fontWeight": 600}),
        )
    ]  # fmt: skip
    made = _of_runs(
        f"Settings and {metric} of each finished run", 340, data, {"type": "line"}, needed="isValid(datum.value)",
        n=len(runs), flat=["k", "p"], params=[_BRUSH], encoding={"x": x, "y": y}, first=[rules], last=drawn,
    )  # fmt: skip
    return made, places


def importance(shares: Mapping[str, float]) -> Chart:
    """Bars of the share of each setting."""
    values = [{"key": key, "share": rounded(share)} for key, share in list(shares.items())[:12] if share >= 0.005]
    share = {"field": "share", "type": "quantitative", "title": None, "axis": {"format": "~%", "tickCount": 4}}
    y = {"field": "key", "type": "nominal", "sort": None, "title": None, "axis": {"labelOverlap": False}}
    text = {"mark": {"type": "text", "align": "left", "dx": 4}, "encoding": {"text": {**share, "format": ".0%"}}}
    return chart(
        "How much each setting had to do with being among the best runs (PED-ANOVA)", 60 + 22 * len(values),
        {"values": values}, layer=[{"mark": "bar"}, text], encoding={"x": share, "y": y},
    )  # fmt: skip


def _of_runs(
    caption: str, height: int, data: str, mark: Mapping[str, Any], *, needed: str, n: int,
    encoding: Mapping[str, Any], params: Sequence[Any], flat: Sequence[str] = (), dots: Mapping[str, Any] | None = None,
    first: Sequence[Any] = (), last: Sequence[Any] = (),
) -> Chart:  # fmt: skip
    """Marks of those without a colour, of those with one, of those under the pointer, and wide ones that it meets."""
    faint = max(0.15, min(0.5, 3 / math.sqrt(max(1, n))))

    def layer(chosen: str, of: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        steps: list[dict[str, Any]] = [
            {"filter": f"({needed}) && (!shown || shown[datum.run])"},
            {"calculate": "slots ? slots[datum.run] : datum.slot", "as": "shade"},
            {"filter": chosen},
        ]
        return {"transform": [*steps, *([{"flatten": list(flat)}] if flat else [])], **of, **more}

    def drawn(size: float, **more: Any) -> dict[str, Any]:
        width = {"strokeWidth": size} if mark["type"] == "line" else {"size": 14 * size * size, "strokeWidth": 0}
        return {"mark": {**mark, **_TIP, **width, **more, "aria": False}}

    run = {"detail": {"field": "run"}}
    tinted = {"encoding": {**run, "color": _COLOUR}}
    pointed = {
        "encoding": {**run, "color": {"condition": {"test": "datum.shade < 0", "value": {"expr": "ink"}}, **_COLOUR}}
    }
    at = "pointed && indexof(pointed, datum.run) >= 0"
    layers = [
        layer("datum.shade < 0", drawn(1.2, color={"expr": "quiet"}, opacity=faint), encoding=run, params=list(params)),
        layer("datum.shade >= 0", drawn(1.8, opacity=0.9), **tinted),
        layer(at, drawn(3.2, opacity=1), **pointed),
        layer("true", drawn(9 if mark["type"] == "line" else 3, opacity=0.001), encoding=run),
    ]
    if dots:
        layers.append(layer(at, dots, **pointed))
    painter = {"usermeta": {"embedOptions": {"renderer": "canvas"}}} if n > _MANY else {}
    layers = [*first, *layers, *last]
    return chart(
        caption, height, {"name": data}, params=_SIGNALS, layer=layers, encoding=encoding, view={"cursor": "crosshair"},
        **painter,
    )  # fmt: skip


def _axis(field: str, title: str, **more: Any) -> dict[str, Any]:
    return {"field": field, "type": "quantitative", "title": title, **more}


def _number(field: str, values: Sequence[float], title: str) -> dict[str, Any]:
    """An axis whose ends are fixed, whatever is shown. Of many values the outermost may lie beyond it."""
    ordered = sorted(values)
    cut = len(ordered) // 200 if len(ordered) > 200 else 0
    low, high = ordered[cut], ordered[-1 - cut]
    space = (high - low) * 0.04 or abs(low) * 0.05 or 0.5
    form = "~s" if high >= 10_000 else ".5~g"
    if logarithmic(ordered):
        ends = [rounded(low * 0.8), rounded(high * 1.25)]
        scale: dict[str, Any] = {"type": "log", "domain": ends, "nice": False}
        return _axis(field, title, scale=scale, axis={"values": _ticks(*ends), "format": form})
    few = sorted(set(ordered))
    axis = {"values": few} if len(few) <= _TICKS else {"tickCount": 5}
    scale = {"domain": [rounded(low - space), rounded(high + space)], "nice": False, "zero": False}
    return _axis(field, title, scale=scale, axis={**axis, "format": form})


def _ticks(low: float, high: float) -> list[float]:
    """Return the ticks of a logarithmic axis: 1, 2, 5, 10 where they are few, else powers of ten."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 2, 5) if len(powers) <= 4 else (1,)
    return [tick for power in powers for step in steps if low <= (tick := float(f"{step}e{power}")) <= high]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _scale(field: str, values: Sequence[Any], title: str) -> dict[str, Any]:
    if all(map(_is_number, values)):
        return _number(field, values, title)
    axis = {"labelAngle": -30 if len(set(values)) > 3 else 0, "labelLimit": 100, "labelBound": False}
    scale = {"domain": sorted(set(map(str, values)))}
    return {"field": field, "type": "nominal", "title": title, "scale": scale, "axis": axis}


def _placed(values: Sequence[Any]) -> tuple[list[float | None], list[tuple[str, float]]]:
    """Return where each value lies on an axis from 0 to 1, and the words beside the axis."""
    known = {value for value in values if value is not None}
    numbers = all(map(_is_number, known))
    levels = sorted(known)
    by = (math.log10 if levels and logarithmic(levels) else float) if numbers else levels.index
    at = {value: by(value) for value in known}
    low, size = min(at.values(), default=0), max(at.values(), default=0) - min(at.values(), default=0)
    share = {value: rounded((at[value] - low) / size) if size else 0.5 for value in known}
    if numbers and len(levels) > _TICKS:
        between = [low + size * k / 4 for k in range(5)]
        words = [(f"{10**each if by is math.log10 else each:.3g}", k / 4) for k, each in enumerate(between)]
    else:
        shown = levels[:: max(1, -(-len(levels) // _LEVELS))]
        words = [(f"{each:.3g}" if numbers else each, share[each]) for each in shown]
    return [share.get(value) for value in values], words
