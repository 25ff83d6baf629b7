"""The names that a person may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, names: Iterable[str]) -> list[str]:
    """The names most like `name`, best first, at most three."""
    return difflib.get_close_matches(name, list(names), n=3, cutoff=0.5)


def suggestion(name: str, names: Iterable[str]) -> str:
    """`nearest: a, b; allowed: ...` for a one-line message."""
    all_names = sorted(names)
    close = nearest(name, all_names)
    return (f"nearest: {', '.join(close)}; " if close else "") + f"allowed: {', '.join(all_names) or 'none'}"


def to_install(extra: str) -> str:
    """What to type for an optional dependency of pyproject.toml."""
    return f"pip install -e '.[{extra}]'"
