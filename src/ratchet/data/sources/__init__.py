"""Sources of raw files: one class for each kind of source that conf/data can name."""

from __future__ import annotations

from ratchet.config import data_sections
from ratchet.data.sources.base import Source, SourceUnavailableError
from ratchet.data.sources.debian import Debian
from ratchet.data.sources.folder import Folder
from ratchet.data.sources.generated import Generated
from ratchet.data.sources.package import Package
from ratchet.data.sources.urls import Urls
from ratchet.data.sources.wheel import Wheel
from ratchet.project import Project

__all__ = ["Source", "SourceUnavailableError", "open_source"]


def open_source(config: data_sections.Source, *, project: Project) -> Source:
    """The source that `config` describes. Nothing is fetched yet."""
    match config:
        case data_sections.GeneratedSource():
            return Generated(config)
        case data_sections.PackageSource():
            return Package(config)
        case data_sections.FolderSource():
            return Folder(config, project=project)
        case data_sections.DebianSource():
            return Debian(config)
        case data_sections.WheelSource():
            return Wheel(config)
        case data_sections.UrlSource():
            return Urls(config)
