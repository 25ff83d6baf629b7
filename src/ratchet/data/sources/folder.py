"""Raw files that lie in a folder of this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ratchet.config.data_sections import FolderSource, RawFile
from ratchet.data.sources.base import OnThisMachine, SourceUnavailableError, copy_files
from ratchet.files import not_a_directory
from ratchet.project import Project


class Folder(OnThisMachine):
    """Copies files; a relative path starts at the project's root."""

    def __init__(self, config: FolderSource, *, project: Project) -> None:
        self._folder = project.root / Path(config.path).expanduser()

    def deliver(self, files: Sequence[RawFile], *, into: Path) -> None:
        """Write the files of the data set into the directory."""
        if (wrong := not_a_directory(self._folder)) is not None:
            told = f"there is no folder {self._folder}" if wrong == "is missing" else f"{self._folder} {wrong}"
            raise SourceUnavailableError(told)
        copy_files(files, origin=self._folder, into=into)
