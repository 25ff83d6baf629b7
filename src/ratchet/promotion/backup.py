"""The files that a promotion changes, put aside and put back."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import RootModel

from ratchet.errors import RatchetError
from ratchet.files import read_json_as, write_atomically
from ratchet.project import Project

_LIST = "files.json"  # written last: a backup that has it is whole
_WRITTEN = "written.json"  # what the files were made to be since


class _Digests(RootModel[dict[str, str | None]]):
    """The sha256 of each file; None of one that is to be absent."""


class _Listed(RootModel[dict[str, int | None]]):
    """The number of each file's copy; None of one that was absent."""


@dataclass(frozen=True)
class Backup:
    """A directory with copies of files of the project; one that was not there is remembered as absent."""

    directory: Path
    project: Project

    @property
    def is_whole(self) -> bool:
        """Whether it can be put back."""
        return (self.directory / _LIST).is_file()

    def take(self, names: Sequence[str]) -> None:
        """Copy the files, named from the project's root."""
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)
        there = [name for name in names if (self.project.root / name).is_file()]
        for number, name in enumerate(there):
            shutil.copyfile(self.project.root / name, self.directory / str(number))
        listed = {name: there.index(name) if name in there else None for name in names}
        write_atomically(self.directory / _LIST, json.dumps(listed, indent=2).encode())

    def note_writing(self, contents: Mapping[str, str | None]) -> None:
        """Remember what files are about to hold; None: they are to be absent."""
        noted = {name: None if text is None else _sha256(text.encode()) for name, text in contents.items()}
        write_atomically(self.directory / _WRITTEN, json.dumps(noted).encode())

    def put_back(self, *, changes_too: bool = True) -> list[str]:
        """Make each file what it was; one that is as it was keeps its date.

        Without `changes_too` a file stays that is neither what it was nor what was noted: somebody has written into it
        since. Returns the names of those.
        """
        path, stayed = self.directory / _LIST, []
        noted, remedy = self.directory / _WRITTEN, f"type: git status, then rm {path}"
        written = {} if changes_too or not noted.is_file() else read_json_as(noted, _Digests, remedy=remedy).root
        now = digests(self.project, list(written))
        for name, number in read_json_as(path, _Listed, remedy=remedy).root.items():
            before = None if number is None else _sha256((self.directory / str(number)).read_bytes())
            if name in written and now[name] not in {before, written[name]}:
                stayed.append(name)
                continue
            path = self.project.root / name
            if number is None:
                path.unlink(missing_ok=True)
                continue
            content = (self.directory / str(number)).read_bytes()
            if not path.is_file() or path.read_bytes() != content:
                path.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(path, content)
        return stayed

    def forget(self) -> None:
        """Remove it. A kill on the way leaves none that is whole."""
        (self.directory / _LIST).unlink(missing_ok=True)
        shutil.rmtree(self.directory, ignore_errors=True)

    def copy_to(self, directory: Path) -> None:
        """Copy the backup to a second place."""
        partial = directory.with_name(f".{directory.name}")
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(self.directory, partial)
        shutil.rmtree(directory, ignore_errors=True)
        partial.rename(directory)


def digests(project: Project, names: Sequence[str]) -> dict[str, str | None]:
    """The sha256 (hex) of each file of the project; None of one that is absent."""
    found: dict[str, str | None] = {}
    for name in names:
        path = project.root / name
        found[name] = _sha256(path.read_bytes()) if path.is_file() else None
    return found


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def require_as_left(project: Project, left: dict[str, str | None]) -> None:
    """Raises RatchetError where one of the files is no longer what promotion wrote."""
    now = digests(project, list(left))
    for name, digest in left.items():
        if now[name] != digest:
            raise RatchetError(
                f"{name} has changed since promotion, and --undo would lose that; type: git diff {name}, to see it, "
                "or: python src/promote.py --undo allow_dirty=true, to go back all the same"
            )
