"""What is written or printed never holds a password of a URL, or a text that came from the environment."""

from __future__ import annotations

import re

from ratchet.errors import RatchetError

_SHORTEST = 6  # characters of a value that is looked for inside of texts: a shorter one is part of ordinary words
# a reference, such as ${oc.env:PGPASSWORD}, is no password
_IN_URL = re.compile(r"(://[^\s:/@'\"]*):(?!\$\{[^}\s]*\}@)[^\s'\"]*@")
_IN_QUERY = re.compile(r"([?&][\w-]*(?:password|passwd|pwd|secret|token|key)=)(?!\$\{)[^\s&'\"]+", re.IGNORECASE)
_known: dict[str, str] = {}  # value of this process: the reference by which it was named


def note_secret(value: str, reference: str) -> None:
    """Have redacted() write `reference` wherever `value` stands."""
    if len(value) >= _SHORTEST:
        _known[value] = reference


def without_password(text: str) -> str:
    """A text, such as an argument of a command line, without the passwords of the URLs in it."""
    return _IN_QUERY.sub(r"\1***", _IN_URL.sub(r"\1:***@", text))


def redacted(text: str) -> str:
    """A text without passwords, and with the references of the values that came from the environment."""
    for value, reference in sorted(_known.items(), key=lambda pair: -len(pair[0])):
        text = text.replace(value, reference)
    return without_password(text)


def said_of(error: BaseException) -> str:
    """What an exception says, in one redacted line; its class stands before it where it is no mistake of a person's."""
    said, name = " ".join(redacted(str(error)).split()), type(error).__name__
    return said if said and isinstance(error, RatchetError) else f"{name}: {said or name}"
