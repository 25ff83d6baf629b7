"""What a config names by its dotted path, imported."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from typing import Any

from ratchet.errors import ConfigError
from ratchet.names import nearest, suggestion

_DATA = "a function of ratchet.data.readers or .generators, or one of your own in src/own, as own.module.function"


class PackageMissingError(ConfigError):
    """The module that a config names needs a package that is not installed."""


def named_by(
    path: str, *, setting: str, allowed: str, refuse: Callable[..., ConfigError], homes: Sequence[str] = ()
) -> Any:
    """What is at `path`, such as `own.wide.Wide`, which the config names at `setting`.

    homes: the packages and modules that a config may name, which may come from anywhere; none: any. Raises what
    `refuse` makes of what is wrong and what is allowed (and `instead`, overrides, where a name is like it), before
    anything is imported where the home is wrong, and PackageMissingError for a package that the module itself needs.
    """
    module_name, _, name = str(path).rpartition(".")
    if not module_name or (homes and not f"{module_name}.".startswith(tuple(f"{home}." for home in homes))):
        raise refuse(f"{setting}={path} is not called; allowed: {allowed}")
    home, tail, there = module_name, f".{name}", list[str]()
    try:
        module = importlib.import_module(module_name)
        there = [key for key in vars(module) if not key.startswith("_")]
        return getattr(module, name)
    except ModuleNotFoundError as error:
        if error.name and not f"{module_name}.".startswith(f"{error.name}."):
            said = f"{setting}={path} needs the package {error.name}, which is not installed"
            raise PackageMissingError(f"{said}; type: pip install {error.name}") from error
        home, _, name = (error.name or module_name).rpartition(".")
        there, tail = _modules_in(home), str(path).removeprefix(f"{home}.{name}") if home else ""
        raised: Exception = error
    except (AttributeError, ImportError, ValueError) as error:
        tail = "" if isinstance(error, AttributeError) else tail
        raised = error
    near = [f"{home}.{each}{tail}" for each in nearest(name, there)]
    said = f"{setting}={path} cannot be imported ({' '.join(str(raised).split())})"
    told = {"instead": [[f"{setting}={each}"] for each in near]} if near else {}
    raise refuse(f"{said}; {suggestion(name, there, allowed=allowed)}", **told) from raised


def function_of_data(path: str, *, setting: str) -> Callable[..., Any]:
    """The function at `path`, such as `ratchet.data.readers.idx`, which the config names at `setting`.

    Raises ConfigError for what is none of Ratchet's functions for data or a person's own, before it is imported.
    """

    def refuse(said: str, instead: object = None) -> ConfigError:  # noqa: ARG001 - a source of a list cannot be typed
        return ConfigError(said)

    function = named_by(path, setting=setting, allowed=_DATA, refuse=refuse, homes=("ratchet.data", "own"))
    home = str(getattr(function, "__module__", ""))
    if not callable(function) or (path.startswith("ratchet.") and not home.startswith("ratchet.data.")):
        raise refuse(f"{setting}={path} is not called; allowed: {_DATA}")  # what the module has imported itself
    return function  # type: ignore[no-any-return]


def _modules_in(package: str) -> list[str]:
    try:
        return [each.name for each in pkgutil.iter_modules(importlib.import_module(package).__path__)]
    except (ImportError, ValueError, AttributeError):
        return []
