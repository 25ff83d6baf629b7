"""Why a run says what it says, as a page: explanation.html."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ratchet.data.charts import heat
from ratchet.deployment.explaining import Explained, Importance, by_column, columns_of, what_is_scored
from ratchet.deployment.predictor import Predictor
from ratchet.pages import render
from ratchet.pages.charts import Chart, chart, key, rounded

_BARS = 30  # columns of a chart
_ROWS, _EACH = 30, 6  # examples in the table, and columns that moved each of them most


def explain_page(
    predictor: Predictor, ids: Sequence[Any], found: Explained, important: Sequence[Importance], *,
    notes: Sequence[str], cache: Path | None,
) -> str:  # fmt: skip
    """HTML that needs nothing beside it. cache: as of ratchet.pages."""
    columns = columns_of(predictor)
    moved = by_column(found.attributions, columns) if columns else np.zeros((len(ids), 0))
    return render(
        Path(__file__).with_name("explain.html"), cache=cache, name=predictor.config.data.name,
        model=predictor.config.model.name, found=found, notes=notes, rows=len(ids), important=important,
        importances=_importances(important) if important else None,
        sizes=_sizes(moved, list(columns)) if columns else _map(found.attributions),
        examples=[
            {
                "id": ids[k], "what": what_is_scored(predictor.task, int(found.chosen[k])), "score": found.scores[k],
                "baseline": found.baseline[k],
                "moved": [(list(columns)[c], moved[k, c]) for c in np.argsort(-np.abs(moved[k]))[:_EACH]],
            }
            for k in range(min(_ROWS, len(ids)))
        ],
    )  # fmt: skip


def _bars(rows: list[dict[str, Any]], caption: str, x: str, *more: dict[str, Any]) -> Chart:
    level = {"field": "name", "type": "nominal", "sort": None, "title": None}
    place = {"field": "value", "type": "quantitative", "title": x}
    bars = {"mark": {"type": "bar", "opacity": 0.7}, "encoding": {"x": place}}
    return chart(caption, 60 + 20 * len(rows), {"values": rows}, layer=[bars, *more], encoding={"y": level})


def _importances(important: Sequence[Importance]) -> Chart:
    rows = []
    for each in important[:_BARS]:
        mean, low, high = each.growth.mean, each.growth.low, each.growth.high
        ends = {"low": rounded(mean if low is None else low), "high": rounded(mean if high is None else high)}
        rows.append({"name": key(each.name), "value": rounded(mean), **ends})
    across = {"x": {"field": "low", "type": "quantitative"}, "x2": {"field": "high"}}
    rule = {"mark": {"type": "rule", "strokeWidth": 1.5}, "encoding": across}
    return _bars(rows, "What is lost without a column", "growth of an example’s loss", rule)


def _sizes(moved: np.ndarray, names: list[str]) -> Chart:
    mean = np.abs(moved).mean(axis=0)
    order = np.argsort(-mean)[:_BARS]
    rows = [{"name": key(names[k]), "value": rounded(float(mean[k]))} for k in order]
    return _bars(rows, "How much each column moved these answers, on average", "size of the attribution")


def _map(attributions: np.ndarray) -> Chart:
    """Mean sizes over examples and channels, thinned where they are many."""
    mean = np.abs(attributions).mean(axis=(0, 1))
    mean = np.atleast_2d(mean[tuple(slice(None, None, -(-length // 64)) for length in mean.shape)])
    rows, places = ([str(k) for k in range(length)] for length in mean.shape)
    colour = {"field": "value", "type": "quantitative", "title": "size"}
    return heat(mean, rows, places, caption="Where the answers come from: mean size of the attribution",
                x="position", colour=colour, form=".2g")  # fmt: skip
