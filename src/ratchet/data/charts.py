"""The charts of the data report: Vega-Lite specifications, whose colours are the page's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ratchet.data.examples import SPLITS
from ratchet.pages.charts import Chart, chart, key, rounded

MOST_BARS = 40
Rows = list[dict[str, Any]]


def _chart(caption: str, height: int, values: Rows, **spec: Any) -> Chart:
    known = [{name: key(value) if isinstance(value, str) else value for name, value in row.items()} for row in values]
    return chart(caption, height, {"values": known}, **spec)


def _of_splits(shown: Sequence[str]) -> dict[str, Any]:
    """A split has the same colour in every chart; the legend names those that are shown."""
    legend = {"values": list(shown)} if len(shown) > 1 else None
    return {"field": "split", "type": "nominal", "scale": {"domain": list(SPLITS)}, "legend": legend}


def _share(title: str, **more: Any) -> dict[str, Any]:
    return {"field": "share", "type": "quantitative", "title": title, "axis": {"format": "~%", "tickCount": 5}, **more}


def _level(name: str, **more: Any) -> dict[str, Any]:
    """Sort by the order of the rows: a list to sort by would make texts of the data part of an expression."""
    return {"field": name, "type": "nominal", "sort": None, "title": None, **more}


def balance(counts: Mapping[str, Mapping[str, int]], what: str) -> Chart:
    """Bars of how many examples of each split have a class or a label; the most frequent ones where there are many."""
    totals = {name: sum(of[name] for of in counts.values()) for name in counts["train"]}
    names = list(totals)
    if len(names) > MOST_BARS:
        names = sorted(names, key=lambda name: -totals[name])[:MOST_BARS]
    more = f": the {len(names)} most frequent of {len(totals)}" if len(names) < len(totals) else ""
    rows = [{"name": name, "split": split, "n": of[name]} for split, of in counts.items() for name in names]
    bars = {
        "mark": "bar",
        "encoding": {
            "x": {"field": "n", "type": "quantitative", "title": "examples", "axis": {"tickCount": 8}},
            "color": _of_splits(SPLITS),
            "order": {"field": "place", "type": "quantitative"},
        },
    }
    place = [{"calculate": f"indexof({list(SPLITS)}, datum.split)", "as": "place"}]
    sums = {
        "transform": [{"aggregate": [{"op": "sum", "field": "n", "as": "sum"}], "groupby": ["name"]}],
        "mark": {"type": "text", "align": "left", "dx": 4, "fontSize": 11},
        "encoding": {
            "x": {"field": "sum", "type": "quantitative"},
            "text": {"field": "sum", "type": "quantitative", "format": ","},
        },
    }
    return _chart(
        f"Examples of each {what}{more}", 80 + 22 * len(names), rows, transform=place, layer=[bars, sums],
        encoding={"y": _level("name")},
    )  # fmt: skip


def distributions(
    shares: Mapping[str, np.ndarray],
    edges: np.ndarray,
    *,
    caption: str,
    x: str,
    days: bool = False,
    small: bool = False,
    of: str = "share of rows",
) -> Chart:
    """The share of each split's values between edges (n + 1,): an area for train, lines for the others.

    days: whether the edges are days since 1970. small: whether small shares are drawn larger.
    """
    at = edges * 86_400_000 if days else edges
    rows = [
        {"x": rounded(left), "share": rounded(share), "split": name}
        for name, part in shares.items()
        for left, share in zip(at, [*part, part[-1]], strict=True)
    ]
    place: dict[str, Any] = {"field": "x", "type": "quantitative", "title": x, "scale": {"zero": False, "nice": False}}
    if days:
        place |= {"type": "temporal", "scale": {"type": "utc"}}
    else:
        place["axis"] = _axis(edges)
    share = _share(of, **({"scale": {"type": "sqrt"}} if small else {}))
    area = {
        "transform": [{"filter": "datum.split === 'train'"}],
        "mark": {"type": "area", "opacity": 0.3, "interpolate": "step-after"},
    }
    lines = {"mark": {"type": "line", "strokeWidth": 1.5, "interpolate": "step-after"}}
    encoding = {"x": place, "y": share, "color": _of_splits(list(shares))}
    return _chart(caption, 230, rows, layer=[area, lines], encoding=encoding)


def _axis(edges: np.ndarray) -> dict[str, Any]:
    """Whole numbers have a tick each; a year has no comma; large and small numbers are short."""
    largest = float(np.abs(edges).max())
    if float(edges[0]) % 1 == 0.5 and float(edges[1] - edges[0]) == 1.0:
        return {"values": [float(edge) + 0.5 for edge in edges[:-1]], "format": "d"}
    if 1e-3 <= largest < 1000:
        return {}
    return {"format": "~f" if 1000 <= largest < 10_000 else "~g" if largest < 1 else "~s"}


def levels(shares: Mapping[str, np.ndarray], names: Sequence[str], *, caption: str) -> Chart:
    """The share of each split's rows that have a category: bars for train, ticks for the others."""
    rows = [
        {"level": name, "share": rounded(share), "split": split}
        for split, part in shares.items() for name, share in zip(names, part, strict=True)
    ]  # fmt: skip
    bars = {"transform": [{"filter": "datum.split === 'train'"}], "mark": {"type": "bar", "opacity": 0.7}}
    ticks = {
        "transform": [{"filter": "datum.split !== 'train'"}],
        "mark": {"type": "tick", "thickness": 2.5, "size": 14},
    }
    encoding = {"y": _level("level"), "x": _share("share of rows"), "color": _of_splits(list(shares))}
    return _chart(
        caption, 70 + 19 * len(names), rows, layer=[bars, ticks] if len(shares) > 1 else [bars], encoding=encoding
    )


@dataclass(frozen=True)
class Bands:
    """The bars of a chart against a column: bands of a number side by side, or categories below each other."""

    column: str
    names: Sequence[str]
    sizes: Sequence[int]  # rows in each
    across: bool

    def chart(self, caption: str, values: Rows, *layers: dict[str, Any], legend: int = 0, **value: Any) -> Chart:
        """Layers whose encodings say `value` and `value2` for the channel that the bands do not use.

        A layer with data of its own is of all bands.
        """
        own, other = ("x", "y") if self.across else ("y", "x")
        axis = {"labelAngle": -35, "labelLimit": 110, "labelOverlap": False} if self.across else {"labelOverlap": False}
        bands = _level("band", axis=axis, title=self.column if self.across else None)
        channels = {"band": own, "value": other, "value2": f"{other}2"}
        drawn = [
            {
                **layer,
                "encoding": {channels.get(each, each): of for each, of in layer["encoding"].items()}
                | ({} if "data" in layer else {own: bands}),
            }
            for layer in layers
        ]
        height = (250 if self.across else 70 + 19 * len(self.names)) + legend
        return _chart(caption, height, values, layer=drawn)

    def rates(self, shares: Sequence[float], *, whole: float, caption: str, of: str) -> Chart:
        """The share of rows of one class in each band, beside that of all rows."""
        rows = [
            {"band": name, "share": rounded(share), "rows": size}
            for name, share, size in zip(self.names, shares, self.sizes, strict=True)
        ]
        tip = [{"field": "band"}, {"field": "share", "format": ".1%"}, {"field": "rows", "format": ","}]
        bars = {"mark": {"type": "bar", "opacity": 0.8}, "encoding": {"value": _share(of), "tooltip": tip}}
        rule = {
            "data": {"values": [{"share": rounded(whole)}]},
            "mark": {"type": "rule", "strokeDash": [4, 3]},
            "encoding": {"value": {"field": "share", "type": "quantitative"}},
        }
        return self.chart(caption, rows, bars, rule)

    def parts(self, shares: np.ndarray, classes: Sequence[str], *, caption: str) -> Chart:
        """What share of the rows of each band has each class, (bands, classes)."""
        rows = [
            {"band": name, "class": each, "share": rounded(share), "place": k}
            for name, row in zip(self.names, shares, strict=True)
            for k, (each, share) in enumerate(zip(classes, row, strict=True))
        ]
        encoding = {
            "value": _share("share of rows", scale={"domain": [0, 1]}),
            "color": _level("class", legend={"columns": 2, "labelLimit": 110}),
            "order": {"field": "place", "type": "quantitative"},
        }
        return self.chart(caption, rows, {"mark": "bar", "encoding": encoding}, legend=20 + 7 * len(classes))

    def boxes(self, quantiles: np.ndarray, *, caption: str, of: str) -> Chart:
        """The target's quantiles .1, .25, .5, .75, .9 in each band, (bands, 5)."""
        names = ("p10", "p25", "p50", "p75", "p90")
        rows = [
            {"band": name, **dict(zip(names, map(rounded, row), strict=True)), "rows": size}
            for name, row, size in zip(self.names, quantiles, self.sizes, strict=True)
        ]

        def at(field: str) -> dict[str, Any]:
            return {"field": field, "type": "quantitative", "title": of, "scale": {"zero": False}}

        tip = [{"field": each} for each in ("band", *names, "rows")]
        bar, tick = {"type": "bar", "size": 14}, {"type": "tick", "size": 14, "thickness": 2}
        return self.chart(
            caption,
            rows,
            {"mark": "rule", "encoding": {"value": at("p10"), "value2": {"field": "p90"}}},
            {"mark": bar, "encoding": {"value": at("p25"), "value2": {"field": "p75"}, "tooltip": tip}},
            {"mark": tick, "encoding": {"value": at("p50")}},
        )

    def ratios(self, values: np.ndarray, labels: Sequence[str], *, caption: str) -> Chart:
        """How many times as frequent as in all rows each label is in each band, (labels, bands)."""
        scale = {"type": "log", "domain": [0.25, 1, 4], "range": ["#3a7bd5", "#e8e8e8", "#d9601a"], "clamp": True}
        legend = {"title": "times as frequent", "format": "~g", "values": [0.25, 0.5, 1, 2, 4], "gradientLength": 160}
        colour = {"scale": scale, "legend": legend}
        return heat(values, labels, self.names, caption=caption, x=self.column, colour=colour, form=".2f")


def heat(
    values: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    caption: str,
    x: str | None,
    colour: Mapping[str, Any],
    form: str,
) -> Chart:
    """A cell for each row and column."""
    found = [
        {"row": row, "column": column, "value": rounded(value)}
        for row, line in zip(rows, values, strict=True)
        for column, value in zip(columns, line, strict=True)
    ]
    encoding = {
        "x": _level("column", axis={"labelAngle": -90, "labelOverlap": False, "labelLimit": 90}, title=x),
        "y": _level("row", axis={"labelOverlap": False}),
        "color": {"field": "value", "type": "quantitative", **colour},
        "tooltip": [{"field": "row"}, {"field": "column"}, {"field": "value", "format": form}],
    }
    return _chart(caption, 140 + 18 * len(rows), found, mark="rect", encoding=encoding)


def together(shares: np.ndarray, labels: Sequence[str]) -> Chart:
    """Draw the share of the examples with one label that have another, (labels, labels)."""
    legend = {"title": "share", "format": "~%", "gradientLength": 160}
    return heat(
        shares,
        labels,
        labels,
        caption="Labels together: of the training examples with a row's label, the share with a column's",
        x=None,
        colour={"scale": {"scheme": "blues", "domain": [0, 1]}, "legend": legend},
        form=".0%",
    )


def curves(
    mean: np.ndarray,
    std: np.ndarray,
    examples: np.ndarray,
    places: np.ndarray,
    *,
    caption: str,
    low: float,
    high: float,
) -> Chart:
    """Draw one class: mean and standard deviation (channels, length) at the places, examples (n, channels, length)."""
    at = [int(place) for place in places]
    y = {"title": "value", "scale": {"domain": [rounded(low), rounded(high)]}}
    lines = [
        {"x": at, "y": [rounded(value) for value in channel], "channel": c + 1, "line": k}
        for k, example in enumerate(examples) for c, channel in enumerate(example)
    ]  # fmt: skip
    means = [
        {
            "x": at, "y": [rounded(v) for v in mean[c]], "channel": c + 1, "line": "mean",
            "low": [rounded(v) for v in mean[c] - std[c]], "high": [rounded(v) for v in mean[c] + std[c]],
        }
        for c in range(len(mean))
    ]  # fmt: skip
    band = {
        "transform": [{"filter": "datum.line === 'mean'"}, {"flatten": ["x", "low", "high"]}],
        "mark": {"type": "area", "opacity": 0.2, "tooltip": None},
        "encoding": {"y": {"field": "low", "type": "quantitative", **y}, "y2": {"field": "high"}},
    }
    thin, thick = (
        {
            "transform": [{"filter": f"datum.line {sign} 'mean'"}, {"flatten": ["x", "y"]}],
            "mark": {"type": "line", "strokeWidth": width, "opacity": opacity, "tooltip": None},
            "encoding": {"y": {"field": "y", "type": "quantitative", **y}, "detail": {"field": "line"}},
        }
        for sign, width, opacity in (("!==", 0.8, 0.45), ("===", 2.5, 1.0))
    )
    colour = {"field": "channel", "type": "nominal", "legend": {"title": "channel"} if len(mean) > 1 else None}
    x = {"field": "x", "type": "quantitative", "title": "position", "scale": {"nice": False}}
    return _chart(caption, 200, [*lines, *means], layer=[band, thin, thick], encoding={"x": x, "color": colour})
