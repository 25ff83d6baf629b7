"""Objects that a config describes by `_target_`, nested as deep as a person likes."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from typing import Any

from ratchet.config.grammar import shown
from ratchet.config.hints import OverrideError
from ratchet.dotted import named_by
from ratchet.errors import TO_SEE, ConfigError, RatchetError, failure, own_code

CALLED = ("own", "ratchet", "torch", "pytorch_lightning", "torchmetrics")  # packages whose classes a config may name
_TARGET, _PARTIAL = "_target_", "_partial_"


def class_at(path: Any, *, key: str, kind: str = "") -> Any:
    """The class at a dotted path, or the function of src/own; the config names it at `key`.

    kind: the name of a class that it must stand on. A config may come from anywhere, so it calls the classes of CALLED
    alone, and no function of theirs. Raises ConfigError.
    """
    where, allowed = f"{key}.{_TARGET}", f"a class of {', '.join(CALLED)}"
    otherwise = "put a class of your own into src/own/"
    refuse = functools.partial(OverrideError, key=where, otherwise=otherwise)
    found: Any = named_by(str(path), setting=where, allowed=allowed, refuse=refuse, homes=CALLED)
    home = str(getattr(found, "__module__", "")).partition(".")[0]
    if not (inspect.isclass(found) or (inspect.isfunction(found) and home == "own")) or home not in CALLED:
        raise OverrideError(f"{where}={path} is not called; allowed: {allowed}", key=where, otherwise=otherwise)
    if kind and not any(base.__name__ == kind for base in getattr(found, "__mro__", ())):
        raise OverrideError(f"{where}={path} is no {kind}; allowed: a subclass of it", key=where, otherwise=otherwise)
    return found


def names_a_class(value: Any) -> bool:
    """Whether a value of a config is an object by `_target_`, or holds one."""
    if isinstance(value, Mapping):
        return _TARGET in value or any(map(names_a_class, value.values()))
    return isinstance(value, list) and any(map(names_a_class, value))


def check(value: Any, *, key: str) -> None:
    """Raises ConfigError for a class in `value` that is not there or not called; nothing is built."""
    if isinstance(value, Mapping):
        if _TARGET in value:
            class_at(value[_TARGET], key=key)
            strange = [name for name in value if str(name).startswith("_") and name not in {_TARGET, _PARTIAL}]
            if strange:
                raise ConfigError(f"{key}.{strange[0]} is not read; allowed: {_TARGET}, {_PARTIAL}; leave it out")
        for name, inner in value.items():
            check(inner, key=f"{key}.{name}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            check(inner, key=f"{key}.{number}")


def built(value: Any, *, key: str, kind: str = "") -> Any:
    """The value with an object for each `_target_` in it, or with `_partial_: true` what makes it of further arguments.

    As hydra.utils.instantiate does it. kind: the name of a class that the outermost must stand on. Raises ConfigError
    for what cannot be called, and for a constructor that refuses its arguments.
    """
    if isinstance(value, list):
        return [built(each, key=f"{key}.{number}") for number, each in enumerate(value)]
    if not isinstance(value, Mapping):
        return value
    inner = {name: built(each, key=f"{key}.{name}") for name, each in value.items()}
    if _TARGET not in value:
        return inner
    check(value, key=key)
    found = class_at(inner.pop(_TARGET), key=key, kind=kind)
    if inner.pop(_PARTIAL, False):
        return functools.partial(found, **inner)
    try:
        return found(**inner)
    except RatchetError:
        raise
    except Exception as error:
        raise refused(key, value[_TARGET], error, inner) from error


def refused(key: str, target: str, error: Exception, arguments: Mapping[str, Any]) -> ConfigError:
    """What is said where a class does not take what a config gives it."""
    given = ", ".join(f"{k}={shown(v)}" for k, v in arguments.items())[:120] or "no arguments"
    to_see = f"type: the same with --cfg job --package {key.partition('.')[0]}, to see what it is given"
    return ConfigError(
        f"{key}: {target} refuses {given} ({failure(error)}); "
        + (TO_SEE if own_code(error) else f"allowed: what its constructor takes; {to_see}")
    )
