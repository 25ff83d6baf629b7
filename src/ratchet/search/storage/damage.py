"""Lines of a journal that are no operation of Optuna's: which one, and why."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Final

from ratchet.errors import RatchetError

_SHOWN = 40  # characters of a line that are quoted

# What each operation needs, by its number in Optuna's JournalOperation; 10 is read past, as Optuna does.
_STUDY: Final[dict[str, type | UnionType]] = {"study_id": int}
_TRIAL: Final[dict[str, type | UnionType]] = {"trial_id": int}
_NEEDED: Final[tuple[Mapping[str, type | UnionType], ...]] = (
    {"study_name": str, "directions": list},
    _STUDY,
    {**_STUDY, "user_attr": dict},
    {**_STUDY, "system_attr": dict},
    {**_STUDY, "datetime_start": str | NoneType},
    {**_TRIAL, "param_name": str, "param_value_internal": float | int, "distribution": str},
    {**_TRIAL, "state": int, "values": list | NoneType},
    {**_TRIAL, "step": int, "intermediate_value": float | int},
    {**_TRIAL, "user_attr": dict},
    {**_TRIAL, "system_attr": dict},
    {},
)
_MAY_HAVE: Final[dict[str, type | UnionType]] = {
    "params": dict, "distributions": dict, "user_attrs": dict, "system_attrs": dict, "intermediate_values": dict,
    "datetime_start": str | NoneType, "datetime_complete": str | NoneType, "value": float | int | NoneType,
    "values": list | NoneType, "state": int,
}  # fmt: skip


class DamagedJournalError(RatchetError):
    """A journal has a line that cannot be read; what stands before it can."""


class DamagedLineError(ValueError):
    """Why a line is no operation."""


def parsed(line: bytes) -> dict[str, Any]:
    """The operation that a line holds, with what it needs. Raises DamagedLineError."""
    try:
        log = json.loads(line)
    except (ValueError, RecursionError) as error:
        shown = line[:_SHOWN].decode(errors="replace").rstrip()
        raise DamagedLineError(f"no JSON: {shown!r}{'...' if len(line) > _SHOWN else ''}") from error
    if not isinstance(log, dict):
        raise DamagedLineError(f"{type(log).__name__}, not a mapping")
    operation = log.get("op_code")
    if type(operation) is not int or not 0 <= operation < len(_NEEDED):
        raise DamagedLineError("no op_code" if operation is None else f"unknown operation {operation!r:.40}")
    needed = _NEEDED[operation]
    for key in ("worker_id", *needed):
        if key not in log:
            raise DamagedLineError(f"no {key}")
    for key, value in log.items():
        kind = needed.get(key) or _MAY_HAVE.get(key)
        if kind is not None and not isinstance(value, kind):
            raise DamagedLineError(f"{key} is {value!r:.40}")
    if not all(isinstance(value, float | int) for value in log.get("values") or ()):
        raise DamagedLineError(f"values is {log['values']!r:.40}")
    return log
