"""A person's own table, or folder of pictures, as the pipeline's: two or three words in params.yaml."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.conftest import Checkout, make_checkout

pytestmark = pytest.mark.slow

TABLE = """\
data: table
data.path: orders.csv
data.target: churned
model: logistic
"""


@pytest.mark.parametrize("cloned", [False, pytest.param(True, marks=pytest.mark.nightly)])
def test_an_edited_table_is_noticed_and_has_a_folder_of_its_name(tmp_path: Path, cloned: bool) -> None:
    checkout = make_checkout(tmp_path / "project")
    rows = [f"{k % 17},{'north' if k % 3 else 'south'},{'yes' if k % 17 > 8 else 'no'}" for k in range(120)]
    orders = checkout.root / "orders.csv"
    orders.write_text("\n".join(["age,region,churned", *rows]) + "\n", encoding="utf-8")
    (checkout.root / "params.yaml").write_text(TABLE, encoding="utf-8")
    assert "orders: train " in checkout.type("dvc", "repro", "prepare")
    assert (checkout.root / "data/prepared/table/orders/card.json").is_file()
    assert "up to date" in checkout.type("dvc", "status", "prepare")
    if cloned:
        checkout.commit()
        clone = Checkout(tmp_path / "elsewhere")
        checkout.type("git", "clone", "-q", str(checkout.root), str(clone.root))
        clone.type("dvc", "repro", "prepare")
        assert clone.type("git", "status", "--porcelain") == ""
    orders.write_text("\n".join(["age,region,churned", *rows[1:]]) + "\n", encoding="utf-8")
    assert "conf" in checkout.type("dvc", "status", "compose")
    assert "orders: train " in checkout.type("dvc", "repro", "prepare")
    assert "up to date" in checkout.type("dvc", "status", "prepare")


def test_a_changed_folder_is_noticed_and_has_a_folder_of_its_name(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path / "project")
    draw, photos = np.random.default_rng(0), checkout.root / "my photos"
    for k in range(24):
        picture = photos / f"class {k % 2}" / f"{k}.png"
        picture.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, 256, (8, 8, 3), np.uint8)).save(picture)
    words = "data: folder\ndata.path: my photos\ndata.name: photos\ndata.size: 8\nmodel: logistic\n"
    (checkout.root / "params.yaml").write_text(words, encoding="utf-8")
    assert "photos: train " in checkout.type("dvc", "repro", "prepare")
    assert (checkout.root / "data/prepared/folder/photos/card.json").is_file()
    assert "up to date" in checkout.type("dvc", "status", "prepare")
    checkout.type("dvc", "repro", "prepare")  # the folder is watched from now on
    assert "up to date" in checkout.type("dvc", "status", "compose", "prepare")
    picture.unlink()
    assert "my photos" in checkout.type("dvc", "status", "compose")
    assert "photos: train " in checkout.type("dvc", "repro", "prepare")
    assert "up to date" in checkout.type("dvc", "status", "compose", "prepare")
