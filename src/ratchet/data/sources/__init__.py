"""Sources of raw files: one class for each kind of source that conf/data can name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ratchet.config import data_sections
from ratchet.data.sources.base import Source, SourceUnavailableError
from ratchet.data.sources.debian import Debian
from ratchet.data.sources.folder import Folder
from ratchet.data.sources.generated import Generated
from ratchet.data.sources.package import Package
from ratchet.data.sources.urls import Urls
from ratchet.data.sources.wheel import Sdist, Wheel
from ratchet.project import Project

__all__ = ["Source", "SourceUnavailableError", "open_source"]


def open_source(config: data_sections.Source, *, project: Project) -> Source:
    """The source that `config` describes. Nothing is fetched yet."""
    if isinstance(config, data_sections.FolderSource):
        return Folder(config, project=project)
    kinds: dict[str, Callable[[Any], Source]] = {
        "generated": Generated, "package": Package, "debian": Debian, "wheel": Wheel, "sdist": Sdist, "urls": Urls,
    }  # fmt: skip
    return kinds[config.kind](config)
