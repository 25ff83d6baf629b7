"""What a chart of a page is: a specification of Vega-Lite, whose colours are the page's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_OF_OBJECTS = {
    "__proto__", "constructor", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "toLocaleString", "toString",
    "valueOf", "__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__",
}  # fmt: skip


@dataclass(frozen=True)
class Chart:
    """One chart of the page. spec: Vega-Lite, without its size."""

    caption: str
    height: int  # pixels
    spec: Mapping[str, Any]


def chart(caption: str, height: int, data: Mapping[str, Any], **spec: Any) -> Chart:
    """A chart as wide as its place. data: of Vega-Lite, or {"name": the id of a script of JSON rows in the page}."""
    size = {"width": "container", "height": "container", "autosize": {"type": "fit", "contains": "padding"}}
    return Chart(caption, height, {**size, "description": caption, "data": data, **spec})


def key(value: str) -> str:
    """The engine keeps texts as keys of objects, which have these already: a blank of no width makes them others."""
    return f"{value}\u200b" if value in _OF_OBJECTS else value


def rounded(value: float) -> float:
    """Five digits: more hangs on the processor."""
    return float(f"{value:.5g}")
