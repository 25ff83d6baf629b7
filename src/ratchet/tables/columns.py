"""What each column of a table is: a number, a category or a date; and the table as one array of codes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ratchet.errors import DataError
from ratchet.names import listed, short
from ratchet.tables.reading import Setting, TableError, TableSettings

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["number", "category", "date"]
_DATE = re.compile(r"^\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ]\d{1,2}:\d{2}.*)?$")
_GROUPED = re.compile(r"^[-+]?\d{1,3}(,\d{3})+(\.\d+)?$")  # 1,234 and 1,234.5
_COMMA = re.compile(r"^[-+]?\d+,\d+$")  # 3,14
_MOST = 0.9  # of a column's texts that look like one kind: the others are mistakes, not another kind
_Why = tuple[str | Setting, ...]  # of a column that is left out
UNKNOWN = -1  # the code of a level that is none of the column's
_LEVELS, _SHARE = 50, 0.2  # a column of more texts than both is no category but text


@dataclass(frozen=True)
class Column:
    """A column that is learnt from.

    levels: the texts of a category, whose places are its codes. day_first: whether 03/04 is a day in April.
    """

    name: str
    kind: Kind
    levels: tuple[str, ...] = ()
    day_first: bool = False


@dataclass(frozen=True)
class Coded:
    """A table as float32 (rows, columns): numbers, codes of categories, days since 1970; NaN where there is a gap.

    notes: which columns were left out, and why, with the settings that take them in.
    """

    columns: tuple[Column, ...]
    values: np.ndarray
    notes: tuple[tuple[str | Setting, ...], ...]


def code_table(frame: pd.DataFrame, path: Path, settings: TableSettings) -> Coded:
    """Every column but the target and those left out. Raises DataError that names column, row and cell."""
    columns, values, notes = [], [], []
    for name in frame.columns:
        if name in settings.target or name in settings.aside:
            continue
        where = f"{path}: column {short(name)}"
        column, coded, note = _code(frame[name], str(name), where, settings.types.get(str(name)))
        if column is None:
            notes.append((f"column {short(name)} is left out: ", *note))
            continue
        columns.append(column)
        values.append(coded)
    if not columns:
        told = [part for note in notes for part in (*note, "; ")][:-1]
        raise TableError(f"{path} has no column to learn from beside {listed(map(short, settings.target))}: ", *told)
    return Coded(tuple(columns), np.stack(values, axis=1), tuple(notes))


def code_column(series: pd.Series, column: Column, where: str) -> np.ndarray:
    """The codes (rows,) of a column whose kind and levels are known; NaN for a gap, UNKNOWN for another level."""
    import pandas as pd

    if column.kind == "category":
        texts = _texts(series)
        codes: np.ndarray = pd.Index(column.levels, dtype=object).get_indexer(texts.astype(object)).astype(np.float32)
        codes[texts.isna().to_numpy()] = np.nan
        if (unknown := codes == UNKNOWN).any():  # of another type in this file: 7 and 7.0, 007 where no letter is
            alike = by_meaning(column.levels)
            found = {text: alike.get(meaning_of(text), UNKNOWN) for text in texts[unknown].unique()}
            codes[unknown] = texts[unknown].map(found).to_numpy()
        return codes
    dates = column.kind == "date"
    values = _as_dates(series, where, day_first=column.day_first) if dates else _as_numbers(series, where)
    return values.astype(np.float32)


def by_meaning(levels: Sequence[str]) -> dict[str, int]:
    """The codes of levels by what they mean, without those of which several mean the same."""
    meant = [meaning_of(level) for level in levels]
    return {meaning: code for code, meaning in enumerate(meant) if meant.count(meaning) == 1}


def meaning_of(text: str) -> str:
    """What a text says, however it is written: 7 of 7.0 and 007, true of True."""
    if "_" in text:  # no number in a table, though it is one in Python
        return text
    try:
        return str(int(text))
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        return text.lower() if text.lower() in {"true", "false"} else text
    return str(int(number)) if number.is_integer() and abs(number) < 2**53 else f"{number:.15g}"


def _code(series: pd.Series, name: str, where: str, asked: str | None) -> tuple[Column | None, np.ndarray, _Why]:
    if asked is not None and asked not in ("number", "category", "date"):
        said = f"data.types.{short(name)}={asked}; allowed: number, category, date; type: "
        raise TableError(said, Setting("types", {name: "category"}))
    kind, why = (asked, ()) if asked is not None else _kind_of(series, where)
    if kind is None:
        return None, np.empty(0), why
    levels: tuple[str, ...] = ()
    if kind == "category":
        levels = tuple(sorted(_texts(series).dropna().unique()))
    day_first = kind == "date" and _day_first(series)
    column = Column(name, kind, levels, day_first)  # type: ignore[arg-type] # one of the three: checked above
    return column, code_column(series, column, where), ()


def _kind_of(series: pd.Series, where: str) -> tuple[Kind | None, _Why]:
    """What a column is; None and why, for one that nothing is learnt from."""
    import pandas as pd
    from pandas.api import types

    known = series.dropna()
    if not len(known):
        return None, ("it is empty",)
    if types.is_bool_dtype(series) or isinstance(series.dtype, pd.CategoricalDtype):
        return "category", ()
    if types.is_datetime64_any_dtype(series):
        return "date", ()
    return ("number", ()) if types.is_numeric_dtype(series) else _kind_of_texts(known, where)


def _kind_of_texts(known: pd.Series, where: str) -> tuple[Kind | None, _Why]:
    refuse_commas(known, where)
    texts, share, numeric = _shares(known)
    if share[numeric].sum() > _MOST:
        return "number", ()
    if share[texts.str.match(_DATE).to_numpy()].sum() > _MOST:
        return "date", ()
    if len(texts) <= max(_LEVELS, _SHARE * len(known)):
        return "category", ()
    what = (
        "each row has another text: an identifier?"
        if len(texts) == len(known)
        else f"it holds text ({len(texts):,} different)"
    )
    return None, (f"{what} (", Setting("types", {str(known.name): "category"}), " takes it in)")


def _shares(known: pd.Series) -> tuple[pd.Series, np.ndarray, np.ndarray]:
    """The different texts of a column, the share of the rows that have each, and which of them are numbers."""
    import pandas as pd

    counts = _texts(known).value_counts()
    texts = pd.Series(counts.index)
    return texts, counts.to_numpy() / len(known), _numeric(texts).notna().to_numpy()


def refuse_commas(known: pd.Series, where: str) -> None:
    """Raises DataError for numbers written with commas: read as text they would teach nothing."""
    texts, share, numeric = _shares(known)
    for pattern, setting in ((_GROUPED, "thousands"), (_COMMA, "decimal")):
        fits = texts.str.match(pattern).to_numpy()
        if fits.any() and share[fits | numeric].sum() > _MOST:
            row = known.index[known.astype(str).str.strip().isin(texts[fits])][0]
            said = f"{where} holds numbers with commas (row {row + 1}: {short(known[row])!r}); type: "
            raise TableError(said, Setting(setting, ","))


def _as_numbers(series: pd.Series, where: str) -> np.ndarray:
    from pandas.api import types

    name = str(series.name)
    values = (
        series
        if types.is_numeric_dtype(series)
        else _numeric(series.astype("object").map(lambda cell: str(cell).strip(), na_action="ignore"))
    )
    if not types.is_numeric_dtype(series):
        wrong = values.isna() & series.notna()
        if wrong.any():
            row = int(np.flatnonzero(wrong.to_numpy())[0])
            raise TableError(
                f"{where}, row {series.index[row] + 1}: {short(series.iloc[row])!r} is no number "
                f"({int(wrong.sum())} such); if it means a gap type: ",
                Setting("missing", [str(series.iloc[row])], name), ", else ",
                Setting("types", {name: "category"}, name),
            )  # fmt: skip
    with np.errstate(over="ignore"):
        numbers: np.ndarray = values.to_numpy(dtype=np.float64, na_value=np.nan)
        infinite = np.flatnonzero(np.isinf(numbers.astype(np.float32)))
    if len(infinite):
        raise TableError(
            f"{where}, row {series.index[infinite[0]] + 1}: {series.iloc[infinite[0]]} is infinite or too large for "
            f"float32 ({len(infinite)} such); mend it, or type: ", Setting("ignore", [name], name),
        )  # fmt: skip
    return numbers


def _day_first(series: pd.Series) -> bool:
    """Whether a number above 12 in front says that days stand first."""
    from pandas.api import types

    if types.is_datetime64_any_dtype(series):
        return False
    first = series.dropna().astype(str).str.extract(r"^\s*(\d{1,2})[-/.]", expand=False).dropna().astype(int)
    return bool((first > 12).any())


def _as_dates(series: pd.Series, where: str, *, day_first: bool) -> np.ndarray:
    """Days since 1970, with a fraction."""
    import pandas as pd
    from pandas.api import types

    if types.is_datetime64_any_dtype(series):
        dates = pd.to_datetime(series, utc=True)
    else:
        texts = series.astype("object").astype(str).str.strip().where(series.notna())
        dates = pd.to_datetime(texts, errors="coerce", format="mixed", dayfirst=day_first, utc=True)
        wrong = dates.isna() & series.notna()
        if wrong.any():
            row = int(np.flatnonzero(wrong.to_numpy())[0])
            raise TableError(
                f"{where}, row {series.index[row] + 1}: {short(series.iloc[row])!r} is no date "
                f"({int(wrong.sum())} such); mend it, or type: ",
                Setting("types", {str(series.name): "category"}, str(series.name)),
            )  # fmt: skip
    since: pd.Series = (dates - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(days=1)
    days: np.ndarray = since.to_numpy(dtype=np.float64, na_value=np.nan)
    return days


def _texts(series: pd.Series) -> pd.Series:
    """Values as texts without blanks around them; gaps stay gaps, whole numbers have no point."""
    import pandas as pd
    from pandas.api import types

    known = series.dropna()
    if types.is_float_dtype(series) and (known % 1 == 0).all() and (known.abs() < 2**53).all():
        series = series.astype("Int64")
    codes, values = series.factorize()
    texts = np.array([*(str(value).strip() for value in values), np.nan], object)  # a gap's code is -1
    return pd.Series(texts[codes], index=series.index, name=series.name)


def _numeric(texts: Any) -> Any:
    import pandas as pd

    return pd.to_numeric(texts, errors="coerce")


def text_column(series: pd.Series, where: str, *, gaps: bool) -> np.ndarray:
    """The texts (rows,) of a column that names something. Raises DataError for a gap, unless gaps are allowed."""
    texts = _texts(series)
    _refuse_gaps(texts, where, allowed=gaps)
    return np.array(texts.fillna("").tolist(), np.str_)


def time_column(series: pd.Series, where: str) -> np.ndarray:
    """Return each row's time, float64 (rows,): numbers, or dates in days since 1970. Raises DataError for gaps."""
    _refuse_gaps(series, where, allowed=False)
    kind, why = _kind_of(series, where)
    if kind not in ("number", "date"):
        raise TableError(
            f"{where} holds no times (", *(why or ["texts"]), "); allowed: dates or numbers; type: data.time=<another>"
        )
    return _as_dates(series, where, day_first=_day_first(series)) if kind == "date" else _as_numbers(series, where)


def _refuse_gaps(series: pd.Series, where: str, *, allowed: bool) -> None:
    missing = np.flatnonzero(series.isna().to_numpy())
    if len(missing) and not allowed:
        raise DataError(
            f"{where}, row {missing[0] + 1} is empty ({len(missing):,} such), and the splits are made by it; fill it in"
        )
