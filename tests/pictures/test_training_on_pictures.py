"""data=folder from the command line: prepared, trained, evaluated, without a line of code."""

from __future__ import annotations

import json
import shlex
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ratchet.config.composition import load_config
from ratchet.data.fetch import fetch
from ratchet.data.on_demand import prepare_if_missing
from ratchet.data.prepare import prepare
from ratchet.data.prepared import Normalised, PreparedData
from ratchet.errors import ConfigError, DataError
from ratchet.project import Project
from ratchet.training.batches import TrainingBatches, as_tensors, joined
from ratchet.training.train import train

QUICK = ["params=null", "model=logistic", "logger=csv", "trainer.max_epochs=2", "trainer.progress=none"]
COLOURS = {"red": (200, 40, 40), "dark blue": (40, 40, 200), "grün": (40, 180, 60)}


def draw(path: Path, colour: tuple[int, int, int], seed: int, size: int = 8) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).normal(colour, 40, (size, size, 3))
    Image.fromarray(np.clip(noise, 0, 255).astype(np.uint8)).save(path)


def fill(folder: Path, each: int, *, start: int = 0) -> Path:
    for number, (name, colour) in enumerate(COLOURS.items()):
        for k in range(start, start + each):
            draw(folder / name / f"{k}.png", colour, 1000 * number + k)
    return folder


@pytest.fixture
def photos(project: Project) -> Path:
    return fill(project.root / "photos", 20)


def config(project: Project, *words: str):
    return load_config(project, [*QUICK, "data=folder", "data.path=photos", "data.size=8", *words])


def made(project: Project, *words: str) -> dict:
    found = config(project, *words).data
    fetch(found, project=project)
    return prepare(found, project=project)


def test_two_words_make_a_whole_config(project, photos):
    found = load_config(project, [*QUICK, "data=folder", "data.path=photos/"]).data
    assert (found.name, found.layout, found.shape, found.target_kind) == ("photos", "image", [3, 64, 64], "class")
    assert found.classes == ["dark blue", "grün", "red"]
    assert config(project, "data.channels=1", "data.ignore=[red]").data.shape == [1, 8, 8]
    assert config(project, "data.ignore=[red]").data.classes == ["dark blue", "grün"]
    for words in ([], ["data.name=mine"], ["data.ignore=[red]", "data.channels=1"]):
        found = config(project, *words).data
        assert load_config(project, [*QUICK, *shlex.split(found.typed)]).data == found


def test_a_run_on_a_folder_and_its_evaluation(project, photos, capfd):
    from ratchet.evaluation.evaluate import evaluate
    from ratchet.runs.directory import RunDirectory

    (photos / "red" / "bad.png").write_bytes(b"no picture")
    (photos / "red" / "empty.jpg").write_bytes(b"")
    (photos / "cover.png").write_bytes((photos / "red" / "0.png").read_bytes())
    found = config(project)
    prepare_if_missing(found.data, project=project)
    said = capfd.readouterr().err
    assert "removed: 3 unreadable" in said
    assert said.count("note: ") == 1
    assert "red/bad.png: no picture" in said
    assert "red/empty.jpg: empty" in said
    assert "cover.png: it lies in no folder of a class" in said
    run = RunDirectory(project.root / "runs" / "one")
    with warnings.catch_warnings(action="ignore"):  # what the libraries warn of in training is for its own tests
        train(found, project=project, run=run)
    evaluate(run, output=run.path / "evaluate", project=project, config=found.evaluation)
    assert (run.path / "evaluate" / "plots" / "mistakes.png").is_file()
    rows = (run.path / "evaluate" / "predictions.csv").read_text(encoding="utf-8").splitlines()
    assert rows[1].split(",")[1].startswith(("red/", "dark blue/", "grün/"))


def test_pictures_are_stored_as_they_are_and_normalised_when_they_are_read(project, photos):
    card = made(project)
    data = PreparedData.open(project.prepared("photos"), reader="train", config=config(project).data)
    split, raw = data.split("train"), np.load(project.prepared("photos") / "train" / "x.npy")
    assert isinstance(split.x, Normalised)
    assert raw.dtype == np.uint8
    for values, name in zip(raw, data.ids("train"), strict=True):
        assert (np.moveaxis(values, 0, -1) == np.asarray(Image.open(photos / str(name)))).all()
    wide = raw.astype(np.float64)
    assert np.allclose(card["normalisation"]["mean"], wide.mean(axis=(0, 2, 3), keepdims=True)[0], rtol=1e-5)
    assert split.x[:].dtype == np.float32
    assert abs(split.x[:].mean()) < 1e-4
    assert split.x[:].std() == pytest.approx(1, abs=1e-4)
    x, y = as_tensors(split)
    batches = TrainingBatches(x, y, batch_size=7, seed=0)
    taken, _ = next(iter(batches))
    plain, _ = next(iter(TrainingBatches(as_tensors(split)[0][:], y, batch_size=7, seed=0)))
    assert (taken == plain).all()
    assert (x[:].numpy() == split.x[:]).all()
    assert len(joined(x, x)) == 2 * len(x)
    assert (joined(x, x)[len(x) :] == x[:]).all()


def test_the_same_folder_gives_the_same_bytes_and_an_edit_is_noticed(project, photos):
    first = made(project)["data_hash"]
    assert made(project, "data.prepare.normalise=none")["data_hash"] != first
    assert made(project)["data_hash"] == first
    draw(photos / "red" / "20.png", COLOURS["red"], 99)
    changed = config(project).data
    with pytest.raises(DataError, match=r"was prepared from another folder, or from an earlier state of this one"):
        PreparedData.open(project.prepared("photos"), reader="train", config=changed)
    assert made(project)["data_hash"] != first
    assert sorted(path.name for path in (project.raw("photos") / "photos" / "red").iterdir()) == sorted(
        path.name for path in (photos / "red").iterdir()
    )


def test_the_same_picture_twice_and_nearly(project, photos):
    smooth = Image.fromarray(np.random.default_rng(0).integers(0, 256, (4, 4, 3), np.uint8)).resize((64, 64))
    for k in range(6):
        smooth.point(lambda value, k=k: min(255, value + k)).save(photos / "red" / f"like {k}.png")
    (photos / "red" / "copy.png").write_bytes((photos / "red" / "0.png").read_bytes())
    (photos / "grün" / "strange.png").write_bytes((photos / "red" / "1.png").read_bytes())
    card = made(project, "data.size=32")
    found = {each["reason"]: each for each in card["findings"]}
    assert found["duplicate"]["removed"] == 1
    assert found["conflicting_labels"]["removed"] == 2
    assert (found["near_duplicate"]["found"], found["near_duplicate"]["removed"]) == (6, 0)
    where = [
        name for name in ("train", "validation", "confirm", "test")
        if any("like" in str(each) for each in np.load(project.prepared("photos") / name / "ids.npy"))
    ]  # fmt: skip
    assert len(where) == 1
    counts = {name: each["total"] for name, each in card["counts"].items()}
    assert sum(counts.values()) == 60 + 6 - 1
    assert all(min(each["per_class"].values()) > 0 for each in card["counts"].values())


def test_folders_of_splits_are_the_splits_and_what_lacks_is_taken_from_train(project):
    folder = project.root / "photos"
    fill(folder / "train", 20)
    fill(folder / "Test", 5, start=50)
    copy = folder / "train" / "red" / "copy.png"
    copy.write_bytes((folder / "Test" / "red" / "50.png").read_bytes())
    card = made(project)
    assert {name: each["total"] for name, each in card["counts"].items()} == {
        "train": 42, "validation": 9, "confirm": 9, "test": 15,
    }  # fmt: skip
    assert next(each for each in card["findings"] if each["reason"] == "also_in_test")["removed"] == 1
    ids = np.load(project.prepared("photos") / "test" / "ids.npy")
    assert all(str(name).startswith("Test/") for name in ids)
    fill(folder / "val", 4, start=80)
    assert made(project)["counts"]["validation"]["total"] == 12


def spoilt(root: Path, what: str) -> None:  # noqa: PLR0912 - one for each
    folder = root / "photos"
    match what:
        case "loose":
            for k in range(4):
                draw(folder / f"{k}.png", (0, 0, 0), k)
        case "one class":
            for k in range(4):
                draw(folder / "cat" / f"{k}.png", (0, 0, 0), k)
        case "deep":
            fill(folder / "2023", 4)
            fill(folder / "2024", 4)
        case "one inside":
            fill(folder / "photos", 4)
        case "rare":
            fill(folder, 4)
            draw(folder / "bird" / "1.png", (0, 0, 0), 0)
            draw(folder / "ant" / "1.png", (0, 0, 0), 0)
        case "absent":
            fill(folder / "train", 8)
            fill(folder / "test", 8)
            draw(folder / "test" / "bird" / "1.png", (0, 0, 0), 0)
        case "mixed":
            fill(folder / "train", 8)
            fill(folder, 8)
        case "undecodable":
            for k in range(8):
                (folder / f"class {k % 2}").mkdir(parents=True, exist_ok=True)
                (folder / f"class {k % 2}" / f"{k}.png").write_bytes(b"nothing")
        case "empty":
            (folder / "cat").mkdir(parents=True)
            (folder / "dog").mkdir()
            (folder / "dog" / "notes.txt").write_text("no picture")
        case "stray":
            fill(folder / "train", 4)
            fill(folder / "test", 2)
            (folder / "train/montage.png").write_bytes((folder / "test/red/0.png").read_bytes())
        case "circle":
            fill(folder, 2)
            (folder / "red" / "up").symlink_to(folder)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("missing", "photos is missing.*type: data=folder data.path=<folder>"),
        ("loose", "4 pictures, such as 0.png, lie in no folder of a class; .*type the same again"),
        ("one class", "all pictures lie in one folder, cat; allowed: a folder for each of two classes or more"),
        ("deep", r"they lie deeper, such as 2023/dark blue/0.png; .*; type: data.path=photos/2023$"),
        ("one inside", r"; type: data.path=photos/photos$"),
        ("rare", r"class ant has 1 picture in photos, and so have few bird; .*; type: 'data.ignore=\[ant,bird\]'$"),
        ("absent", r"class bird has no picture in photos/train; .*; type: 'data.ignore=\[bird\]'$"),
        ("mixed", r"photos has folders of splits \(train\) and others: dark blue, grün, red; "),
        ("stray", r"train/montage.png lies beside folders; .*move photos/train/montage.png away, then type the same"),
        ("empty", "has no picture; allowed: a folder for each of two classes or more"),
        ("circle", "class dark blue has 2 pictures in photos"),
    ],
)
def test_a_folder_that_teaches_nothing_is_refused_in_one_line(project, what, said):
    spoilt(project.root, what)
    with pytest.raises(ConfigError, match=said) as refused:
        config(project)
    assert "\n" not in str(refused.value)
    assert not project.raw("photos").exists()


def test_the_hints_work_when_they_are_typed(project):
    for what, words in [
        ("rare", ["data.ignore=[ant,bird]"]),
        ("one inside", ["data.path=photos/photos"]),
        ("deep", ["data.path=photos/2023"]),
    ]:
        spoilt(project.root, what)
        assert len(config(project, *words).data.classes) == 3
        (project.root / "photos").rename(project.root / what)


def test_nothing_that_can_be_read(project):
    spoilt(project.root, "undecodable")
    found = config(project).data
    fetch(found, project=project)
    with pytest.raises(DataError, match=r"no example of photos is left after cleaning \(8 unreadable: cannot be read "):
        prepare(found, project=project)
    assert not project.prepared("photos").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["data.path=photo"], r"photo is missing; nearest: photos; .*; type: data.path=photos$"),
        (["data.path=photos/red/0.png"], r"it is a file; allowed: a folder, .*; type: data.path=photos$"),
        (["data.size=0"], r"data.size is 0; allowed: a whole number of pixels, 1 to 1024; type: data.size=64$"),
        (["data.channels=2"], r"data.channels is 2; allowed: 1 \(grey\), or 3 \(colour\); type: data.channels=3$"),
        (["data.ignore=[rot,red]"], r"data.ignore=rot: photos has no such folder; .*; type: 'data.ignore=\[red\]'$"),
        (["data.prepare.fit=stretch"], r"data.prepare.fit is stretch; allowed: one of crop, letterbox"),
        (["data.sice=32"], r"data.sice"),
        (["split=kfold"], r"split=kfold and data.folder: folds are drawn by lot, .*; type: split=holdout$"),
    ],
)
def test_a_wrong_word_is_said_with_what_to_type(project, photos, words, said):
    with pytest.raises(ConfigError, match=said):
        config(project, *words)


def test_a_folder_by_its_path_alone(project, photos):
    for words in (["data=photos/"], ["data.path=photos"], ["data=./photos"], ["photos/"]):
        with pytest.raises(ConfigError, match=r"type: data=folder \S*data.path=\S*photos"):
            load_config(project, [*QUICK, *words])
    with pytest.raises(ConfigError, match=r"type: data=folder data.path=<folder>$"):
        load_config(project, [*QUICK, "data=folder"])


def test_a_class_that_its_readable_pictures_are_too_few_of(project, photos):
    for k in range(18):
        (photos / "red" / f"{k}.png").write_bytes(b"")
    found = config(project).data
    fetch(found, project=project)
    with pytest.raises(DataError, match=r"class red of photos has 2 examples to split.*type: 'data.ignore=\[red\]'$"):
        prepare(found, project=project)


def test_letterbox_and_grey(project, photos):
    Image.new("RGB", (8, 4), "black").save(photos / "red" / "0.png")
    card = made(project, "data.channels=1", "data.prepare.fit=letterbox")
    assert card["shape"] == [1, 8, 8]
    for name in ("train", "validation", "confirm", "test"):
        folder = project.prepared("photos") / name
        ids = np.load(folder / "ids.npy").tolist()
        if "red/0.png" in ids:
            picture = np.load(folder / "x.npy")[ids.index("red/0.png")]
    assert picture[0, :, 0].tolist() == [255, 255, 0, 0, 0, 0, 255, 255]
    assert json.loads((project.prepared("photos") / "card.json").read_text())["stored"] == "uint8"
