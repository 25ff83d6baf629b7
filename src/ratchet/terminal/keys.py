"""The `key=value` arguments of a script that composes no config."""

from __future__ import annotations

from collections.abc import Sequence

from ratchet.config.hints import unquoted
from ratchet.errors import ConfigError
from ratchet.names import suggestion


def typed_keys(arguments: Sequence[str], allowed: Sequence[str], *, script: str) -> dict[str, str]:
    """What was typed for each key. Raises ConfigError for a key that the script does not have, and one of nothing."""
    given = {}
    for text in arguments:
        key, equals, value = text.partition("=")
        if not equals or key not in allowed:
            told = suggestion(key, allowed)
            raise ConfigError(f"{text}: {script} does not know it; {told}; type: python src/{script}.py --help")
        if not value:
            raise ConfigError(f"{text} names nothing; leave it out, or type: python src/{script}.py --help")
        given[key] = unquoted(value)
    return given
