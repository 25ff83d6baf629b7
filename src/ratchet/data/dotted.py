"""Functions that a config names by their dotted path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ratchet.dotted import named_by
from ratchet.errors import ConfigError

_ALLOWED = (
    "a function of ratchet.data.readers or ratchet.data.generators, or one of your own in src/own, "
    "as own.module.function"
)


def import_function(path: str, *, setting: str) -> Callable[..., Any]:
    """The function at `path`, such as `ratchet.data.readers.idx`, which the config names at `setting`.

    A config calls nothing but Ratchet's functions for data and a person's own in src/own: it may come from anywhere.
    Raises ConfigError for others, before anything is imported, and when there is no such function.
    """
    function = named_by(path, setting=setting, allowed=_ALLOWED, refuse=ConfigError, homes=("ratchet.data", "own"))
    home = str(getattr(function, "__module__", ""))
    if not callable(function) or (path.startswith("ratchet.") and not home.startswith("ratchet.data.")):
        raise ConfigError(f"{setting}={path} is not called; allowed: {_ALLOWED}")  # what the module has imported itself
    return function  # type: ignore[no-any-return]
