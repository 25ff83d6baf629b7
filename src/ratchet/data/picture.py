"""The data card as a picture: class balance, examples, distribution of values, what cleaning found."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ratchet.data.column_report import LEAKS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = {"train": "#3b6ea8", "validation": "#e69f00", "confirm": "#2a9d78", "test": "#c05a8a"}
_INK, _FAINT = "#2b2b2b", "#8a8a8a"
_CLASSES_SHOWN = 12
_COLUMNS_SHOWN = 24
EXAMPLES_SHOWN = 8  # of each class
_BINS = 60


def draw_card(
    path: Path,
    card: Mapping[str, Any],
    *,
    x: np.ndarray,
    y: np.ndarray,
    values: Mapping[str, np.ndarray],
    targets: Mapping[str, np.ndarray],
) -> None:
    """Draw the card to the PNG file `path`; the same card and examples give the same bytes.

    x, y: some training examples of each class, before normalisation (no other split is shown: a look at the
    test split is a reading of it). values: some normalised values of every split; targets: the targets of each.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with rc_context(_style()), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph .* missing")  # a class name in letters that the font lacks
        figure = Figure(figsize=(13, 7.6), dpi=110, layout="constrained")
        FigureCanvasAgg(figure)
        figure.suptitle(_title(card), x=0.012, ha="left", fontsize=13, fontweight="bold")
        left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=[1, 1.05], wspace=0.03)[0]
        top, bottom = left.subfigures(2, 1, height_ratios=[1.25, 1])
        if card["target"]["kind"] == "number":
            _draw_numbers(top.subplots(), card, targets)
        else:
            _draw_balance(top.subplots(), card)
        histogram, findings = bottom.subplots(1, 2, width_ratios=[1.35, 1])
        _draw_values(histogram, values)
        _draw_findings(findings, card)
        _draw_examples(right.subplots(), card, x, y)
        figure.savefig(path, metadata={"Software": None})


def _style() -> dict[str, Any]:
    return {
        "font.family": "DejaVu Sans",  # matplotlib carries it: the same letters everywhere
        "font.size": 8.5,
        "text.color": _INK,
        "axes.edgecolor": _FAINT,
        "axes.labelcolor": _INK,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlelocation": "left",
        "axes.titlesize": 9.5,
        "axes.titleweight": "bold",
        "text.parse_math": False,  # a class may be called "$5"
        "xtick.color": _FAINT,
        "ytick.color": _FAINT,
        "xtick.labelcolor": _INK,
        "ytick.labelcolor": _INK,
    }


def _title(card: Mapping[str, Any]) -> str:
    total = sum(counts["total"] for counts in card["counts"].values())
    shape = " × ".join(str(length) for length in card["shape"])
    kind = {"sequence": "sequences", "image": "images", "table": "rows"}[card["layout"]]
    what = {"class": f"{len(card['classes'])} classes", "labels": f"{len(card['classes'])} labels"}
    return f"{card['name']}:  {total:,} {kind} of {shape},  {what.get(card['target']['kind'], 'a number')}"


def _draw_balance(axes: Axes, card: Mapping[str, Any]) -> None:
    """A bar for each class, made up of its splits."""
    n_classes = len(card["classes"])
    rows, left = np.arange(n_classes), np.zeros(n_classes)
    for name, counts in card["counts"].items():
        per_class = np.array([counts["per_class"][label] for label in card["classes"]])
        axes.barh(rows, per_class, left=left, height=0.72, color=_COLOURS[name], label=f"{name} {counts['total']:,}")
        left += per_class
    axes.set_title("Examples of each class", pad=24)
    axes.legend(ncols=4, loc="lower left", bbox_to_anchor=(-0.01, 1.0), frameon=False, borderpad=0, handlelength=1)
    axes.set_xlim(0, left.max() * 1.1)
    axes.set_ylim(n_classes - 0.5, -0.5)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    if n_classes > 40:
        axes.set_ylabel(f"{n_classes} classes")
        return
    axes.set_yticks(rows, [_short(label) for label in card["classes"]])
    axes.tick_params(axis="y", length=0)
    for row, total in enumerate(left):
        axes.text(total, row, f" {total:,.0f}", va="center", color=_FAINT, fontsize=7.5)


def _draw_numbers(axes: Axes, card: Mapping[str, Any], targets: Mapping[str, np.ndarray]) -> None:
    """The distribution of the target in each split: they should lie on one another."""
    edges = np.histogram_bin_edges(targets["train"], min(_BINS, 10 + len(targets["train"]) // 20))
    for name, part in targets.items():
        share = np.histogram(np.clip(part, edges[0], edges[-1]), edges)[0] / max(1, len(part))
        label = f"{name} {card['counts'][name]['total']:,}"
        fill = name == "train"
        axes.stairs(share, edges, color=_COLOURS[name], fill=fill, alpha=0.35 if fill else 1.0, baseline=0, label=label)
    axes.set_title("The target in each split", pad=24)
    axes.legend(ncols=4, loc="lower left", bbox_to_anchor=(-0.01, 1.0), frameon=False, borderpad=0, handlelength=1)
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g} %")


def _draw_values(axes: Axes, values: Mapping[str, np.ndarray]) -> None:
    """The distribution of normalised values in each split: they should lie on one another."""
    lowest = min(float(part.min()) for part in values.values())
    highest = max(float(part.max()) for part in values.values())
    edges = np.linspace(lowest, highest if highest > lowest else lowest + 1, _BINS + 1)
    for name, part in values.items():
        share = np.histogram(part, edges)[0] / part.size
        fill = name == "train"
        axes.stairs(
            share,
            edges,
            color=_COLOURS[name],
            fill=fill,
            alpha=0.35 if fill else 1.0,
            linewidth=1.1,
            baseline=0,
        )
    axes.set_title("Values after normalisation")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g} %")
    axes.yaxis.set_minor_formatter(lambda *_: "")
    axes.set_ylabel("share of all values")
    axes.set_xlabel("standard deviations of the training split")


def _draw_findings(axes: Axes, card: Mapping[str, Any]) -> None:
    """What cleaning looked for, and how much of it there was."""
    axes.set_axis_off()
    axes.set_title("What cleaning found")
    for row, finding in enumerate(card["findings"]):
        height = 0.95 - row * 0.115
        colour = _INK if finding["found"] else _FAINT
        axes.text(0.0, height, finding["reason"].replace("_", " "), color=colour, va="top")
        outcome = f"{finding['found']:,}"
        if finding["found"]:
            outcome += " removed" if finding["removed"] else " kept"
        axes.text(1.0, height, outcome, color=colour, va="top", ha="right")


def _draw_examples(axes: Axes, card: Mapping[str, Any], x: np.ndarray, y: np.ndarray) -> None:
    """A row of cells, each one unit wide and high, for each class."""
    if card["layout"] == "table":
        _draw_columns(axes, card)
        return
    if card["target"]["kind"] != "class":
        y = np.zeros(len(x), np.int64)
    names = card["classes"] if card["target"]["kind"] == "class" else [""]
    classes = names[:_CLASSES_SHOWN]
    more = f" (the first {len(classes)} of {len(names)} classes)" if classes != names else ""
    axes.set_title(f"Training examples, before normalisation{more}")
    draw = _draw_sequence if card["layout"] == "sequence" else _draw_image
    for row in range(len(classes)):
        for column, example in enumerate(x[y == row][:EXAMPLES_SHOWN]):
            scaled = (example.astype(float) - x.min()) / max(float(x.max()) - float(x.min()), 1e-12)
            draw(axes, scaled, column, row)
    axes.set_anchor("NW")
    axes.set_xlim(0, EXAMPLES_SHOWN)
    axes.set_ylim(len(classes), 0)
    axes.set_yticks(np.arange(len(classes)) + 0.5, [_short(label) for label in classes])
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _draw_columns(axes: Axes, card: Mapping[str, Any]) -> None:
    """A row for each column, those that say most of the target first: its values, its gaps, what it tells alone."""
    columns = sorted(card["columns"], key=lambda each: -each["alone"])
    shown = columns[:_COLUMNS_SHOWN]
    more = f" (the first {len(shown)} of {len(columns)})" if len(shown) < len(columns) else ""
    axes.set_title(f"Columns of the training split{more}", pad=18)
    axes.set_axis_off()
    axes.set_xlim(0, 10)
    axes.set_ylim(_COLUMNS_SHOWN, 0)
    for place, text in ((0, "column"), (3.1, "kind"), (4.4, "values"), (6.6, "gaps"), (7.4, "tells of the target")):
        axes.text(place, -0.25, text, color=_FAINT, fontsize=7.5)
    for row, each in enumerate(shown):
        ink = "#b03030" if each["alone"] >= LEAKS else _INK
        axes.text(0, row + 0.6, _short(each["name"]), color=ink, va="center")
        axes.text(3.1, row + 0.6, each["kind"], color=_FAINT, va="center")
        heights = np.array(each["histogram"])
        if len(heights):
            left = 4.4 + np.arange(len(heights)) * 0.19
            axes.bar(left, -0.75 * heights / heights.max(), width=0.17, bottom=row + 0.95, align="edge",
                     color=_COLOURS["train"])  # fmt: skip
        axes.text(7.1, row + 0.6, f"{100 * each['missing']:.0f} %" if each["missing"] else "", va="center", ha="right")
        axes.barh(row + 0.6, 2.0 * each["alone"], left=7.4, height=0.5, color=ink if ink != _INK else _COLOURS["test"])
        axes.text(7.45 + 2.0 * each["alone"], row + 0.6, f"{100 * each['alone']:.0f} %", va="center", color=_FAINT)


def _draw_sequence(axes: Axes, example: np.ndarray, column: int, row: int) -> None:
    """example: (channels, length), values from 0 to 1; a line for each channel."""
    across = column + np.linspace(0.06, 0.94, example.shape[1])
    for channel, colour in zip(example, cycle(_COLOURS.values()), strict=False):
        axes.plot(across, row + 0.97 - 0.94 * channel, linewidth=1.0, color=colour)


def _draw_image(axes: Axes, example: np.ndarray, column: int, row: int) -> None:
    """example: (channels, height, width), values from 0 to 1; in colour if there are 3 channels."""
    picture = np.moveaxis(example, 0, -1) if len(example) == 3 else example[0]
    height, width = np.array(example.shape[1:]) / max(example.shape[1:]) * 0.94
    middle = column + 0.5, row + 0.5
    extent = (middle[0] - width / 2, middle[0] + width / 2, middle[1] + height / 2, middle[1] - height / 2)
    axes.imshow(picture, extent=extent, cmap="gray_r", vmin=0, vmax=1)


def _short(label: str) -> str:
    return label if len(label) <= 18 else f"{label[:17]}…"
