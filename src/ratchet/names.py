"""The names that a person may have meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

_ALIKE = 0.6  # ratio of difflib from which on a name is a misspelling of another
_SHOWN = 12
_LONG = 60  # characters of a name or a cell that a message shows


def nearest(name: str, names: Iterable[str]) -> list[str]:
    """The names that `name` is a misspelling of, or that have a word which it begins; at most three, the best first."""
    folded = {each.casefold(): each for each in names}
    begun = [each for each in folded if len(name) > 2 and f"_{name.casefold()}" in re.sub(r"[\W_]", "_", f"_{each}")]
    alike = difflib.get_close_matches(name.casefold(), folded, n=3, cutoff=_ALIKE)
    return [folded[each] for each in dict.fromkeys([*sorted(begun, key=len), *alike])][:3]


def short(text: object, otherwise: str = "") -> str:
    """What a table or a person wrote, for a message: its beginning and its length where it is long.

    otherwise: what stands for a long text where it is to be typed, as a beginning of it would not do.
    """
    whole = str(text)
    return whole if len(whole) <= _LONG else otherwise or f"{whole[:_LONG]}… ({len(whole):,} characters)"


def listed(names: Iterable[str]) -> str:
    """The names with commas between them: the first dozen, and how many there are beside."""
    every = list(names)
    beyond = len(every) - _SHOWN
    return ", ".join(every[:_SHOWN]) + (f" and {beyond} more" if beyond > 0 else "") or "none"


def suggestion(name: str, names: Iterable[str], *, allowed: str = "", where: str = "") -> str:
    """`nearest: a, b; allowed: ...` for a one-line message. allowed: what is said in place of all the names."""
    every = list(names)
    close = nearest(name, every)
    return (f"nearest: {', '.join(close)}; " if close else "") + f"allowed{where}: {allowed or listed(every)}"


def to_install(extra: str) -> str:
    """What to type for an optional dependency of pyproject.toml."""
    return f"pip install -e '.[{extra}]'"
