"""Raw files that a function writes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ratchet.config.data_sections import GeneratedSource, RawFile
from ratchet.data.sources.base import OnThisMachine, SourceUnavailableError, require_files
from ratchet.dotted import PackageMissingError, function_of_data


class Generated(OnThisMachine):
    """Calls `function(directory)`, which writes the files."""

    def __init__(self, config: GeneratedSource) -> None:
        self._path = config.function

    def deliver(self, files: Sequence[RawFile], *, into: Path) -> None:
        """Write the files of the data set into the directory."""
        try:
            function = function_of_data(self._path, setting="data.sources.function")
            function(into)
        except (ImportError, PackageMissingError) as error:
            raise SourceUnavailableError(f"{self._path} needs a package: {error}") from error
        require_files(files, origin=into, otherwise=f"{self._path} did not write")
