"""Raw files of a Debian package."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from ratchet.config.data_sections import DebianSource, RawFile
from ratchet.data.checksums import absence
from ratchet.data.sources.base import SourceUnavailableError, copy_files, run_tool


class Debian:
    """Reads the package where it is installed; else downloads and unpacks it, which needs no root."""

    def __init__(self, config: DebianSource) -> None:
        self._package = config.package
        self._path = Path(config.path)

    def deliver(self, files: Sequence[RawFile], *, into: Path) -> None:
        """Write the files of the data set into the directory."""
        if self._has(files):
            copy_files(files, origin=self._path, into=into)
            return
        self._require_tools()
        with TemporaryDirectory(dir=into, prefix="debian-") as folder:
            unpacked = self._unpack(Path(folder))
            copy_files(files, origin=unpacked / str(self._path).lstrip("/"), into=into)

    def download_size(self, files: Sequence[RawFile]) -> int | None:
        """Return the bytes to download. apt-get tells them as `'<address>' <name> <bytes> <checksum>`."""
        if self._has(files):
            return 0
        self._require_tools()
        with TemporaryDirectory(prefix="debian-") as folder:
            told = run_tool("apt-get", "--quiet", "--print-uris", "download", self._package, folder=Path(folder))
        sizes = [words[2] for words in map(str.split, told.splitlines()) if len(words) == 4 and words[2].isdecimal()]
        return sum(map(int, sizes)) if sizes else None

    def _has(self, files: Sequence[RawFile]) -> bool:
        """Whether the package is installed here."""
        return all(absence(self._path / file.name, like=file) is None for file in files)

    def _require_tools(self) -> None:
        absent = [tool for tool in ("apt-get", "dpkg-deb") if shutil.which(tool) is None]
        if absent:
            raise SourceUnavailableError(f"{self._package} is not installed and there is no {absent[0]} here")

    def _unpack(self, folder: Path) -> Path:
        run_tool("apt-get", "--quiet", "download", self._package, folder=folder)
        archives = list(folder.glob("*.deb"))
        if len(archives) != 1:
            raise SourceUnavailableError(f"apt-get download {self._package} brought {len(archives)} archives")
        run_tool("dpkg-deb", "--extract", archives[0].name, "unpacked", folder=folder)
        return folder / "unpacked"
