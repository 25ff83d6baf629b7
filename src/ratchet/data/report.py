"""The data report: the data card as a page to look at before anything is trained, card.html."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ratchet.data import charts
from ratchet.data.charts import Bands
from ratchet.data.cleaning import CleanExamples
from ratchet.data.column_report import LEAKS, some
from ratchet.data.examples import SPLITS
from ratchet.data.prepared import Normalised
from ratchet.pages import render
from ratchet.pages.charts import Chart
from ratchet.tables import Column

COLUMNS_DRAWN = 50  # of a table, those that tell most of the target; the others are rows alone
EXAMPLES_SHOWN = 8  # of each class
_CLASSES_SHOWN = 12
_LABELS_SHOWN = 20
_LEVELS_SHOWN = 12  # of a category that has more than twice as many
_BINS = 24
_BANDS = 8
_FEWEST = 20  # rows of a band that say something of the target
_PIXELS = 64  # of the longer side of a picture
_POINTS = 120  # of a curve
_VALUES = 4_000_000  # looked at for means, for the distribution of values
_PARTS = 7  # classes of a stacked bar, beside all others: there are eight colours
_KINDS = {"sequence": "sequences", "image": "pictures", "table": "rows", "text": "texts"}
_READ_BY = {
    "train": "training",
    "validation": "training and searches",
    "confirm": "promotion alone",
    "test": "evaluation alone",
}

Splits = Mapping[str, np.ndarray]


def write_report(
    directory: Path, card: Mapping[str, Any], examples: CleanExamples, splits: Splits, *,
    columns: Sequence[Column] = (), cache: Path | None = None,
) -> None:  # fmt: skip
    """Write card.html into a folder that holds the arrays: one file, the same bytes for the same card and examples.

    Of columns against the target, and of single examples, the training split alone is shown: a look at the test split
    is a reading of it. examples, splits: the positions of each split in the clean examples, before normalisation.
    columns: those of a table, whose codes the examples are. cache: as of ratchet.pages.
    """
    page = render(
        Path(__file__).with_name("report.html"),
        cache=cache,
        card=card,
        what=_what(card),
        warnings=card.get("warnings", []),
        left_out=card.get("left_out", []),
        read_by=_READ_BY,
        splits=_split_rows(card, examples, splits),
        target=list(_target(card, examples.y, splits)),
        classes=[] if columns or "text" in card else list(_classes(card, examples, splits["train"])),
        values=None if columns else _values(directory, splits, card),
        columns=_columns(card, columns, examples, splits),
        drawn=COLUMNS_DRAWN,
        sampled=len(some(splits["train"])) < len(splits["train"]) and f"{len(some(splits['train'])):,}",
        leaks=LEAKS,
    )
    (directory / "card.html").write_bytes(page.encode())


def _what(card: Mapping[str, Any]) -> str:
    total = sum(counts["total"] for counts in card["counts"].values())
    shape = " × ".join(str(length) for length in card["shape"])
    if card["layout"] == "text":
        shape = f"at most {shape} tokens"
    size = f"{len(card['columns'])} columns ({shape} features)" if "columns" in card else shape
    n = len(card["classes"])
    target = {"class": f"one of {n} classes", "labels": f"any of {n} labels"}.get(card["target"]["kind"], "a number")
    return f"{total:,} {_KINDS[card['layout']]} of {size}; to predict: {target}"


def _split_rows(card: Mapping[str, Any], examples: CleanExamples, splits: Splits) -> list[dict[str, Any]]:
    """The size of each split, and what of it is in the training split too."""
    prints = examples.digests.view("<u8")[::2]  # half of a fingerprint is as good
    groups = examples.origin.groups
    of_train = np.sort(prints[splits["train"]])
    total = sum(map(len, splits.values()))
    rows = []
    for name, positions in splits.items():
        row: dict[str, Any] = {"name": name, "n": len(positions), "share": len(positions) / total, "known": None}
        row["alike"] = None if name == "train" else _within(prints[positions], of_train)
        if groups is not None:
            own, known = np.unique(groups[positions]), np.unique(groups[splits["train"]])
            row |= {"groups": len(own), "known": None if name == "train" else _within(own, known)}
        rows.append(row | {"target": card["counts"][name].get("target")})
    return rows


def _within(values: np.ndarray, ordered: np.ndarray) -> int:
    """How many of the values are among others, which are sorted."""
    values = np.sort(values)  # looked up faster
    place = np.searchsorted(ordered, values).clip(max=len(ordered) - 1)
    return int((ordered[place] == values).sum())


def _name_of_target(card: Mapping[str, Any]) -> str:
    table = card["config"].get("table") or {}
    return ", ".join(table.get("target") or [card["name"]])


def _target(card: Mapping[str, Any], y: np.ndarray, splits: Splits) -> Iterator[Chart]:
    kind = card["target"]["kind"]
    if kind == "number":
        edges = _edges(y[some(splits["train"])])
        shares = {name: _shares(y[some(rows)], edges) for name, rows in splits.items()}
        yield charts.distributions(shares, edges, caption="The target in each split", x=_name_of_target(card))
        return
    counts = {name: of["per_class"] for name, of in card["counts"].items()}
    yield charts.balance(counts, "class" if kind == "class" else "label")
    if kind == "labels":
        train = y[splits["train"]]
        together = train.T.astype(np.float64) @ train
        chosen = _most(np.diag(together), _LABELS_SHOWN)
        names = [card["classes"][k] for k in chosen]
        share = together[np.ix_(chosen, chosen)] / np.maximum(np.diag(together)[chosen][:, None], 1)
        yield charts.together(share, names)
        numbers = np.bincount(train.sum(axis=1).astype(int)) / len(train)
        yield charts.levels(
            {"train": numbers[:20]}, [str(k) for k in range(len(numbers[:20]))], caption="Labels of one example"
        )


def _most(counts: np.ndarray, n: int) -> np.ndarray:
    """The places of the n largest, in their order of size."""
    return np.argsort(-counts, kind="stable")[:n]


# --- sequences and pictures


def _classes(card: Mapping[str, Any], examples: CleanExamples, train: np.ndarray) -> Iterator[dict[str, Any]]:
    """Show mean, standard deviation and some examples of each class, as a chart or as pictures."""
    of_class = card["target"]["kind"] == "class"
    names = card["classes"][:_CLASSES_SHOWN] if of_class else ["all"]
    y, x = (examples.y[train] if of_class else np.zeros(len(train), int)), examples.x
    members = [train[y == k] for k in range(len(names))]
    looked = [x[_few(rows, x[0].size * len(names))].astype(np.float64) for rows in members]
    shown = [x[rows[:EXAMPLES_SHOWN]].astype(np.float64) for rows in members]
    low, high = (float(of([of(part) for part in shown])) for of in (np.min, np.max))
    spread = max(float(part.std(axis=0).max()) for part in looked)
    for name, rows, part, few in zip(names, members, looked, shown, strict=True):
        mean, std = part.mean(axis=0), part.std(axis=0)
        found: dict[str, Any] = {"name": name, "n": len(rows), "chart": None}
        if card["layout"] == "image":
            found["pictures"] = [
                ("mean", _png(mean, low, high)),
                ("std", _png(std, 0.0, spread)),
                *((f"example {k + 1}", _png(each, low, high)) for k, each in enumerate(few)),
            ]
            found["grey"] = len(mean) != 3
        else:
            places = np.unique(np.linspace(0, mean.shape[1] - 1, _POINTS).round().astype(int))
            channels = slice(0, 8)
            found["chart"] = charts.curves(
                mean[channels, places], std[channels, places], few[:, channels][..., places], places,
                caption=f"{name}: {len(rows):,} training examples", low=low, high=high,
            )  # fmt: skip
        yield found


def _few(rows: np.ndarray | Normalised, values: int) -> np.ndarray:
    """Some of the rows, evenly, each of which stands for so many values: _VALUES in all, but one at least."""
    return rows[:: max(1, -(-len(rows) * values // _VALUES))]


def _png(picture: np.ndarray, low: float, high: float) -> str:
    """(channels, height, width) as an address of its bytes: in colour if there are 3 channels, else the first."""
    from PIL import Image

    step = -(-max(picture.shape[1:]) // _PIXELS)
    scaled = (np.clip((picture[:, ::step, ::step] - low) / max(high - low, 1e-12), 0, 1) * 255).round().astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(np.moveaxis(scaled, 0, -1) if len(scaled) == 3 else 255 - scaled[0]).save(stream, "PNG")
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"


def _values(directory: Path, splits: Splits, card: Mapping[str, Any]) -> Chart:
    """The distribution of normalised values: those of all splits should lie on one another."""
    if "text" in card:
        lengths = {name: np.diff(np.load(directory / name / "offsets.npy")) for name in splits}
        edges = _edges(np.concatenate(list(lengths.values())))
        shares = {name: _shares(part, edges) for name, part in lengths.items()}
        return charts.distributions(shares, edges, caption="Tokens of a text in each split", x="tokens")
    values: dict[str, Any] = {
        name: Normalised.by(card, np.load(directory / name / "x.npy", mmap_mode="r")) for name in splits
    }
    parts = {name: np.asarray(_few(part, part[0].size * len(splits))) for name, part in values.items()}
    low, high = (float(of([of(part) for part in parts.values()])) for of in (np.min, np.max))
    edges = np.linspace(_round(low), _round(high) if high > low else low + 1, 60)
    shares = {name: _shares(part, edges) for name, part in parts.items()}
    return charts.distributions(
        shares, edges, caption="Values after normalisation in each split: they should lie on one another",
        x="standard deviations of the training split", small=True, of="share of values",
    )  # fmt: skip


# --- tables


def _columns(
    card: Mapping[str, Any], columns: Sequence[Column], examples: CleanExamples, splits: Splits
) -> list[dict[str, Any]]:
    """Return each column's part of the card, those that say most of the target first, with charts of the first."""
    if not columns:
        return []
    train = some(splits["train"])
    y = examples.y[train]
    order = sorted(range(len(columns)), key=lambda k: -card["columns"][k]["alone"])
    found: list[dict[str, Any]] = []
    for place, k in enumerate(order):
        facts = dict(card["columns"][k])
        facts["heights"] = [round(share / max(facts["histogram"]), 3) for share in facts["histogram"]]
        facts["charts"] = []
        if place < COLUMNS_DRAWN:
            shifted = {"train": train, **{name: some(splits[name]) for name in SPLITS if name in facts["drift"]}}
            codes = {str(name): examples.x[rows, k] for name, rows in shifted.items()}
            facts["charts"] = [_distribution(codes, columns[k]), _by_bands(card, y, codes["train"], columns[k])]
        found.append(facts)
    return found


def _distribution(codes: Mapping[str, np.ndarray], column: Column) -> Chart:
    known = {name: part[~np.isnan(part)] for name, part in codes.items()}
    more = ", and of the splits that differ" if len(codes) > 1 else ""
    caption = f"Distribution of the training rows{more}"
    if column.kind == "category":
        counts = {name: np.bincount(part.astype(int), minlength=len(column.levels)) for name, part in known.items()}
        chosen = _levels_shown(counts["train"], column)
        names = [column.levels[k] for k in chosen]
        shares = {name: part[chosen] / max(1, part.sum()) for name, part in counts.items()}
        if len(chosen) < len(column.levels):
            names.append("all others")
            shares = {name: np.append(part, 1 - part.sum()) for name, part in shares.items()}
        return charts.levels(shares, _distinct(names), caption=caption)
    everything = np.concatenate(list(known.values()))
    edges = _edges(everything)
    if len(everything) and not edges[0] <= everything.min() <= everything.max() <= edges[-1]:
        caption += "; the outermost bins hold what lies beyond"
    return charts.distributions(
        {name: _shares(part, edges) for name, part in known.items()}, edges, caption=caption, x=column.name,
        days=column.kind == "date",
    )  # fmt: skip


def _edges(values: np.ndarray) -> np.ndarray:
    """Return the edges of bins: one for each whole number where they are few; far outliers are left out."""
    if not len(values):
        return np.array([0.0, 1.0])
    low, high = (float(each) for each in (values.min(), values.max()))
    if high - low <= 30 and (values == np.floor(values)).all():
        return np.arange(low - 0.5, high + 1)
    inner = [float(each) for each in np.quantile(values, (0.005, 0.995))]
    if inner[1] > inner[0] and high - low > 2 * (inner[1] - inner[0]):
        low, high = inner
    low, high = _round(low), _round(high)
    return np.linspace(low, high if high > low else low + 1, _BINS + 1)


def _shares(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The share of the values in each bin; those beyond are in the outermost."""
    counts: np.ndarray = np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0]
    return counts / max(1, values.size)


def _banded(values: np.ndarray, column: Column) -> tuple[np.ndarray, list[str]]:
    """The band of each value and the bands' names: the most frequent categories, about as many numbers each; gaps."""
    gaps = np.isnan(values)
    known, bands = values[~gaps], np.zeros(len(values), int)
    if column.kind == "category":
        counts = np.bincount(known.astype(int), minlength=len(column.levels))
        chosen = _levels_shown(counts, column)
        place = np.full(len(counts), len(chosen))
        place[chosen] = np.arange(len(chosen))
        bands[~gaps], names = place[known.astype(int)], [column.levels[k] for k in chosen]
        names += ["all others"] if len(counts) > len(chosen) else []
    else:
        different = np.unique(known)
        if len(different) <= _BANDS:
            edges, names = different[1:], [_label(each, column) for each in different]
        else:
            cuts = np.quantile(known, np.arange(1, _BANDS) / _BANDS)
            edges = np.unique(cuts) if column.kind == "date" else _short(cuts)
            labels = [_label(each, column) for each in edges]
            between = [f"{a} …" if column.kind == "date" else f"{a} – {b}" for a, b in pairwise(labels)]
            names = [f"< {labels[0]}", *between, f"≥ {labels[-1]}"]
        bands[~gaps] = np.searchsorted(edges, known, side="right")
    if gaps.any():
        bands[gaps] = len(names)
        names.append("missing")
    return bands, _distinct(names)


def _short(cuts: np.ndarray) -> np.ndarray:
    """The different cuts, with as few digits, from three on, as keep them apart."""
    short = [np.unique([float(f"{cut:.{digits}g}") for cut in cuts]) for digits in range(3, 8)]
    return next(each for each in short if len(each) == len(short[-1]))


def _figure(value: float) -> str:
    return f"{_round(value):,.6g}" if abs(value) >= 10_000 else f"{_round(value):.6g}"  # a year has no comma


def _levels_shown(counts: np.ndarray, column: Column) -> np.ndarray:
    """The codes of the most frequent levels, of all where they are not many; numbers in their order."""
    chosen = _most(counts, len(counts) if len(counts) <= 2 * _LEVELS_SHOWN else _LEVELS_SHOWN)
    with suppress(ValueError):
        chosen = chosen[np.argsort([float(column.levels[k]) for k in chosen], kind="stable")]
    return chosen


def _label(value: float, column: Column) -> str:
    return str(np.datetime64(int(np.floor(value)), "D")) if column.kind == "date" else _figure(value)


def _distinct(names: Sequence[str]) -> list[str]:
    """Short names of bars: no two alike, as a chart would draw those as one."""
    short = [name if len(name) <= 40 else f"{name[:39]}…" for name in names]
    return [name if name not in short[:k] else f"{name} ({k + 1})" for k, name in enumerate(short)]


def _by_bands(card: Mapping[str, Any], y: np.ndarray, codes: np.ndarray, column: Column) -> Chart:
    """The target of the training rows by the bands of a column."""
    band, names = _banded(codes, column)
    sizes = np.bincount(band, minlength=len(names))
    kept = [int(k) for k in np.flatnonzero(sizes >= min(_FEWEST, max(1, len(y) // 20)))]
    bands = Bands(column.name, [names[k] for k in kept], [int(sizes[k]) for k in kept], column.kind != "category")
    targets = [y[band == k] for k in kept]
    kind, classes = card["target"]["kind"], card["classes"]
    target = _name_of_target(card)
    if kind == "number":
        quantiles = np.array([np.quantile(part, (0.1, 0.25, 0.5, 0.75, 0.9)) for part in targets])
        return bands.boxes(quantiles, of=target, caption=f"{target} by {column.name}: median, quarters, tenths")
    if kind == "labels":
        chosen = _most(y.sum(axis=0), _LABELS_SHOWN)
        times = np.array([part.mean(axis=0) for part in targets])[:, chosen] / np.maximum(y.mean(axis=0)[chosen], 1e-9)
        caption = f"Labels by {column.name}: how many times as frequent as in all rows"
        return bands.ratios(np.maximum(times, 0.01).T, [classes[k] for k in chosen], caption=caption)
    if len(classes) == 2:
        shares = [float(part.mean()) for part in targets]
        caption = f"{target} = {classes[1]} by {column.name}"
        return bands.rates(shares, whole=float(y.mean()), of=f"share of {classes[1]}", caption=caption)
    first = np.sort(_most(np.bincount(y, minlength=len(classes)), _PARTS))
    place = np.full(len(classes), len(first))
    place[first] = np.arange(len(first))
    shown = [classes[k] for k in first] + (["all others"] if len(classes) > len(first) else [])
    parts = np.array([np.bincount(place[part], minlength=len(shown)) / len(part) for part in targets])
    return bands.parts(parts, shown, caption=f"{target} by {column.name}")


def _round(value: float) -> float:
    """Five digits: more hangs on the processor."""
    return float(f"{value:.5g}")
