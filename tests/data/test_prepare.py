"""The stage prepare, from raw files to arrays, card and report."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from data.conftest import CONF, Dataset, sha256, shipped_config
from ratchet.config.data_sections import DataConfig, PrepareConfig
from ratchet.data import array_files
from ratchet.data import prepare as prepare_module
from ratchet.data.card import in_words
from ratchet.data.examples import SPLITS
from ratchet.data.fetch import fetch
from ratchet.data.prepare import prepare
from ratchet.errors import ConfigError, DataError
from ratchet.project import Project

FASHION = Path("/usr/share/datasets/fashion-mnist")
EXPECTED_COUNTS = {
    "mnist1d": {"train": 3000, "validation": 500, "confirm": 500, "test": 1000},
    "digits": {"train": 1006, "validation": 216, "confirm": 216, "test": 359},
    "fashion_mnist": {"train": 50_000, "validation": 5000, "confirm": 5000, "test": 10_000},
}
with_fashion_mnist = pytest.param(
    "fashion_mnist",
    marks=[
        pytest.mark.slow,
        pytest.mark.skipif(not FASHION.is_dir(), reason="dataset-fashion-mnist is not installed"),
    ],
)


@pytest.fixture(scope="module")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project into which each data set is fetched once."""
    return Project(tmp_path_factory.mktemp("fetched"))


def hashes(directory: Path) -> dict[str, str]:
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def load(project: Project, name: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    folder = project.prepared(name)
    return {split: (np.load(folder / split / "x.npy"), np.load(folder / split / "y.npy")) for split in SPLITS}


@pytest.mark.parametrize("name", [pytest.param("mnist1d", marks=pytest.mark.slow), "digits", with_fashion_mnist])
def test_real_data_is_prepared_as_its_config_says(fetched: Project, name: str) -> None:
    config = shipped_config(name)
    fetch(config, project=fetched)
    card = prepare(config, project=fetched)
    assert {split: counts["total"] for split, counts in card["counts"].items()} == EXPECTED_COUNTS[name]
    assert card["data_hash"] == _hash_of_arrays(fetched, name)
    assert json.loads((fetched.prepared(name) / "card.json").read_text()) == json.loads(json.dumps(card))
    arrays = load(fetched, name)
    for split, (x, y) in arrays.items():
        assert (x.dtype, y.dtype) == (np.float32, np.int64)
        assert x.shape == (EXPECTED_COUNTS[name][split], *config.shape)
        assert x.flags.c_contiguous
        assert np.isfinite(x).all()
        assert np.bincount(y).tolist() == list(card["counts"][split]["per_class"].values())
    x = arrays["train"][0]
    assert abs(float(x.mean(dtype=float))) < 1e-5
    assert abs(float(x.std(dtype=float)) - 1) < 1e-5
    inputs = Counter(row.tobytes() for x, _ in arrays.values() for row in x)
    assert max(inputs.values()) == 1, "an example is in two splits, or twice in one"


def _hash_of_arrays(project: Project, name: str) -> str:
    arrays = (part for pair in load(project, name).values() for part in pair)
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()


@pytest.mark.slow
def test_the_published_test_split_of_mnist1d_is_the_published_one(fetched: Project) -> None:
    config = shipped_config("mnist1d", normalise="none")
    fetch(config, project=fetched)
    prepare(config, project=fetched)
    x, y = load(fetched, "mnist1d")["test"]
    np.testing.assert_array_equal(x[:, 0], np.load(fetched.raw("mnist1d") / "x_test.npy"))
    np.testing.assert_array_equal(y, np.load(fetched.raw("mnist1d") / "y_test.npy"))


@pytest.mark.slow
def test_twice_gives_the_same_bytes_in_another_process_and_folder(fetched: Project, tmp_path: Path) -> None:
    config = shipped_config("digits")
    fetch(config, project=fetched)
    prepare(config, project=fetched)
    script = (
        "import json, sys; from pathlib import Path; from ratchet.project import Project;"
        "from ratchet.config.data_sections import DataConfig; from ratchet.data.fetch import fetch;"
        "from ratchet.data.prepare import prepare;"
        "config, project = DataConfig.model_validate_json(sys.argv[1]), Project(Path(sys.argv[2]));"
        "fetch(config, project=project); prepare(config, project=project)"
    )
    source = str(Path(__file__).resolve().parents[2] / "src")
    subprocess.run(
        [sys.executable, "-c", script, config.model_dump_json(), str(tmp_path)],
        check=True,
        env={**os.environ, "PYTHONPATH": source, "PYTHONHASHSEED": "7", "LC_ALL": "C"},
    )
    first, second = hashes(fetched.prepared("digits")), hashes(tmp_path / "data" / "prepared" / "digits")
    assert first == second
    assert set(first) == {"card.json", "card.html"} | {f"{s}/{a}.npy" for s in SPLITS for a in ("x", "y", "ids")}


def test_a_spoilt_data_set_is_cleaned_and_the_card_says_so(dataset: Dataset) -> None:
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(60, 1, 4)), np.arange(60) % 2
    x_test, y_test = generator.normal(size=(10, 1, 4)), np.arange(10) % 2
    x[3] = np.nan
    x[5] = x[7]  # the same class
    x[10], x[20] = x_test[0], x_test[1]
    x[30] = x[41]  # another class
    y[50] = 9
    x[..., 2] = x_test[..., 2] = 5
    dataset.write(x=x, y=y, x_test=x_test, y_test=y_test)
    config = dataset.config(prepare={"test": "published"})
    card = prepare(config, project=dataset.project)
    outcome = {item["reason"]: (item["found"], item["removed"], list(item["first"])) for item in card["findings"]}
    assert outcome == {
        "wrong_shape": (0, 0, []),
        "unknown_label": (1, 1, [50]),
        "not_finite": (1, 1, [3]),
        "duplicate_in_test": (0, 0, []),
        "also_in_test": (2, 2, [10, 20]),
        "conflicting_labels": (2, 2, [30, 41]),
        "duplicate": (1, 1, [7]),
        "constant_feature": (1, 0, [2]),
    }
    assert in_words(card) == (
        "toy: train 31, validation 11, confirm 11, test 10; "
        "removed: 1 unknown label, 1 not finite, 2 also in test, 2 conflicting labels, 1 duplicate"
    )
    assert card["raw_examples"] == 70
    assert sum(counts["total"] for counts in card["counts"].values()) == 63
    assert card["counts"]["test"] == {"total": 10, "per_class": {"a": 5, "b": 5}}


def test_constant_positions_of_a_sequence_can_be_dropped(toy: Dataset) -> None:
    x = np.load(toy.raw / "x.npy")
    x[..., 1] = 3
    toy.write(x=x)
    card = prepare(toy.config(prepare={"constant_features": "drop"}), project=toy.project)
    assert card["shape"] == [1, 3]
    assert load(toy.project, "toy")["test"][0].shape == (8, 1, 3)


def test_an_image_never_loses_pixels(toy: Dataset) -> None:
    config = toy.config(layout="image", shape=[1, 2, 2], prepare={"constant_features": "drop"})
    with pytest.raises(ConfigError, match="constant_features=keep"):
        prepare(config, project=toy.project)


def test_when_everything_is_constant_there_is_nothing_to_learn(dataset: Dataset) -> None:
    dataset.write(x=np.ones((20, 1, 4)), y=np.arange(20) % 2)
    config = dataset.config(prepare={"constant_features": "drop", "duplicates": "keep"})
    with pytest.raises(DataError, match="every feature of toy is constant"):
        prepare(config, project=dataset.project)


def test_a_table_of_one_s_own_goes_all_the_way(project: Project) -> None:
    """What the README tells of bringing one's own data: a folder, a yaml, no line of code."""
    folder = project.root / "my-data"
    folder.mkdir(parents=True)
    rows = [f"{i},{i * i},{i % 7},{'oak' if i % 3 else 'elm'}" for i in range(60)]
    (folder / "trees.csv").write_text("\n".join(["height,girth,age,kind", *rows, "7,,1,oak", "1,2,oak", "9,9,9,fir"]))
    config = DataConfig.model_validate(
        {
            "name": "trees",
            "layout": "sequence",
            "shape": [1, 3],
            "classes": ["elm", "oak"],
            "files": [{"name": "trees.csv", "checksum": sha256(folder / "trees.csv")}],
            "sources": [{"kind": "folder", "path": "my-data"}],
            "reader": "ratchet.data.readers.table",
            "prepare": {"validation": 0.2, "confirm": 0.2, "test": 0.2, "normalise": "feature"},
        }
    )
    fetch(config, project=project)
    card = prepare(config, project=project)
    assert in_words(card) == (
        "trees: train 28, validation 10, confirm 10, test 12; removed: 1 wrong shape, 1 unknown label, 1 not finite"
    )
    x, y = load(project, "trees")["train"]
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-5)
    assert np.bincount(y).tolist() == [10, 18]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda raw: (raw / "x.npy").unlink(), r"x.npy is missing; type: python src/fetch.py data=toy"),
        (lambda raw: os.truncate(raw / "x.npy", 300), r"x.npy has the checksum .*\(300 bytes\), expected"),
    ],
)
def test_raw_files_are_verified_before_they_are_read(toy: Dataset, spoil: Any, message: str) -> None:
    config = toy.config()
    spoil(toy.raw)
    with pytest.raises(DataError, match=message):
        prepare(config, project=toy.project)
    assert not toy.project.prepared("toy").exists()


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("where", ["arrays", "report"])
def test_what_was_prepared_before_stays_whole_when_prepare_fails(
    toy: Dataset, monkeypatch: pytest.MonkeyPatch, failure: BaseException, where: str
) -> None:
    prepare(toy.config(), project=toy.project)
    before = hashes(toy.project.prepared("toy"))

    def fail(*_: object, **__: object) -> None:
        raise failure

    if where == "arrays":
        written: list[Path] = []

        def write_two(path: Path, **arguments: Any) -> None:
            written.append(path)
            if len(written) > 2:
                raise failure
            array_files.write_array(path, **arguments)

        monkeypatch.setattr(prepare_module, "write_array", write_two)
    else:
        monkeypatch.setattr(prepare_module, "write_report", fail)
    expected = DataError if isinstance(failure, OSError) else KeyboardInterrupt
    with pytest.raises(expected):
        prepare(toy.config(prepare={"seed": 1}), project=toy.project)
    assert hashes(toy.project.prepared("toy")) == before
    assert [path.name for path in toy.project.prepared("toy").parent.iterdir()] == ["toy"]


def test_a_full_disk_is_told_in_one_line(toy: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(prepare_module, "write_array", full)
    message = r"the disk is full: .*/toy was not written; free some space, then type: python src/prepare.py data=toy"
    with pytest.raises(DataError, match=message):
        prepare(toy.config(), project=toy.project)
    assert not toy.project.prepared("toy").exists()


def test_a_really_full_disk_is_told(tmp_path: Path) -> None:
    """/dev/full refuses every byte, as a full disk does."""
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    link = tmp_path / "x.npy"
    link.symlink_to("/dev/full")
    x = np.zeros((1000, 100), np.float32)
    with pytest.raises(OSError, match="No space left"):
        array_files.write_array(link, pieces=[x], shape=x.shape, dtype="<f4", digest=hashlib.sha256())


def test_prepared_data_may_lie_on_another_disk(toy: Dataset, tmp_path: Path) -> None:
    """data/prepared/toy is a link: it stays one, and what it points to is replaced."""
    elsewhere = tmp_path / "other disk" / "toy"
    elsewhere.mkdir(parents=True)
    link = toy.project.prepared("toy")
    link.parent.mkdir(parents=True)
    link.symlink_to(elsewhere)
    prepare(toy.config(), project=toy.project)
    assert link.is_symlink()
    assert (elsewhere / "card.json").is_file()
    assert [path.name for path in elsewhere.parent.iterdir()] == ["toy"]


@pytest.mark.slow
@pytest.mark.skipif(not FASHION.is_dir(), reason="dataset-fashion-mnist is not installed")
def test_memory_stays_far_below_the_data_in_float32(fetched: Project) -> None:
    """Fashion-MNIST takes 220 MB in float32; the stage in a process of its own must not need several times that."""
    config = shipped_config("fashion_mnist")
    fetch(config, project=fetched)
    # VmHWM begins with the program; ru_maxrss would count the test process that it was forked from.
    script = (
        "import re, sys; from pathlib import Path; from ratchet.project import Project;"
        "from ratchet.config.data_sections import DataConfig; from ratchet.data.prepare import prepare;"
        "prepare(DataConfig.model_validate_json(sys.argv[1]), project=Project(Path(sys.argv[2])));"
        "print(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, config.model_dump_json(), str(fetched.root)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2] / "src")},
    )
    assert int(done.stdout) < 700 * 1024
    assert done.stderr == ""


LIGHT = """
import sys
import ratchet.data.fetch, ratchet.data.prepare, ratchet.data.prepared, ratchet.data.generators
print([name for name in ("torch", "matplotlib", "sklearn", "mnist1d", "requests", "pandas") if name in sys.modules])
"""


def test_the_data_room_imports_nothing_heavy() -> None:
    source = str(Path(__file__).resolve().parents[2] / "src")
    environment = {**os.environ, "PYTHONPATH": source}
    done = subprocess.run([sys.executable, "-c", LIGHT], check=True, capture_output=True, text=True, env=environment)
    assert done.stdout == "[]\n"


def test_the_shipped_configs_say_all_there_is_to_say() -> None:
    for path in set(CONF.glob("*.yaml")) - {CONF / f"{each}.yaml" for each in ("table", "folder", "text")}:
        plain = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert plain["name"] == path.stem
        if "movie_snippets" in plain.get("defaults", ()):
            continue  # the rest stands there
        own = {"table", "folder", "text"}
        assert plain.keys() - own - {"defaults"} == DataConfig.model_fields.keys() - own - {"module"}
        assert ("table" in plain) == ("defaults" in plain) == (plain["layout"] in {"table", "text"})
        assert plain["prepare"].keys() | {"fit"} == PrepareConfig.model_fields.keys()  # those that have a default too


def test_raw_files_that_another_process_replaced_meanwhile_are_verified(
    toy: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits for the lock waits for one that fetches, maybe another version."""
    config, alone = toy.config(), prepare_module.one_process_at_a_time

    @contextmanager
    def after_another(lock: Path) -> Iterator[None]:
        with alone(lock):
            toy.write(x=np.zeros((3, 1, 4), np.float32))
            yield

    monkeypatch.setattr(prepare_module, "one_process_at_a_time", after_another)
    with pytest.raises(DataError, match=r"x\.npy"):
        prepare(config, project=toy.project)
