"""Raw files that lie inside an installed Python package."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path

from ratchet.config.data_sections import PackageSource, RawFile
from ratchet.config.hints import to_type
from ratchet.data.sources.base import OnThisMachine, SourceUnavailableError, copy_files


class Package(OnThisMachine):
    """Copies files out of a package without importing it."""

    def __init__(self, config: PackageSource) -> None:
        self._config = config

    def deliver(self, files: Sequence[RawFile], *, into: Path) -> None:
        """Write the files of the data set into the directory."""
        try:
            spec = find_spec(self._config.package)
        except (ModuleNotFoundError, ValueError):  # a parent package is absent
            spec = None
        if spec is None:
            requirement = self._config.requirement or self._config.package
            raise SourceUnavailableError(
                f"the package {self._config.package} is not installed (type: {to_type('pip', 'install', requirement)})"
            )
        copy_files(files, origin=_folder(spec) / self._config.path, into=into)


def _folder(spec: ModuleSpec) -> Path:
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    return Path(spec.origin or ".").parent
