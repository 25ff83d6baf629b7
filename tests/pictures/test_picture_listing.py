"""Which pictures a folder has, in which classes and splits; one checksum; which are nearly the same."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ratchet.pictures import checksum_of, nearly_the_same, pictures_in, places


def files(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def test_pictures_are_found_by_their_names_at_any_depth(tmp_path):
    files(tmp_path, "b/2.PNG", "b/1.jpeg", "a/deep/er/x.webp", "a/notes.txt", "a/.hidden.png", ".git/c.png", "top.gif")
    assert list(pictures_in(tmp_path)) == ["a/deep/er/x.webp", "b/1.jpeg", "b/2.PNG", "top.gif"]


def test_links_are_followed_but_in_no_circle(tmp_path):
    folder = files(tmp_path / "photos", "a/1.png", "b/2.png")
    files(tmp_path / "elsewhere", "3.png")
    (folder / "c").symlink_to(tmp_path / "elsewhere")
    (folder / "a/up").symlink_to(folder)
    (folder / "a/lost.png").symlink_to(tmp_path / "nowhere.png")
    (folder / "b/same.png").symlink_to(folder / "a/1.png")
    assert list(pictures_in(folder)) == ["a/1.png", "b/2.png", "b/same.png", "c/3.png"]


def test_the_checksum_is_of_names_and_contents_in_whatever_order(tmp_path):
    folder = files(tmp_path / "one", "a/1.png", "b/ü 2.png")
    whole = checksum_of(folder, pictures_in(folder))
    assert checksum_of(folder, reversed(pictures_in(folder))) == whole
    other = tmp_path / "two"
    shutil.copytree(folder, other)
    (other / "notes.txt").write_text("no picture")
    assert checksum_of(other, pictures_in(other)) == whole
    (other / "a/1.png").write_bytes(b"other")
    assert checksum_of(other, pictures_in(other)) != whole
    shutil.rmtree(other)
    shutil.copytree(folder, other)
    (other / "a/1.png").rename(other / "b/1.png")
    assert checksum_of(other, pictures_in(other)) != whole


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("cat/1.png", ("cat", None)),
        ("cat/deep/1.png", ("cat", None)),
        ("1.png", (None, None)),
    ],
)
def test_a_folder_is_a_class(name, place):
    assert places([name])[name] == place


def test_folders_of_splits_are_known_by_their_names():
    names = ["Train/cat/1.png", "val/cat/1.png", "test/dog/deep/1.png", "test/loose.png"]
    found = places(names)
    assert [tuple(place) for place in found.values()] == [
        ("cat", "train"), ("cat", "validation"), ("dog", "test"), (None, "test"),
    ]  # fmt: skip
    vehicles = places(["train/1.png", "car/1.png", "test/1.png"])
    assert [place.label for place in vehicles.values()] == ["train", "car", "test"]


def smooth(seed: int, size: int = 64) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    return Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC)


def test_pictures_that_are_nearly_the_same_have_one_number(tmp_path):
    pictures = [smooth(seed) for seed in range(20)]
    pictures[10].save(tmp_path / "a.jpg", quality=60)
    smaller = pictures[10].resize((40, 40)).resize((64, 64))
    lighter = pictures[3].point(lambda value: min(255, value + 6))
    alike = [*pictures, Image.open(tmp_path / "a.jpg"), smaller, lighter]
    x = np.stack([np.moveaxis(np.asarray(each), -1, 0) for each in alike])
    group = nearly_the_same(x)
    assert group[:20].tolist() == list(range(20))
    assert group[20:].tolist() == [10, 10, 3]
    assert nearly_the_same(x.mean(axis=1, keepdims=True).astype(np.uint8)).tolist() == group.tolist()


def test_an_even_picture_is_like_those_of_its_colour_alone():
    x = np.zeros((4, 3, 16, 16), np.uint8)
    x[1:3] = 200
    x[2, 0, 0, 0] = 190
    assert nearly_the_same(x).tolist()[:2] == [0, 1]
    assert nearly_the_same(np.zeros((50, 1, 4, 4), np.uint8)).tolist() == [0] * 50
