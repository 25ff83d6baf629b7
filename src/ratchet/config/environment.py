"""Texts that a config takes from the environment, `${oc.env:NAME}`: used by value, kept by reference."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ratchet.redaction import note_secret

_OF_ENVIRONMENT = re.compile(r"\$\{\s*oc\.env\s*:")
_VARIABLE = re.compile(r"\$\{\s*oc\.env\s*:\s*([^\s,{}'\"]+)")
_IN_PATHS = re.compile(r"RATCHET_\w+|HOME|PWD|USER|LOGNAME|HOSTNAME|TMPDIR|VIRTUAL_ENV")  # part of what is to be typed
Path = tuple[str | int, ...]


class Reference(NamedTuple):
    """A text of a config, as it was written and what it stands for."""

    path: Path
    written: str
    value: str


def plain_with_references(composed: Any) -> Any:
    """A composed config as dicts, lists and scalars: resolved, but for the texts that come from the environment.

    Numbers are resolved all the same: a record has to say them. Raises OmegaConf's errors for interpolations.
    """
    resolved = OmegaConf.to_container(composed, resolve=True)
    written = OmegaConf.to_container(composed, resolve=False)
    secrets = {value for _, text, value in _texts(written, resolved) if _OF_ENVIRONMENT.search(text)}
    for path, text, value in list(_texts(written, resolved)):
        if _OF_ENVIRONMENT.search(text) or ("${" in text and any(each and each in value for each in secrets)):
            _put(resolved, path, text)
            _note_values(text)
    return resolved


def from_environment(plain: Any) -> tuple[Any, tuple[Reference, ...]]:
    """A plain config with what its references to the environment stand for, and those references.

    Where a variable is not set, the text stays the reference.
    """
    if not any(_OF_ENVIRONMENT.search(text) for _, text, _ in _texts(plain, plain)):
        return plain, ()
    try:
        resolved = OmegaConf.to_container(OmegaConf.create(plain), resolve=True)
    except OmegaConfBaseException:
        return plain, ()
    found = tuple(Reference(*each) for each in _texts(plain, resolved) if each[1] != each[2])
    for reference in found:
        _note_values(reference.written)
    return resolved, found


def text_of_environment(text: str) -> str:
    """A single text with what it refers to. Raises OmegaConf's errors, where a variable is not set for one."""
    if not _OF_ENVIRONMENT.search(text):
        return text
    value = str(OmegaConf.to_container(OmegaConf.create([text]), resolve=True)[0])  # type: ignore[index]
    _note_values(text)
    return value


def text_or_none(value: Any) -> str | None:
    """A text of a record with what it refers to; None where there is none, or its variable is not set here."""
    try:
        return text_of_environment(str(value)) if value else None
    except OmegaConfBaseException:
        return None


def with_references(plain: Any, references: tuple[Reference, ...]) -> Any:
    """A plain config in which each text that still is what its reference stands for is that reference again."""
    for path, written, value in references:
        if _at(plain, path) == value:
            _put(plain, path, written)
    return plain


def _note_values(text: str) -> None:
    """Remember what the variables of a reference hold, as not to be printed."""
    for name in _VARIABLE.findall(text):
        if not _IN_PATHS.fullmatch(name) and (value := os.environ.get(name)):
            note_secret(value, f"${{oc.env:{name}}}")


def _texts(written: Any, resolved: Any, path: Path = ()) -> Iterator[tuple[Path, str, str]]:
    """The texts of two configs of the same structure: where, in the first and in the second."""
    if isinstance(written, dict) and isinstance(resolved, dict):
        for key in written.keys() & resolved.keys():
            yield from _texts(written[key], resolved[key], (*path, key))
    elif isinstance(written, list) and isinstance(resolved, list):
        for place, (one, other) in enumerate(zip(written, resolved, strict=False)):
            yield from _texts(one, other, (*path, place))
    elif isinstance(written, str) and isinstance(resolved, str):
        yield path, written, resolved


def _at(plain: Any, path: Path) -> Any:
    for part in path:
        try:
            plain = plain[part]
        except (LookupError, TypeError):
            return None
    return plain


def _put(plain: Any, path: Path, value: str) -> None:
    _at(plain, path[:-1])[path[-1]] = value
