"""A picture of the mistakes that the model was surest of."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ratchet.evaluation.predictions import Predictions

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = 4


def most_confident_mistakes(predictions: Predictions, *, count: int) -> NDArray[np.intp]:
    """Indices of at most `count` wrong predictions, the surest first; equals in the order of the split."""
    wrong = np.flatnonzero(~predictions.correct)
    order = np.argsort(-predictions.confidence[wrong], kind="stable")
    return wrong[order[:count]]


def draw_mistakes(
    predictions: Predictions, x: NDArray[np.float32], path: Path, *, classes: Sequence[str], count: int
) -> None:
    """Write a PNG with one panel for each mistake: a picture, or lines, with what it is and was taken for.

    The file holds no date and no version: the same mistakes give the same bytes.
    """
    chosen = most_confident_mistakes(predictions, count=count)
    rows = max(1, math.ceil(len(chosen) / COLUMNS))
    with figure(path, width=2.4 * COLUMNS, height=0.5 + 2.55 * rows) as drawing:
        if not len(chosen):
            drawing.text(0.5, 0.5, "no mistakes", ha="center", va="center", fontsize=14, color="#555555")
            return
        drawing.suptitle("Most confident mistakes on the test split", fontsize=12, x=0.01, ha="left")
        for panel, index in zip(drawing.subplots(rows, COLUMNS, squeeze=False).flat, chosen, strict=False):
            draw_example(panel, np.array(x[index]))
            label, predicted = predictions.labels[index], predictions.predicted[index]
            panel.set_title(
                f"#{index} is {classes[label]}\ntaken for {classes[predicted]}, {predictions.confidence[index]:.1%}",
                fontsize=9,
            )
        for panel in drawing.axes:
            panel.set_axis_off() if not panel.has_data() else panel.set(xticks=[], yticks=[])


def draw_example(panel: Axes, example: NDArray[np.float32]) -> None:
    """Draw (channels, length) as lines or (channels, height, width) as a picture: colour for 3 channels."""
    if example.ndim == 2:
        panel.plot(example.T, linewidth=1.2)
        return
    if len(example) == 3:
        low, high = example.min(), example.max()
        panel.imshow(np.moveaxis((example - low) / max(high - low, 1e-12), 0, -1), interpolation="nearest")
        return
    panel.imshow(example.mean(axis=0), cmap="gray", interpolation="nearest")


@contextmanager
def figure(path: Path, *, width: float, height: float) -> Iterator[Any]:
    """A matplotlib figure (inches), written to `path` when the block ends; no global state is touched."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(width, height), dpi=100, layout="constrained")
    FigureCanvasAgg(drawing)
    yield drawing
    drawing.savefig(path, metadata={"Software": None})
