"""A small data set that a test can spoil: raw arrays in a folder, and the config that fetches them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from data.server import Server, serving
from ratchet.config.data_sections import DataConfig
from ratchet.data.sources import urls
from ratchet.project import Project

CONF = Path(__file__).resolve().parents[2] / "conf" / "data"


def sha256(path: Path) -> str:
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def shipped_config(name: str, **prepare: Any) -> DataConfig:
    """conf/data/<name>.yaml, with some settings of prepare changed."""
    plain = yaml.safe_load((CONF / f"{name}.yaml").read_text(encoding="utf-8"))
    plain["prepare"].update(prepare)
    return DataConfig.model_validate(plain)


class Dataset:
    """Raw arrays that lie in the project's data/raw/toy, and their config."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.raw = project.raw("toy")
        self.raw.mkdir(parents=True)

    def write(self, **arrays: np.ndarray) -> None:
        for name, array in arrays.items():
            np.save(self.raw / f"{name}.npy", array)

    def config(self, *, prepare: dict[str, Any] | None = None, **changes: Any) -> DataConfig:
        plain = {
            "name": "toy",
            "layout": "sequence",
            "shape": [1, 4],
            "classes": ["a", "b"],
            "files": [{"name": path.name, "checksum": sha256(path)} for path in sorted(self.raw.iterdir())],
            "sources": [{"kind": "folder", "path": "elsewhere"}],
            "reader": "ratchet.data.readers.arrays",
            "prepare": {"validation": 0.2, "confirm": 0.2, "test": 0.2, **(prepare or {})},
        }
        return DataConfig.model_validate(plain | changes)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project")


@pytest.fixture
def dataset(project: Project) -> Dataset:
    return Dataset(project)


@pytest.fixture
def toy(dataset: Dataset) -> Dataset:
    write_toy(dataset)
    return dataset


def write_toy(dataset: Dataset) -> None:
    """Forty examples of two classes, four values each, no two alike."""
    generator = np.random.default_rng(0)
    dataset.write(x=generator.normal(size=(40, 1, 4)).astype(np.float32), y=np.arange(40) % 2)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(urls, "_PAUSE", 0.0)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as server:
        yield server
