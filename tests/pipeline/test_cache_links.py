"""DVC's cache, linked into the workspace: nothing that is trained on or evaluated writes through a link."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from pipeline.conftest import make_checkout

pytestmark = [pytest.mark.slow, pytest.mark.nightly]


def objects(root: Path) -> dict[str, str]:
    """Each object of the cache and the md5 of its content."""
    files = (path for path in (root / ".dvc/cache/files/md5").rglob("*") if path.is_file())
    return {
        path.parent.name + path.name: hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        for path in files
        if not path.name.endswith(".dir")
    }


@pytest.mark.parametrize("kind", ["hardlink", "symlink"])
def test_a_champion_that_goes_on_leaves_the_cache_whole(kind: str, tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path / "project")
    checkout.type("dvc", "config", "cache.type", kind)
    checkout.repro()
    before = objects(checkout.root)
    assert all(name == digest for name, digest in before.items())
    assert "up to date" in checkout.type("dvc", "status")
    checkout.type("python", "src/train.py", "resume=champion/train", "trainer.max_epochs=4")
    checkout.type("python", "src/evaluate.py")
    assert objects(checkout.root) == before
    assert "champion/train" in checkout.type("dvc", "status")
