"""The config groups of conf/: a folder each, and their options: the files in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hydra.errors import HydraException

from ratchet.config.grammar import parse_override
from ratchet.errors import FileError
from ratchet.yaml_files import read_yaml


def is_group(directory: Path, name: str) -> bool:
    """Whether `name` is a config group below the config directory `directory`."""
    return bool(name) and (directory / name).is_dir()


def chooses(text: str, directory: Path) -> bool:
    """Whether an override chooses the option of a group; one that gives the group a mapping sets values."""
    try:
        override = parse_override(text)
    except HydraException:
        return False
    return is_group(directory, override.key_or_group) and not isinstance(override.value(), dict)


def groups(directory: Path) -> list[str]:
    """The groups directly below a config directory, without Hydra's own."""
    found = (path.name for path in directory.iterdir() if path.is_dir())
    return sorted(name for name in found if name != "hydra" and not name.startswith("."))


def options(directory: Path, group: str) -> list[str]:
    """Return the names of the options of a config group."""
    return sorted(path.stem for path in (directory / group).glob("*.yaml"))


def brought(directory: Path, group: str, option: str) -> dict[str, str]:
    """What the option of a group chooses for other groups: `override /<group>@...: <option>` in its defaults list."""
    try:
        content: Any = read_yaml(directory / group / f"{option}.yaml")
    except (OSError, FileError):
        return {}
    listed = content.get("defaults") if isinstance(content, dict) else None
    entries = [entry for entry in listed or [] if isinstance(entry, dict)]
    named = {key: value for entry in entries for key, value in entry.items() if str(key).startswith("override /")}
    return {key.removeprefix("override /").partition("@")[0]: str(value) for key, value in named.items()}


def default_choices(directory: Path) -> dict[str, str | None]:
    """What the defaults list of config.yaml chooses for each group; nothing where it cannot be read."""
    try:
        primary: Any = read_yaml(directory / "config.yaml")
    except (OSError, FileError):
        return {}
    listed = primary.get("defaults") if isinstance(primary, dict) else None
    entries = [entry for entry in listed or [] if isinstance(entry, dict)]
    return {key: value for entry in entries for key, value in entry.items() if " " not in key}
