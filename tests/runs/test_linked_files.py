"""Files that DVC has linked to its cache: a run that goes on leaves the cache as it was."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ratchet.files import unlink_from_others


@pytest.mark.parametrize("kind", ["hardlink", "symlink"])
def test_a_linked_file_becomes_one_of_its_own(kind: str, tmp_path: Path) -> None:
    cached, file = tmp_path / "cached", tmp_path / "metrics.csv"
    cached.write_text("epoch\n")
    cached.chmod(0o444)
    (os.link if kind == "hardlink" else os.symlink)(cached, file)
    unlink_from_others(file)
    with file.open("a") as stream:
        stream.write("1\n")
    assert cached.read_text() == "epoch\n"
    assert file.read_text() == "epoch\n1\n"
    assert not file.is_symlink()
    assert os.access(file, os.W_OK)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cached", "metrics.csv"]


def test_a_file_of_its_own_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "metrics.csv"
    unlink_from_others(file)
    file.write_text("epoch\n")
    before = file.stat().st_ino
    unlink_from_others(file)
    assert file.stat().st_ino == before
