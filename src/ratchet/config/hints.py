"""What to type: commands and overrides, quoted so that the shell and Hydra read them back as they are meant."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Callable, Sequence
from typing import Any

from ratchet.errors import ConfigError

EVERY_KEY = "python src/train.py --cfg job"
TO_SEE_KEYS = f"type: {EVERY_KEY}, which shows every key, or leave it out"
_SAFE = re.compile(r"[\w@%+=:,./-]+", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""", re.S)
_ITEM = re.compile(rf"\s*({_QUOTED.pattern}|[^,]+)\s*(?:,|$)", re.S)
LONGEST = 160  # characters of a value that somebody would type


def to_type(*words: str) -> str:
    """A command line of these words: a shell reads each of them as it is. One line, whatever is in them."""
    return " ".join(map(_for_the_shell, words))


def _for_the_shell(word: str) -> str:
    if _CONTROL.search(word):
        escaped = word.replace("\\", "\\\\").replace("'", "\\'")
        return "$'" + _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", escaped) + "'"
    if _SAFE.fullmatch(word):
        return word
    if "'" in word and not re.search(r'["$`\\!]', word):
        return f'"{word}"'
    return shlex.quote(word)


def named(key: str, name: str) -> str:
    """`key=name` where a name is taken as it is: of `resume=`, `run=`, `runs=` and `study=`. See unquoted()."""
    from ratchet.config.grammar import to_override_value

    return f"{key}={name if names_in(name) == [name] else to_override_value(name)}"


def unquoted(name: str) -> str:
    """A name without the quotes that Hydra's grammar wants around it: whoever typed them means what is inside."""
    if not _QUOTED.fullmatch(name):
        return name
    from ratchet.config.grammar import parse_override

    return str(parse_override(f"name={name}").value())


def names_in(text: str) -> list[str]:
    """The names of a list with commas, in brackets or not; one that holds commas stands in quotes."""
    inside = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    return [unquoted(found[1].strip()) for found in _ITEM.finditer(inside) if found[1].strip()]


class OverrideError(ConfigError):
    """A mistake in the config, and what may be typed instead.

    said: what was got and what is allowed.
    key: of the value that is wrong, where it is one value; text: the override that is, where it is one.
    instead: overrides to type in its place, the best first. Its message has the first; whoever can compose tries them.
    otherwise: what to do where nobody knows such overrides; example: such with places to fill in; note: what follows;
    either: the first two are two ways out, and both are said.
    """

    def __init__(
        self,
        said: str,
        *,
        key: str = "",
        text: str = "",
        instead: Sequence[Sequence[str]] = (),
        otherwise: str = TO_SEE_KEYS,
        example: Sequence[str] = (),
        note: str = "",
        either: bool = False,
    ) -> None:
        self.said, self.key, self.text = said, key, text
        self.instead: list[Sequence[str]] = list(instead)
        self.otherwise, self.note, self.either, self.example = otherwise, note, either, example
        if example:
            self.otherwise = f"type: {' '.join(each if '<' in each else to_type(each) for each in example)}"
        super().__init__(str(self.settled(self.instead[: 2 if either else 1])))

    def accepted(self, accepts: Callable[[Sequence[str]], bool]) -> list[Sequence[str]]:
        """The first of `instead` that is accepted, or the first two."""
        return list(itertools.islice(filter(accepts, self.instead), 2 if self.either else 1))

    def settled(self, accepted: Sequence[Sequence[str]]) -> ConfigError:
        """The error with what was found to be accepted."""
        hint = f"type: {', or '.join(to_type(*each) for each in accepted)}{self.note}" if accepted else self.otherwise
        return ConfigError(f"{self.said}; {hint}")

    def __reduce__(self) -> Any:
        return ConfigError, (str(self),)
