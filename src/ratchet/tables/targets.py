"""The column to predict: what kind of target it is, and its values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ratchet.errors import DataError
from ratchet.names import short
from ratchet.tables.columns import _MOST, _numeric, _texts, refuse_commas
from ratchet.tables.reading import Setting, TableError, TableSettings, read_frame
from ratchet.tasks.base import TargetKind

if TYPE_CHECKING:
    import pandas as pd

MOST_CLASSES = 20  # whole numbers of more values than this are a number, not classes


@dataclass(frozen=True)
class TargetColumn:
    """What a target is, and the names of its classes or labels."""

    kind: TargetKind
    classes: tuple[str, ...]


def describe_target_column(path: Path, settings: TableSettings, *, asked: TargetKind | None) -> TargetColumn:
    """The kind of a table's target, and its classes. Raises DataError for a target that nothing can be learnt of."""
    import pandas as pd
    from pandas.api import types

    frame = read_frame(path, settings, only=settings.target)
    if len(settings.target) > 1:
        for name in settings.target:
            _refuse_no_label(frame[name].dropna(), f"{path}: column {short(name)}")
        return TargetColumn("labels", settings.target)
    name = settings.target[0]
    series = frame[name]
    known = series.dropna()
    if not len(known):
        raise DataError(
            f"{path}: the target {short(name)} is empty in each of {len(series)} rows; type: data.target=<another>"
        )
    if known.nunique() == 1:
        raise DataError(
            f"{path}: the target {short(name)} is {short(known.iloc[0])} in each of its {len(known):,} rows: there is "
            "nothing to learn; type: data.target=<another>"
        )
    if not types.is_numeric_dtype(known):
        refuse_commas(known, f"{path}: column {short(name)}")
    kind = asked or _kind(known, f"{path}: column {short(name)}")
    if kind != "class":
        return TargetColumn("number", ())
    texts = _texts(known).unique()
    numbers = _numeric(pd.Series(texts))
    order = np.argsort(numbers.to_numpy(), kind="stable") if numbers.notna().all() else np.argsort(texts.astype(str))
    return TargetColumn("class", tuple(str(texts[k]) for k in order))


def _refuse_no_label(known: pd.Series, where: str) -> None:
    wrong = ~known.isin([0, 1])
    if wrong.mean() > 1 - _MOST:
        row = wrong.idxmax()
        raise TableError(
            f"{where}, row {row + 1}: {short(known[row])} is neither 0 nor 1 ({int(wrong.sum())} such), and several "
            "targets are labels; type: ", Setting("target", str(known.name)), ", or leave it out of data.target",
        )  # fmt: skip


def _kind(known: pd.Series, where: str) -> TargetKind:
    from pandas.api import types

    if types.is_bool_dtype(known) or not types.is_numeric_dtype(known):
        numbers = _numeric(known.astype("object"))
        if _MOST < numbers.notna().mean() < 1 and known.nunique() > MOST_CLASSES:  # a number with mistakes
            row = numbers.isna().idxmax()
            raise TableError(
                f"{where}, row {row + 1}: {short(known[row])!r} is no number ({int(numbers.isna().sum())} such); "
                "type: ", Setting("missing", [str(known[row])]), ", if it means that there is none, or "
                "data.target_kind=class",
            )  # fmt: skip
        return "number" if numbers.notna().all() and known.nunique() > MOST_CLASSES else "class"
    whole = bool((known % 1 == 0).all())
    return "class" if known.nunique() == 2 or (whole and known.nunique() <= MOST_CLASSES) else "number"


def target_values(frame: pd.DataFrame, settings: TableSettings, kind: TargetKind) -> np.ndarray:
    """The target of every row as `data` takes it: texts of classes ('' for a gap), numbers, or rows of 0 and 1."""
    if kind == "labels":
        flags: np.ndarray = frame[list(settings.target)].astype("float64").to_numpy()
        return flags
    series = frame[settings.target[0]]
    if kind == "class":
        return np.array(_texts(series).fillna("").tolist(), np.str_)
    numbers: np.ndarray = _numeric(series).to_numpy(dtype=np.float64, na_value=np.nan)
    return numbers
