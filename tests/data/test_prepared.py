"""The guard, and what is said of prepared data that is missing, damaged, or another configuration's."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.conftest import Dataset, write_toy
from ratchet.data.prepare import prepare
from ratchet.data.prepared import PreparedData, Reader
from ratchet.data.staging import replace_directory
from ratchet.errors import DataError, SplitGuardError
from ratchet.project import Project

ALLOWED: dict[Reader, set[str]] = {
    "train": {"train", "validation"},
    "evaluate": {"train", "validation", "test"},
    "promote": {"train", "validation", "confirm"},
}


@pytest.fixture(scope="module")
def prepared_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    dataset = Dataset(Project(tmp_path_factory.mktemp("project")))
    write_toy(dataset)
    prepare(dataset.config(), project=dataset.project)
    return dataset.project.prepared("toy")


@pytest.fixture
def directory(prepared_once: Path, tmp_path: Path) -> Path:
    """Prepared data that a test may spoil."""
    copy = tmp_path / "toy"
    shutil.copytree(prepared_once, copy)
    return copy


@pytest.mark.parametrize("reader", ["train", "evaluate", "promote"])
@pytest.mark.parametrize("split", ["train", "validation", "confirm", "test"])
def test_each_reader_sees_its_splits_and_no_other(directory: Path, reader: Reader, split: str) -> None:
    data = PreparedData.open(directory, reader=reader)
    if split in ALLOWED[reader]:
        x, y = data.split(split)
        assert len(x) == len(y) == data.card["counts"][split]["total"]
    else:
        with pytest.raises(SplitGuardError, match=f"{reader} may not read the split {split}: {split} is read by"):
            data.split(split)


def test_what_is_open_stays_as_it_is_while_another_process_prepares_the_data_anew(directory: Path) -> None:
    data = PreparedData.open(directory, reader="evaluate")
    before = {split: (data.split(split).x.copy(), data.ids(split).copy()) for split in ALLOWED["evaluate"]}
    anew = directory.with_name("anew")
    shutil.copytree(directory, anew)
    for path in anew.rglob("*.npy"):
        np.save(path, np.load(path)[::-1])
    replace_directory(anew, directory)
    for split, (x, ids) in before.items():
        assert np.array_equal(data.split(split).x, x)
        assert np.array_equal(data.ids(split), ids)
    again = pickle.loads(pickle.dumps(data))
    assert np.array_equal(again.split("test").x, before["test"][0][::-1])


def test_of_two_that_replace_a_directory_at_once_each_ends_and_one_stays(tmp_path: Path) -> None:
    target = tmp_path / "target"

    def put(number: int) -> None:
        for round_ in range(100):
            new = tmp_path / f"new.{number}.{round_}"
            new.mkdir()
            (new / "whose").write_text(str(number))
            (new / "again").write_text(str(number))
            replace_directory(new, target)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(put, range(4)))
    assert (target / "whose").read_text() == (target / "again").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


@pytest.mark.parametrize("limit", [2**24, 0], ids=["small", "large"])
@pytest.mark.parametrize("name", ["x.npy", "y.npy"])
def test_arrays_of_the_same_shape_with_other_values_are_refused(
    directory: Path, name: str, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ratchet.data.prepared.HASHED_EACH_TIME", limit)
    PreparedData.open(directory, reader="train")
    path = directory / "train" / name
    before = path.stat()
    values = np.load(path)
    np.save(path, values[::-1])
    assert path.stat().st_size == before.st_size
    with pytest.raises(
        DataError, match=r"train holds other arrays than its card .* type: python src/fetch.py data=toy"
    ):
        PreparedData.open(directory, reader="train")
    np.save(path, values)
    assert PreparedData.open(directory, reader="train").data_hash


def test_large_arrays_that_nobody_has_touched_are_hashed_once(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ratchet.data.prepared.HASHED_EACH_TIME", 0)
    PreparedData.open(directory, reader="train")
    monkeypatch.setattr("ratchet.data.prepared._hash_of", lambda _: pytest.fail("hashed again"))
    PreparedData.open(directory, reader="train")
    assert {path.name for path in directory.iterdir()} == {
        *("train", "validation", "confirm", "test"),
        "card.json",
        "card.html",
    }


@pytest.mark.parametrize("reader", ["train", "promote"])
def test_a_reader_does_not_even_open_the_test_split(directory: Path, reader: Reader) -> None:
    for path in (directory / "test").iterdir():
        path.unlink()
    PreparedData.open(directory, reader=reader).split("train")


def test_a_split_that_is_none_is_told(directory: Path) -> None:
    with pytest.raises(SplitGuardError, match="there is no such split; it may read train, validation"):
        PreparedData.open(directory, reader="train").split("trian")


def test_splits_are_memory_maps_that_cannot_be_written(directory: Path) -> None:
    x, y = PreparedData.open(directory, reader="train").split("train")
    assert isinstance(x, np.memmap)
    assert isinstance(y, np.memmap)
    assert (x.dtype, y.dtype) == (np.float32, np.int64)
    with pytest.raises(ValueError, match="read-only"):
        x[0] = 0


def test_what_the_card_says_can_be_asked(toy: Dataset, directory: Path) -> None:
    data = PreparedData.open(directory, reader="train", config=toy.config())
    assert (data.shape, data.classes, data.layout) == ((1, 4), ("a", "b"), "sequence")
    assert data.data_hash == json.loads((directory / "card.json").read_text())["data_hash"]


def test_missing_data_says_what_to_type(tmp_path: Path) -> None:
    message = "there is no prepared data in .*; type: python src/fetch.py data=toy && python src/prepare.py data=toy"
    with pytest.raises(DataError, match=message):
        PreparedData.open(tmp_path / "toy", reader="train")


@pytest.mark.parametrize(
    ("prepare_changes", "changes", "message"),
    [
        ({"validation": 10}, {}, r"data\.prepare\.validation was 0\.2, is now 10; type: .* python src/prepare\.py"),
        ({"seed": 1, "normalise": "none"}, {}, r"normalise was channel, is now none; data\.prepare\.seed was 0"),
        ({}, {"classes": ["b", "a"]}, r"data\.classes was \['a', 'b'\], is now \['b', 'a'\]"),
        (
            {"seed": 1, "normalise": "none", "validation": 9, "confirm": 9, "test": 9},
            {},
            r"\(and 2 more\)",
        ),
    ],
)
def test_data_of_another_configuration_is_refused(
    toy: Dataset, directory: Path, prepare_changes: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    config = toy.config(prepare=prepare_changes, **changes)
    with pytest.raises(DataError, match=message):
        PreparedData.open(directory, reader="train", config=config)


def test_where_the_files_came_from_does_not_matter(toy: Dataset, directory: Path) -> None:
    config = toy.config(sources=[{"kind": "urls", "mirrors": ["https://example.org/"]}])
    PreparedData.open(directory, reader="train", config=config)
    prepare(config, project=toy.project)
    for name in ("card.json", "train/x.npy"):
        assert (toy.project.prepared("toy") / name).read_bytes() == (directory / name).read_bytes()


def _longer(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"x")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda d: (d / "train" / "x.npy").unlink(), "x.npy is missing or damaged"),
        (lambda d: os.truncate(d / "train" / "x.npy", 200), "x.npy is missing or damaged"),
        (lambda d: os.truncate(d / "train" / "y.npy", 0), "y.npy is missing or damaged"),
        (lambda d: _longer(d / "train" / "x.npy"), "but its card says float32"),
        (lambda d: np.save(d / "validation" / "y.npy", np.zeros(8, np.int32)), "holds int32 .* its card says int64"),
        (lambda d: np.save(d / "train" / "x.npy", np.zeros((9, 1, 4), np.float32)), r"holds float32 \(9, 1, 4\)"),
        (lambda d: (d / "card.json").write_text("{"), "card.json is damaged"),
        (lambda d: (d / "card.json").write_text("[]"), "card.json is damaged"),
        (lambda d: (d / "card.json").write_text("{}"), "card.json is damaged"),
        (lambda d: (d / "card.json").write_bytes(b"\xff"), "card.json is damaged"),
    ],
)
def test_damaged_data_is_told_and_what_to_type(directory: Path, spoil: Any, message: str) -> None:
    spoil(directory)
    with pytest.raises(DataError, match=message) as caught:
        PreparedData.open(directory, reader="train")
    assert str(caught.value).endswith("type: python src/fetch.py data=toy && python src/prepare.py data=toy")
