"""Functions that a config names by their dotted path."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

from ratchet.errors import ConfigError


def import_function(path: str, *, setting: str) -> Callable[..., Any]:
    """The function at `path`, such as `ratchet.data.readers.idx`, which the config names at `setting`.

    A config calls nothing but Ratchet's functions for data and a person's own in src/own: it may come from anywhere.
    Raises ConfigError for others, before anything is imported, and when there is no such function. An ImportError of a
    package that the function's own module needs is passed on.
    """
    module_name, _, name = path.rpartition(".")
    if not module_name:
        raise ConfigError(f"{setting}={path} is no dotted path; write it as module.function")
    if not module_name.startswith(("ratchet.data.", "own.")):
        raise _not_ours(path, setting)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise ConfigError(f"{setting}={path}: there is no module {error.name} (is it in src/own/?)") from error
    function = getattr(module, name, None)
    if not callable(function):
        near = get_close_matches(name, [key for key in vars(module) if not key.startswith("_")], n=3)
        hint = f"; nearest: {', '.join(near)}" if near else ""
        raise ConfigError(f"{setting}={path}: {module_name} has no function {name}{hint}")
    home = str(getattr(function, "__module__", ""))
    if module_name.startswith("ratchet.") and not home.startswith("ratchet.data."):
        raise _not_ours(path, setting)  # what the module itself has imported
    return function  # type: ignore[no-any-return]


def _not_ours(path: str, setting: str) -> ConfigError:
    return ConfigError(
        f"{setting}={path} is not called; allowed: a function of ratchet.data.readers or ratchet.data.generators, "
        f"or one of your own in src/own, as own.module.function"
    )
