"""A picture of the mistakes that the model was surest of."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ratchet.data.prepared import Examples, Normalised
from ratchet.tasks import Predictions

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = 4
_TEXT, _LINE = 480, 40  # characters of a text, and of a line of it
_LONGEST = 24  # characters of an example's id
PANEL, MARGIN = 2.4, 0.4  # inches: one panel with its title; the headline


def draw_mistakes(
    predictions: Predictions,
    x: Examples,
    ids: NDArray[Any],
    path: Path,
    *,
    count: int,
    words: Callable[[NDArray[Any]], str] | None = None,
) -> None:
    """Write a PNG with one panel for each mistake: a picture, or lines, with what it is and was taken for, and its id.

    words: of texts, what their tokens are in words. The file holds no date and no version: the same mistakes give the
    same bytes.
    """
    chosen, shown = predictions.mistakes(count), x.stored if isinstance(x, Normalised) else x
    rows = max(1, math.ceil(len(chosen) / COLUMNS))
    height = MARGIN + rows * PANEL
    with figure(path, width=COLUMNS * PANEL, height=height) as drawing:
        if not len(chosen):
            drawing.text(0.5, 0.5, "no mistakes", ha="center", va="center", fontsize=14, color="#555555")
            return
        drawing.suptitle("Most confident mistakes on the test split", fontsize=12, x=0.02, ha="left")
        # Room for two lines over each panel. (matplotlib's own layout engines take half a second for this.)
        room = {"left": 0.02, "right": 0.98, "bottom": 0.1 / height, "top": 1 - (MARGIN + 0.35) / height}
        panels = drawing.subplots(rows, COLUMNS, squeeze=False, gridspec_kw={**room, "wspace": 0.08, "hspace": 0.25})
        for panel in panels.flat:
            panel.set_axis_off()
        for panel, index in zip(panels.flat, chosen, strict=False):
            panel.set_axis_on()
            panel.set(xticks=[], yticks=[])
            if words is not None:
                wrapped = textwrap.shorten(words(x[np.array([index])][0]), _TEXT, placeholder=" …")
                panel.text(0.03, 0.97, textwrap.fill(wrapped, _LINE), transform=panel.transAxes, fontsize=7, va="top",
                           parse_math=False)  # fmt: skip
            else:
                draw_example(panel, np.array(shown[index]))
            panel.set_title(predictions.caption(int(index)), fontsize=9, parse_math=False)  # a class may be called $5
            name = str(ids[index])
            named = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
            panel.text(0.99, 0.01, named, transform=panel.transAxes, fontsize=7, ha="right", va="bottom",
                       color="#555555", parse_math=False)  # fmt: skip


def draw_example(panel: Axes, example: NDArray[np.float32 | np.uint8]) -> None:
    """Draw (channels, length) as lines, (columns,) as bars, (channels, height, width) as a picture: 3 in colour."""
    if example.ndim == 1:
        panel.bar(np.arange(len(example)), example)
        return
    if example.ndim == 2:
        panel.plot(example.T, linewidth=1.2)
        return
    if len(example) == 3:
        low, high = (0, 255) if example.dtype == np.uint8 else (example.min(), example.max())
        panel.imshow(np.moveaxis((example - low) / max(high - low, 1e-12), 0, -1), interpolation="nearest")
        return
    panel.imshow(example.mean(axis=0), cmap="gray", interpolation="nearest")


@contextmanager
def figure(path: Path, *, width: float, height: float) -> Iterator[Any]:
    """A matplotlib figure (inches), written to `path` when the block ends; no global state is touched."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(width, height), dpi=100)
    FigureCanvasAgg(drawing)
    yield drawing
    drawing.savefig(path, metadata={"Software": None})
