"""Where raw files come from: one class for each kind of source that conf/data can name."""

from __future__ import annotations

from ratchet.config import schema
from ratchet.data.sources.base import Source, SourceUnavailableError
from ratchet.data.sources.debian import Debian
from ratchet.data.sources.folder import Folder
from ratchet.data.sources.generated import Generated
from ratchet.data.sources.package import Package
from ratchet.data.sources.urls import Urls
from ratchet.data.sources.wheel import Wheel
from ratchet.project import Project

__all__ = ["Source", "SourceUnavailableError", "open_source"]


def open_source(config: schema.Source, *, project: Project) -> Source:
    """The source that `config` describes. Nothing is fetched yet."""
    match config:
        case schema.GeneratedSource():
            return Generated(config)
        case schema.PackageSource():
            return Package(config)
        case schema.FolderSource():
            return Folder(config, project=project)
        case schema.DebianSource():
            return Debian(config)
        case schema.WheelSource():
            return Wheel(config)
        case schema.UrlSource():
            return Urls(config)
