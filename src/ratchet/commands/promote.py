"""`python src/promote.py`: its command line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ratchet.config.hints import unquoted
from ratchet.errors import ConfigError
from ratchet.names import suggestion
from ratchet.project import Project
from ratchet.promotion.gate import Terms
from ratchet.promotion.promote import Ask, promote

_KEYS = ("study", "trial", "run", "dry_run", "allow_dirty", "accept", "alpha", "min_effect")
_HELP = "type: python src/promote.py --help"
_STUDIES = "type: ls runs/sweeps, for the studies"


def main(arguments: Sequence[str]) -> int:
    """Promote, undo or refuse. Returns the exit status; raises RatchetError."""
    return promote(parse(arguments), project=Project.find())


def parse(arguments: Sequence[str]) -> Ask:
    """What was typed. Raises ConfigError for the first thing that promote does not know, or cannot do together."""
    given: dict[str, str] = {}
    undo = False
    for text in arguments:
        key, equals, value = text.partition("=")
        if text == "--undo":
            undo = True
        elif not equals or key not in _KEYS:
            raise ConfigError(f"{text}: promote does not know it; {suggestion(key, [*_KEYS, '--undo'])}; {_HELP}")
        elif not value:
            raise ConfigError(f"{text} names nothing; leave it out, or {_HELP}")
        else:
            given[key] = unquoted(value)
    _refuse_together(given, undo=undo)
    terms = Terms(
        min_effect=_number(given, "min_effect", low=0.0, high=math.inf) or 0.0,
        alpha=_number(given, "alpha", low=0.0, high=0.5),
        accept=_one_of(given, "accept", {"proved": "proved", "ahead": "ahead"}, usual="proved"),
    )
    return Ask(
        study=given.get("study"), trial=_trial(given), run=given.get("run"), undo=undo, terms=terms,
        dry_run=_flag(given, "dry_run"), allow_dirty=_flag(given, "allow_dirty"),
    )  # fmt: skip


def _refuse_together(given: dict[str, str], *, undo: bool) -> None:
    if undo:
        if others := [key for key in given if key != "allow_dirty"]:
            raise ConfigError(f"--undo and {others[0]}= exclude each other; type: python src/promote.py --undo")
        return
    if "trial" in given and "study" not in given:
        raise ConfigError(f"trial= is of a study; {_STUDIES}")
    if ("study" in given) == ("run" in given):
        got = "study= and run= exclude each other" if "run" in given else "nobody challenges"
        raise ConfigError(
            f"{got}; allowed: study=<name>, study=<name> trial=<number>, run=<id or directory>; {_STUDIES}"
        )


def _trial(given: dict[str, str]) -> int | None:
    text = given.get("trial")
    if text is not None and not text.isdecimal():
        raise ConfigError(f"trial={text}: allowed: a trial's number; type: trial=0")
    return None if text is None else int(text)


def _number(given: dict[str, str], key: str, *, low: float, high: float) -> float | None:
    if key not in given:
        return None
    try:
        value = float(given[key])
    except ValueError:
        value = math.nan
    if not (low <= value < high) or (key == "alpha" and value == 0):
        limits = "above 0, below 0.5" if key == "alpha" else "0 or more, in the metric's unit"
        usual = "alpha=0.02" if key == "alpha" else "min_effect=0.005"
        raise ConfigError(f"{key}={given[key]}: allowed: a number {limits}; type: {usual}")
    return value


def _flag(given: dict[str, str], key: str) -> bool:
    return bool(_one_of(given, key, {"true": True, "false": False}, usual=False))


def _one_of(given: dict[str, str], key: str, allowed: dict[str, Any], *, usual: Any) -> Any:
    if key in given and given[key] not in allowed:
        raise ConfigError(f"{key}={given[key]}: allowed: {', '.join(allowed)}; type: {key}={next(iter(allowed))}")
    return allowed[given[key]] if key in given else usual
