"""A run or prepared data whose files are of another structure: evaluate and resume end in one line that names one."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ratchet.config.composition import load_config
from ratchet.config.sections import EvaluationConfig
from ratchet.data.prepared import PreparedData
from ratchet.errors import RatchetError
from ratchet.evaluation.evaluate import evaluate
from ratchet.project import Project
from ratchet.runs.directory import RunDirectory
from ratchet.terminal.quiet import quiet_libraries
from ratchet.training.checkpoint import load_model
from ratchet.training.train import train

pytestmark = pytest.mark.slow

Change = Callable[[Any], Any]


@pytest.fixture
def copied(trained: tuple[Project, RunDirectory], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The project with its data and its run, to be damaged."""
    project = Project(tmp_path / "project")
    shutil.copytree(trained[0].root, project.root)
    monkeypatch.chdir(project.root)
    return project


def archive() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, a=np.zeros(3))
    return stream.getvalue()


def run_of(project: Project) -> RunDirectory:
    return RunDirectory(project.champion / "train")


def evaluated(project: Project) -> None:
    evaluate(run_of(project), output=project.root / "out", project=project, config=EvaluationConfig())


def resumed(project: Project) -> None:
    typed = ["data=digits", "model=logistic", "logger=csv", "trainer.max_epochs=9", "trainer.progress=none"]
    config = load_config(Project.find(Path(__file__)), typed)
    with quiet_libraries(run_of(project).log):
        train(config, run=run_of(project), project=project, resume=True)


def loaded(project: Project) -> None:
    load_model(run_of(project))


def opened(project: Project) -> None:
    config = load_config(Project.find(Path(__file__)), ["data=digits"])
    PreparedData.open(project.prepared("digits"), reader="evaluate", config=config.data)


def said_of(action: Callable[[Project], None], project: Project) -> str | None:
    """What is wrong, in a line; None where nothing is."""
    try:
        action(project)
    except RatchetError as error:
        return str(error)
    return None


def complaint(action: Callable[[Project], None], project: Project) -> str:
    with pytest.raises(RatchetError) as caught:
        action(project)
    said = " ".join(str(caught.value).split())
    assert len(said) < 600
    return said


def mutations(plain: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """A list, a text, nothing; each key away, and each of other types."""
    yield from (("a list", [1]), ("text", "a"), ("null", None), ("empty", {}))
    for key in plain:
        yield f"no {key}", {name: value for name, value in plain.items() if name != key}
        for name, value in {"list": [[None]], "text": "x", "null": None, "mapping": {"a": {"b": 1}}}.items():
            yield f"{key} is a {name}", plain | {key: value}


@pytest.mark.parametrize(
    ("name", "action"), [("best.ckpt", loaded), pytest.param("last.ckpt", resumed, marks=pytest.mark.slow)]
)
def test_a_checkpoint_of_another_structure_is_named(
    name: str, action: Callable[[Project], None], copied: Project
) -> None:
    """Or it is as good as it was, where nothing is read of what was changed."""
    path, kept, named = run_of(copied).checkpoints / name, copied.root / "kept", 0
    whole = torch.load(path, weights_only=True)
    shutil.copytree(run_of(copied).path, kept)
    inside = ((f"ratchet: {what}", whole | {"ratchet": changed}) for what, changed in mutations(whole["ratchet"]))
    for what, contents in (*mutations(whole), *inside):
        torch.save(contents, path)
        said = said_of(action, copied)
        assert said is None or name in said, what
        named += said is not None
        shutil.rmtree(run_of(copied).path)
        shutil.copytree(kept, run_of(copied).path)
    assert named > 30


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04", b"\x80\x02K\x01.", b"\x80\x04N.", os.urandom(2000), b"\0" * 2000]
)
@pytest.mark.parametrize("name", ["best.ckpt", "last.ckpt"])
def test_bytes_that_are_no_checkpoint_are_named(name: str, content: bytes, copied: Project) -> None:
    (run_of(copied).checkpoints / name).write_bytes(content)
    assert name in complaint(loaded if name == "best.ckpt" else resumed, copied)


def test_a_card_of_another_structure_is_named(copied: Project) -> None:
    path = copied.prepared("digits") / "card.json"
    whole = json.loads(path.read_text())
    inside = ((f"counts: {what}", whole | {"counts": counts}) for what, counts in mutations(whole["counts"]))
    named = 0
    for what, card in (*mutations(whole), *inside):
        path.write_text(json.dumps(card))
        said = said_of(opened, copied)
        assert said is None or re.search(r"card|digits was prepared from another", said), what
        assert said is None or "src/prepare.py data=digits" in said, what
        named += said is not None
    assert named > 30
    for content in (b"[" * 100_000, b"\xff\xfe", b"{"):
        path.write_bytes(content)
        assert "card.json" in complaint(opened, copied)


@pytest.mark.parametrize("array", ["x", "y"])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b"\x93NUMPY\x01\x00\x76\x00{'descr': [[[[(((" + b" " * 100),
        lambda path: path.write_bytes(b"\x93NUMPY\x09\x09" + b"\xff" * 100),
        lambda path: path.write_bytes(b"PK\x05\x06" + b"\0" * 18),
        lambda path: path.write_bytes(archive()),
        lambda path: np.save(path, np.array([{}], object), allow_pickle=True),
        lambda path: np.save(path, np.float64(3)),
        lambda path: (path.unlink(), os.mkfifo(path)),
        lambda path: (path.unlink(), path.symlink_to("/dev/zero")),
        lambda path: (path.unlink(), path.mkdir()),
    ],
)
def test_an_array_that_is_none_is_named(array: str, spoil: Callable[[Path], Any], copied: Project) -> None:
    spoil(copied.prepared("digits") / "test" / f"{array}.npy")
    assert f"test/{array}.npy" in complaint(opened, copied)


@pytest.mark.parametrize("label", [-1, 10, 2**40])
def test_a_label_of_no_class_is_named(label: int, copied: Project) -> None:
    """Older cards have no hashes of their splits, by which it would be seen."""
    path = copied.prepared("digits")
    card = json.loads((path / "card.json").read_text())
    (path / "card.json").write_text(json.dumps(card | {"hashes": {}}))
    y = np.load(path / "train/y.npy")
    y[3] = label
    np.save(path / "train/y.npy", y)
    assert f"train/y.npy holds labels from {min(label, 0)} to {max(label, 9)}" in complaint(resumed, copied)


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    "spoil", [_pipe, lambda path: path.write_bytes(b"a,b\n1\n2,3\n"), lambda path: path.write_bytes(b"\xff\xfe\x81")]
)
def test_learning_curves_that_are_none_are_named_or_left_out(spoil: Callable[[Path], Any], copied: Project) -> None:
    path = run_of(copied).metrics
    spoil(path)
    if path.is_file():
        assert "metrics.csv" in complaint(evaluated, copied)
    else:
        evaluated(copied)
        assert not (copied.root / "out/plots/loss.csv").exists()
    assert "metrics.csv" in complaint(resumed, copied)
