"""What needs no network: the majority or the mean, a linear model, and of tables gradient boosting.

They are fitted on the train split alone, once for each prepared data set; what they say of a split is kept beside it.
"""

from __future__ import annotations

import io
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ratchet.data.prepared import Examples, PreparedData, Split
from ratchet.files import open_regular, write_atomically
from ratchet.tasks.base import Floats, Predictions, Target, Task
from ratchet.texts import Ragged

if TYPE_CHECKING:
    from ratchet.training.own_data import OwnData  # it brings torch

CELLS = 40_000_000  # training examples times features times outputs, at most: a few seconds
BOOSTING_CELLS, FEWEST = 2_000_000, 2_000  # likewise, and so many examples at least
_TOLD = 5_000_000  # cells of a training from which on a person is told that it takes a moment
_ROWS = 8192  # that a model is asked about at a time
_TFIDF = "TF-IDF and "
_MADE = 1  # counted up where the same data would give other numbers

Fitted = Callable[[np.ndarray], Floats]  # examples (n, features) to probabilities (n, names) or numbers (n, 1)


@dataclass(frozen=True)
class Baseline:
    """A simple model, and what it says of some splits."""

    name: str
    note: str  # what was left out of its training; empty: nothing
    said: Mapping[str, Floats]  # of a split: probabilities of classes or labels (n, names), numbers (n, 1)


def baselines_measured(
    data: PreparedData | OwnData, task: Task, split: str, *, fits: bool = True
) -> list[tuple[Baseline, Predictions]]:
    """Each baseline with its predictions of a split, as if it were a model of the task.

    What the task decides by, such as a threshold, is chosen on validation. Empty for a task that cannot tell what
    probabilities mean to it, and without `fits` where nobody fitted them yet.
    """
    if type(task).outputs_saying is Task.outputs_saying:
        return []
    found = baselines_of(data, list(dict.fromkeys(["validation", split])), fits=fits)
    return [(each, _predictions(each, data, task, split)) for each in found]


def _predictions(of: Baseline, data: PreparedData | OwnData, task: Task, split: str) -> Predictions:
    validation, here = (task.outputs_saying(of.said[each]) for each in ("validation", split))
    assert validation is not None
    assert here is not None
    fitted = task.fitted(validation, np.array(data.split("validation").y))
    return task.with_own(fitted.predictions(here, np.array(data.split(split).y)))


def baselines_of(data: PreparedData | OwnData, splits: Sequence[str], *, fits: bool = True) -> list[Baseline]:
    """The baselines of prepared data with what they say of these splits, `validation` among them.

    What was fitted before is read. scikit-learn is imported where something is fitted.
    """
    assert data.target is not None
    kinds, n = _kinds(data, data.target), len(data.split("train").y)
    known = {split: _read(_file(data, split), list(kinds), len(data.split(split).y)) for split in splits}
    if any(found is None for found in known.values()):
        if not fits:
            return []
        if int(np.prod(data.split("train").x.shape)) >= _TOLD:
            print("the baselines of these data are fitted, once", file=sys.stderr, flush=True)
        fitted = _fitted(data.split("train"), data.target, kinds)
        for split in splits:
            known[split] = said = {name: _of_all(model, data.split(split).x) for name, model in fitted.items()}
            _write(_file(data, split), said)
    return [
        Baseline(
            name, f"fitted on {rows:,} of {n:,} examples" if rows < n else "",
            {split: found[name] for split, found in known.items() if found is not None},
        )
        for name, rows in kinds.items()
    ]  # fmt: skip


def _kinds(data: PreparedData | OwnData, target: Target) -> dict[str, int]:
    """The names of the baselines, the simplest first, and how many training examples each is fitted on."""
    x = data.split("train").x
    n, features = len(x), int(np.prod(x.shape[1:]))
    number = target.kind == "number"
    outputs = 1 if number or (target.kind == "class" and len(target.names) == 2) else len(target.names)
    linear = min(n, max(1, CELLS // (features * max(4, outputs))))
    if isinstance(x, Ragged):
        linear = min(n, max(1, CELLS // (x.longest * max(4, outputs))))
    kinds = {
        "mean" if number else "label frequencies" if target.kind == "labels" else "majority class": n,
        "ridge regression" if number else "logistic regression": linear,
    }
    if isinstance(x, Ragged):  # of how often each token is in a text
        kinds = {f"TF-IDF and {name}" if "regression" in name else name: rows for name, rows in kinds.items()}
    if isinstance(data, PreparedData) and data.layout == "table":
        kinds["gradient boosting"] = min(n, max(FEWEST, BOOSTING_CELLS // (features * outputs)))
    return kinds


def _fitted(train: Split, target: Target, kinds: Mapping[str, int]) -> dict[str, Fitted]:
    from threadpoolctl import threadpool_limits

    models = {}
    with threadpool_limits(1), warnings.catch_warnings():  # the last digits hang on the number of threads
        warnings.simplefilter("ignore")  # not all converge; a label may be of one value
        for name, rows in kinds.items():
            chosen = np.sort(np.random.default_rng(0).permutation(len(train.y))[:rows])
            x, y = _flat(_of(train.x, chosen)), np.array(train.y[chosen])
            models[name] = _fit(name, Split(x, y), target)
    return models


def _fit(name: str, train: Split, target: Target) -> Fitted:
    x: Any = train.x
    y = train.y
    if name in {"mean", "label frequencies", "majority class"}:
        if target.kind == "number":
            constant = np.array([y.mean(dtype=np.float64)])
        else:  # one more of each: nothing is impossible (Laplace)
            each = np.bincount(y, minlength=len(target.names)) if target.kind == "class" else y.sum(axis=0)
            others = len(target.names) if target.kind == "class" else 2
            constant = (each + 1) / (len(y) + others)
        return lambda examples: np.tile(constant, (len(examples), 1))
    build = _builder(name.removeprefix(_TFIDF), target)
    if name.startswith(_TFIDF):
        assert isinstance(x, Ragged)
        build = _with_tfidf(build, int(x.values.max()) + 1)
    if target.kind == "number":
        model = build().fit(x, y)
        return lambda examples: np.asarray(model.predict(examples), np.float64)[:, None]
    if target.kind == "class":
        return _classifier(build, x, y, len(target.names))
    each = [_classifier(build, x, y[:, label].astype(np.int64), 2) for label in range(len(target.names))]
    return lambda examples: np.stack([one(examples)[:, 1] for one in each], axis=1)


def _builder(name: str, target: Target) -> Callable[[], Any]:
    if name == "gradient boosting":
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        trees = max(10, min(100, 1000 // max(1, len(target.names))))  # for each class or label
        kind = HistGradientBoostingRegressor if target.kind == "number" else HistGradientBoostingClassifier
        return lambda: kind(random_state=0, max_iter=trees)
    from sklearn.linear_model import LogisticRegression, Ridge

    return Ridge if target.kind == "number" else (lambda: LogisticRegression(max_iter=200))


def _with_tfidf(build: Callable[[], Any], vocabulary: int) -> Callable[[], Any]:
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    counts = partial(_counts, vocabulary=vocabulary)
    return lambda: make_pipeline(FunctionTransformer(counts), TfidfTransformer(sublinear_tf=True), build())


def _counts(texts: Ragged, vocabulary: int) -> Any:
    """How often each token of the vocabulary is in each text, as a sparse matrix."""
    from scipy.sparse import csr_array

    known = texts.values < vocabulary  # others are in no training text
    row = np.repeat(np.arange(len(texts)), texts.lengths)[known]
    return csr_array((np.ones(len(row)), (row, texts.values[known])), shape=(len(texts), vocabulary))


def _classifier(build: Callable[[], Any], x: np.ndarray, y: np.ndarray, classes: int) -> Fitted:
    """Return a classifier's probabilities as (n, classes): 0 for a class that has no training example."""
    present = np.unique(y)
    model = build().fit(x, y) if len(present) > 1 else None

    def said(examples: np.ndarray) -> Floats:
        found = np.zeros((len(examples), classes))
        found[:, present] = 1.0 if model is None else model.predict_proba(examples)
        return found

    return said


def _of(x: Examples, rows: Any) -> np.ndarray | Ragged:
    return x.of(rows) if isinstance(x, Ragged) else x[rows]


def _flat(x: np.ndarray | Ragged) -> Any:
    """Return (n, features) in double precision; texts as they are."""
    if isinstance(x, Ragged):
        return x
    return np.asarray(x, np.float64).reshape(len(x), -1)


def _of_all(model: Fitted, x: Examples) -> Floats:
    pieces = (np.arange(start, min(start + _ROWS, len(x))) for start in range(0, len(x), _ROWS))
    return np.concatenate([model(_flat(_of(x, rows))) for rows in pieces])


def _file(data: PreparedData | OwnData, split: str) -> Path | None:
    """Return the file that keeps the baselines; None for a data module, whose hash does not cover its data."""
    if not isinstance(data, PreparedData):
        return None
    fold = f"{data.fold.number}of{data.fold.of}by{data.fold.seed}" if data.fold is not None else "whole"
    stamp = f"{data.card['data_hash'][:16]}.{fold}.{version('scikit-learn')}.{_MADE}"
    return data.directory.parent / f".{data.directory.name}.baselines.{split}.{stamp}.npz"


def _read(file: Path | None, names: Sequence[str], n: int) -> dict[str, Floats] | None:
    """What was said of a split of n examples; None where nobody fitted them yet, or the file is damaged."""
    if file is None:
        return None
    try:
        with open_regular(file, limit=sys.maxsize) as stream, np.load(stream, allow_pickle=False) as kept:
            found = {name: np.asarray(kept[name], np.float64) for name in names}
    except Exception:  # noqa: BLE001 - whatever a damaged archive makes of it: they are fitted again
        return None
    return found if all(len(said) == n and np.isfinite(said).all() for said in found.values()) else None


def _write(file: Path | None, said: Mapping[str, Floats]) -> None:
    """Write the baselines, removing those of earlier versions of the data but not those of other folds."""
    if file is None:
        return
    stream, arrays = io.BytesIO(), dict[str, Any](said)
    np.savez_compressed(stream, **arrays)
    name, _, rest = file.name.partition(".baselines.")
    split, whole, _ = rest.split(".", 2)
    with suppress(OSError):  # nothing is lost but time
        for old in file.parent.glob(f"{name}.baselines.{split}.*.npz"):
            if not old.name.startswith(f"{name}.baselines.{split}.{whole}."):
                old.unlink()
        write_atomically(file, stream.getvalue())
