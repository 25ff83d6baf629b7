from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from ratchet.evaluation.mistakes import draw_mistakes

SHAPES = {
    "sequence": (1, 20),
    "two channels": (2, 20),
    "grey": (1, 8, 8),
    "colour": (3, 8, 8),
    "five channels": (5, 6, 4),
}

IDS = np.arange(100)


def test_the_surest_mistakes_come_first(of_probabilities):
    predictions = of_probabilities([0, 0, 0, 0, 0], [[0.9, 0.1], [0.3, 0.7], [0.1, 0.9], [0.4, 0.6], [0.1, 0.9]])
    assert list(predictions.mistakes(3)) == [2, 4, 1]
    assert list(predictions.mistakes(99)) == [2, 4, 1, 3]
    assert len(predictions.mistakes(0)) == 0


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_the_picture_is_the_same_bytes_each_time(tmp_path, draw, shape):
    x = np.random.default_rng(0).normal(size=(50, *shape)).astype(np.float32)
    pictures = []
    for name in ("first.png", "second.png"):
        draw_mistakes(draw(50), x, IDS, tmp_path / name, count=2)
        pictures.append((tmp_path / name).read_bytes())
    assert pictures[0] == pictures[1]
    assert b"Software" not in pictures[0]
    assert b"Date" not in pictures[0]


def test_another_example_is_another_picture(tmp_path, draw):
    for seed in (0, 1):
        x = np.random.default_rng(seed).normal(size=(50, 1, 20)).astype(np.float32)
        draw_mistakes(draw(50), x, IDS, tmp_path / f"{seed}.png", count=2)
    assert (tmp_path / "0.png").read_bytes() != (tmp_path / "1.png").read_bytes()


@pytest.mark.parametrize(("count", "rows"), [(4, 1), (5, 2), (12, 3)])
def test_the_picture_grows_by_rows_of_four(tmp_path, draw, count, rows):
    x = np.zeros((100, 1, 20), np.float32)
    draw_mistakes(draw(100, skill=0.5), x, IDS, tmp_path / "mistakes.png", count=count)
    with Image.open(tmp_path / "mistakes.png") as picture:
        assert picture.size == (960, 40 + 240 * rows)


def test_without_mistakes_there_is_still_a_picture(tmp_path, of_probabilities):
    predictions = of_probabilities([0], [[0.9, 0.1]])
    draw_mistakes(predictions, np.zeros((1, 1, 4), np.float32), IDS, tmp_path / "mistakes.png", count=16)
    with Image.open(tmp_path / "mistakes.png") as picture:
        assert np.asarray(picture.convert("L")).min() < 255


def test_class_names_are_shown_as_they_are_and_long_ones_are_cut(tmp_path, monkeypatch, of_probabilities):
    from matplotlib.axes import Axes

    titles = []
    monkeypatch.setattr(Axes, "set_title", lambda _, text, **settings: titles.append((text, settings["parse_math"])))
    predictions = of_probabilities([0], [[0.1, 0.9]], ["$5 to $10", "a class with a very long name"])
    draw_mistakes(predictions, np.zeros((1, 1, 4), np.float32), IDS, tmp_path / "a.png", count=1)
    assert titles == [("#0 is $5 to $10\ntaken for a class with a ve…, 90.0%", False)]


def test_nothing_of_matplotlib_is_set_for_the_whole_process(tmp_path, draw):
    import matplotlib as mpl
    from matplotlib import pyplot as plt

    settings = dict(mpl.rcParams)
    draw_mistakes(draw(50), np.zeros((50, 1, 4), np.float32), IDS, tmp_path / "a.png", count=2)
    assert dict(mpl.rcParams) == settings
    assert plt.get_fignums() == []
