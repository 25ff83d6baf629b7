"""Cross-validation: every example of train and validation validates once, and nothing else is touched."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest

from ratchet.config.composition import load_config
from ratchet.config.hints import OverrideError
from ratchet.data.folds import Fold
from ratchet.data.prepared import PreparedData
from ratchet.errors import ConfigError, DataError, SplitGuardError
from ratchet.runs.directory import RunDirectory
from ratchet.terminal.quiet import quiet_libraries
from ratchet.training.train import train

NAMES = tuple("0123456789")


def opened(project, fold: Fold | None, reader="train") -> PreparedData:
    return PreparedData.open(project.prepared("digits"), reader=reader, fold=fold)


def test_each_example_validates_once_and_is_trained_on_in_the_other_folds(project):
    plain = opened(project, None)
    ids = [set(plain.ids(name)) for name in ("train", "validation")]
    pool = ids[0] | ids[1]
    held = []
    for number in range(5):
        data = opened(project, Fold(number, 5, 0))
        trained, validated = set(data.ids("train")), set(data.ids("validation"))
        assert trained | validated == pool
        assert not trained & validated
        assert len(data.split("validation").y) == len(validated)
        held.append(validated)
    assert sum(map(len, held)) == len(set().union(*held)) == len(pool)
    assert max(map(len, held)) - min(map(len, held)) <= 1


def test_an_example_keeps_its_values_and_its_id(project):
    plain, data = opened(project, None), opened(project, Fold(2, 3, 7))
    rows = {i: x for name in ("train", "validation") for i, x in zip(plain.ids(name), plain.split(name).x, strict=True)}
    for name in ("train", "validation"):
        assert all((rows[i] == x).all() for i, x in zip(data.ids(name), data.split(name).x, strict=True))


def test_a_class_has_its_share_in_each_fold_and_the_seed_draws():
    y = np.random.default_rng(0).permutation(np.repeat(np.arange(3), [50, 20, 7]))
    masks = [Fold(number, 5, 0).holds(y, "class", NAMES[:3], data="d") for number in range(5)]
    assert np.array(masks).sum(axis=0).tolist() == [1] * len(y)
    counts = np.array([np.bincount(y[mask], minlength=3) for mask in masks])
    assert (counts.max(axis=0) - counts.min(axis=0) <= 1).all()
    assert (Fold(0, 5, 1).holds(y, "class", NAMES[:3], data="d") != masks[0]).any()
    with pytest.raises(DataError, match=r"class 2 of d has 7 examples .* type: split\.folds=7"):
        Fold(0, 8, 0).holds(y, "class", NAMES[:3], data="d")


def test_the_guard_stays_and_folded_data_are_other_data(project):
    data, plain = opened(project, Fold(0, 5, 0)), opened(project, None)
    for name in ("confirm", "test"):
        with pytest.raises(SplitGuardError):
            data.split(name)
    test = opened(project, Fold(0, 5, 0), reader="evaluate").split("test")
    assert (test.x == opened(project, None, reader="evaluate").split("test").x).all()
    assert data.data_hash == opened(project, Fold(1, 5, 0)).data_hash != plain.data_hash
    assert data.data_hash != replace(data, fold=Fold(0, 4, 0)).data_hash


def test_a_run_writes_what_it_says_of_its_fold(project):
    words = [
        "params=null",
        "data=digits",
        "model=logistic",
        "logger=csv",
        "trainer.max_epochs=1",
        "split=kfold",
        "seed=7",
    ]
    config = load_config(project, words)
    assert Fold.asked(config) == Fold(2, 5, 0)
    assert Fold.asked(load_config(project, [*words, "split.fold=4"])) == Fold(4, 5, 0)
    run = RunDirectory(project.runs / "fold")
    with quiet_libraries(run.log):
        record = train(config, run=run, project=project)
    with run.out_of_fold.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    data = opened(project, Fold(2, 5, 0))
    assert [int(row["id"]) for row in rows] == data.ids("validation").tolist()
    right = np.mean([row["label"] == row["predicted"] for row in rows])
    assert right == pytest.approx(record.best.value, abs=1e-6)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["split.fold=5"], "split.fold=5 of split.folds=5; allowed: 0 to 4, or null; type: split.fold=null"),
        (["split.folds=1"], "split.folds"),
        (["trainer.train_on=train+validation"], "no fold would be left to validate on"),
    ],
)
def test_what_cannot_be_folded_is_said(project, words, said):
    with pytest.raises((ConfigError, OverrideError), match=said.replace(".", r"\.")):
        load_config(project, ["params=null", "data=digits", "split=kfold", *words])
