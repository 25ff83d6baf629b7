"""What a config names by its dotted path, imported."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any

from ratchet.errors import ConfigError


class PackageMissingError(ConfigError):
    """The module that a config names needs a package that is not installed."""


def named_by(
    path: str, *, setting: str, allowed: str, refuse: Callable[[str], ConfigError], homes: Sequence[str] = ()
) -> Any:
    """What is at `path`, such as `own.wide.Wide`, which the config names at `setting`.

    homes: the packages and modules that a config may name, which may come from anywhere; none: any. Raises what
    `refuse` makes of what is wrong and what is allowed, before anything is imported where the home is wrong, and
    PackageMissingError for a package that the module itself needs.
    """
    module_name, _, name = str(path).rpartition(".")
    if not module_name or (homes and not f"{module_name}.".startswith(tuple(f"{home}." for home in homes))):
        raise refuse(f"{setting}={path} is not called; allowed: {allowed}")
    try:
        module = importlib.import_module(module_name)
        return getattr(module, name)
    except ModuleNotFoundError as error:
        if error.name and not f"{module_name}.".startswith(f"{error.name}."):
            said = f"{setting}={path} needs the package {error.name}, which is not installed"
            raise PackageMissingError(f"{said}; type: pip install {error.name}") from error
        raise refuse(f"{setting}={path} cannot be imported ({_line(error)}); allowed: {allowed}") from error
    except AttributeError as error:
        near = get_close_matches(name, [key for key in vars(module) if not key.startswith("_")], n=3)
        told = f"nearest: {', '.join(near)}; " if near else ""
        raise refuse(f"{setting}={path} cannot be imported ({_line(error)}); {told}allowed: {allowed}") from error
    except (ImportError, ValueError) as error:
        raise refuse(f"{setting}={path} cannot be imported ({_line(error)}); allowed: {allowed}") from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
