"""Hydra's override grammar: values written so that Hydra reads the same values, and overrides taken apart."""

from __future__ import annotations

import re
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, Quote, QuotedString, Transformer, ValueType
from hydra.errors import HydraException

from ratchet.compat.hydra import escaped_key
from ratchet.errors import ConfigError

_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./-]*")
_KEY = re.compile(r"[A-Za-z0-9_/\\+.$%*@?|()\[\]{}:=, \t-]+")


def parse_override(text: str) -> Override:
    """An override, taken apart. Raises Hydra's OverrideParseException."""
    return OverridesParser.create().parse_override(text)


def key_of(text: str) -> str | None:
    """The key, or the group, of an override; None where it cannot be read."""
    try:
        return str(parse_override(text).key_or_group)
    except HydraException:
        return None


def each_of(text: str) -> list[str]:
    """An override of several values as one for each; of a range without steps its ends."""
    override = parse_override(text)
    if not override.is_sweep_override():
        return [text]
    value = override.value()
    ends = [value.start, value.end] if isinstance(value, IntervalSweep) else values_of(override)
    return [f"{override.get_key_element()}={to_override_value(each)}" for each in ends]


def first(text: str) -> list[str]:
    """The first of them; none where the override cannot be read."""
    return [] if key_of(text) is None else each_of(text)[:1]


def values_of(override: Override) -> list[Any]:
    """The values that an override names: one, or each of a sweep's; none for a range without steps."""
    if override.value_type == ValueType.GLOB_CHOICE_SWEEP:
        return []
    if override.is_discrete_sweep():
        return [Override._convert_value(value) for value in override.sweep_iterator(transformer=Transformer.identity)]
    return [] if override.is_sweep_override() else [override.value()]


def written_values(override: Override) -> list[str]:
    """The same values as overrides say them. Hydra's own list of them is without the quotes inside choice()."""
    return [to_override_value(value) for value in values_of(override)]


def to_override_value(value: Any, *, typed: bool = False) -> str:  # noqa: PLR0911 - one line for each kind of value
    """A YAML value in Hydra's override grammar, quoted so that it is read back as the same value.

    What is to be typed has double quotes, which a shell takes within its single ones. Raises ConfigError for a key of a
    mapping that the grammar cannot express.
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list):
        return "[" + ",".join(to_override_value(item, typed=typed) for item in value) + "]"
    if isinstance(value, dict):
        return (
            "{" + ",".join(f"{_key(key)}:{to_override_value(item, typed=typed)}" for key, item in value.items()) + "}"
        )
    text = str(value)
    if _PLAIN.fullmatch(text) and not _reads_as_other(text):
        return text
    return QuotedString(text=text, quote=Quote.double if typed and '"' not in text else Quote.single).with_quotes()


def assignment(key: str, value: Any) -> str:
    """The override of a key that is to be typed, before a shell's own quotes."""
    return f"{key}={to_override_value(value, typed=True)}"


def shown(value: Any) -> str:
    """A value in a message: as it is typed, where it can be, and short."""
    try:
        text = to_override_value(value)
    except ConfigError:
        text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _key(key: Any) -> str:
    if not isinstance(key, str):
        return to_override_value(key)
    if not _KEY.fullmatch(key) or key != key.strip() or _reads_as_other(key):
        raise ConfigError(f"the key {key!r} cannot be an override; allowed: letters, digits and _; type: another name")
    return escaped_key(key)


def _reads_as_other(text: str) -> bool:
    """Whether unquoted text would be read as null, a boolean or a number."""
    try:
        float(text)
    except ValueError:
        return text.lower() in {"null", "true", "false"}
    return True
