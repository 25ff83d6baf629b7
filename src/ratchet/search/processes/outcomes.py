"""What a trial's process came to, and what it is called when it failed."""

from __future__ import annotations

import math
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ratchet.errors import ConfigError, NonFiniteLossError, TrialTimeout, first_line, ran_out
from ratchet.names import short
from ratchet.redaction import redacted, said_of

FailureClass = Literal[
    "compose error",
    "config error",
    "no value",
    "non-finite loss",
    "out of memory",
    "killed",
    "timeout",
    "interrupted",
    "disk full",
    "exception",
]


@dataclass(frozen=True)
class Outcome:
    """The end of one training: `metrics` of it, or what went wrong."""

    state: Literal["complete", "pruned", "failed"]
    metrics: Mapping[str, float] = field(default_factory=dict)
    failure: FailureClass | None = None
    error: str = ""  # one line
    traceback: str = ""
    returned: bytes | None = None  # Hydra's JobReturn, pickled, where somebody asked for it

    @classmethod
    def of_error(cls, error: BaseException, *, returned: bytes | None = None) -> Outcome:
        """What an exception of the task means."""
        text = redacted("".join(traceback.format_exception(error)))
        return cls("failed", failure=_class_of(error), error=said_of(error), traceback=text, returned=returned)

    @classmethod
    def of_composing(cls, error: Exception) -> Outcome:
        """What an exception means that was raised before there was a config to train."""
        failure = _class_of(error)
        named: FailureClass = "compose error" if failure in {"config error", "exception"} else failure
        return cls("failed", failure=named, error=first_line(error))

    @classmethod
    def of_value(cls, value: Any, names: Sequence[str], *, returned: bytes | None = None) -> Outcome:
        """What a task returned: a number, a sequence of them in the order of the objectives, or numbers by name."""
        metrics = _by_name(value, names)
        numbers = {str(name): number for name, each in metrics.items() if (number := _number(each)) is not None}
        missing = [name for name in names if name not in numbers]
        if missing:
            named = ", or a direction by name, such as {loss: minimize}" if isinstance(value, Mapping) else ""
            named = f" alone, or {len(value)} directions" if isinstance(value, tuple | list) else named
            return cls(
                "failed", failure="no value", returned=returned,
                error=f"the task returned {short(repr(value))}; allowed: a number for {', '.join(missing)}{named}",
            )  # fmt: skip
        broken = [name for name in names if not math.isfinite(numbers[name])]
        if broken:
            return cls(
                "failed", failure="non-finite loss", error=f"{broken[0]} is {numbers[broken[0]]}", returned=returned
            )
        return cls("complete", metrics=numbers, returned=returned)


def _class_of(error: BaseException) -> FailureClass:
    if isinstance(error, NonFiniteLossError):
        return "non-finite loss"
    if isinstance(error, ConfigError):
        return "config error"  # it composes, and the model or the optimizer cannot be built of it
    if isinstance(error, KeyboardInterrupt):
        return "timeout" if isinstance(error, TrialTimeout) else "interrupted"
    short: dict[str | None, FailureClass] = {"memory": "out of memory", "disk": "disk full"}
    return short.get(ran_out(error), "exception")


def _by_name(value: Any, names: Sequence[str]) -> dict[Any, Any]:
    """What a task returned by the names of the objectives; nothing where it has another number of values."""
    if isinstance(value, Mapping):
        return (
            dict(zip(names, value.values(), strict=True)) if [*names] == ["value"] and len(value) == 1 else dict(value)
        )
    listed = value.tolist() if _number(value) is None and hasattr(value, "tolist") else value  # an array, a tensor
    several = list(listed) if isinstance(listed, list | tuple) else [value]
    return dict(zip(names, several, strict=True)) if len(several) == len(names) else {}


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        return None
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):  # an array of several
        return None
