"""Augmentations: hand-worked cases, what they may and may not change, and their distributions."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from ratchet.config.sections import AugmentationConfig
from ratchet.errors import ConfigError
from ratchet.training.augmentation import Augmentation

ALL = {"shift": 0.2, "flip": 0.5, "scale": 0.2, "noise": 0.1, "cutout": 0.25, "mixup": 0.4}
SHAPES = {"sequence": [(1, 40), (3, 17)], "image": [(1, 28, 28), (3, 16, 12)]}
CASES = [(layout, shape) for layout, shapes in SHAPES.items() for shape in shapes]


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def augment(x: Tensor, y: Tensor | None = None, **settings: Any) -> tuple[Tensor, Tensor]:
    labels = torch.zeros(len(x), dtype=torch.long) if y is None else y
    return Augmentation(AugmentationConfig(**settings), n_classes=10)(x, labels)


def numbers(n: int, *shape: int) -> Tensor:
    """The same example n times, whose values count from 1."""
    one = torch.arange(1.0, 1 + torch.Size(shape).numel()).view(shape)
    return one.expand(n, *shape).clone()


@pytest.mark.parametrize("shape", [shape for _, shape in CASES])
def test_off_is_the_same_tensors(shape):
    x, y = torch.randn(4, *shape), torch.arange(4)
    module = Augmentation(AugmentationConfig(), n_classes=10)
    assert not module.active
    same_x, same_y = module(x, y)
    assert same_x is x
    assert same_y is y


def test_eval_mode_changes_nothing():
    x, y = torch.randn(4, 1, 40), torch.arange(4)
    module = Augmentation(AugmentationConfig(**ALL), n_classes=10)
    assert module.active
    assert module.eval()(x, y)[0] is x


@pytest.mark.parametrize(
    ("shape", "key"),
    [(shape, key) for layout, shape in CASES for key in (*ALL, "all", *(["rotate"] if layout == "image" else []))],
)
def test_shape_dtype_and_input_stay_and_the_seed_decides(shape, key):
    settings = {"rotate": {"rotate": 20.0}, "all": ALL}.get(key) or {key: ALL[key]}
    for dtype in (torch.float32, torch.float64):
        x, y = torch.randn(16, *shape, dtype=dtype), torch.arange(16) % 10
        before = x.clone()
        torch.manual_seed(5)
        out, target = augment(x, y, **settings)
        torch.manual_seed(5)
        again, _ = augment(x, y, **settings)
        assert out.shape == x.shape
        assert out.dtype == dtype
        assert out.isfinite().all()
        assert torch.equal(x, before)
        assert torch.equal(out, again)
        assert not torch.equal(out, x)
        if key not in ("mixup", "all"):
            assert target is y


def test_a_shifted_sequence_is_one_of_the_shifts_worked_out_by_hand():
    allowed = [[1, 1, 1, 2, 3], [1, 1, 2, 3, 4], [1, 2, 3, 4, 5], [2, 3, 4, 5, 5], [3, 4, 5, 5, 5]]
    out, _ = augment(numbers(2000, 1, 5), shift=0.4)
    rows = [tuple(row) for row in out[:, 0].int().tolist()]
    counts = [rows.count(tuple(row)) for row in allowed]
    assert sum(counts) == 2000
    assert all(330 < count < 470 for count in counts)  # 400, sd 18


def test_a_shifted_image_moves_rows_and_columns_alike_in_every_channel():
    out, _ = augment(numbers(500, 2, 4, 4), shift=0.25)
    one = numbers(1, 2, 4, 4)[0]
    rows = cols = [[0, 0, 1, 2], [0, 1, 2, 3], [1, 2, 3, 3]]
    allowed = {tuple(one[:, row][:, :, col].flatten().tolist()) for row in rows for col in cols}
    assert {tuple(example.flatten().tolist()) for example in out} == allowed


@pytest.mark.parametrize("shape", [(1, 5), (1, 3, 4)])
def test_flip_mirrors_the_last_axis_with_its_probability(shape):
    x = numbers(2000, *shape)
    out, _ = augment(x, flip=0.3)
    flipped = torch.tensor([torch.equal(after, before.flip(-1)) for after, before in zip(out, x, strict=True)])
    kept = torch.tensor([torch.equal(after, before) for after, before in zip(out, x, strict=True)])
    assert (flipped ^ kept).all()
    assert 0.26 < flipped.float().mean() < 0.34
    assert torch.equal(augment(x, flip=1.0)[0], x.flip(-1))


@pytest.mark.parametrize("shape", [(1, 11), (1, 11, 11)])
def test_zooming_stretches_a_ramp_about_its_centre(shape):
    ramp = (torch.arange(11.0) - 5).expand(200, *shape).clone()
    out, _ = augment(ramp, scale=0.5)
    lines = out[:, 0] if len(shape) == 2 else out[:, 0, 5]
    slopes = lines[:, 6] - lines[:, 5]
    assert torch.allclose(lines[:, 5], torch.zeros(200), atol=1e-5)
    assert 1 / 1.5 - 1e-4 <= slopes.min() < 0.72
    assert 1.8 < slopes.max() <= 2 + 1e-4
    # a line stays a line, cut off at the values of its ends
    expected = (slopes[:, None] * (torch.arange(11.0) - 5)).clamp(-5, 5)
    torch.testing.assert_close(lines, expected, atol=1e-3, rtol=0)


def test_zoom_and_flip_and_shift_go_together():
    ramp = (torch.arange(21.0) - 10).expand(400, 1, 21).clone()
    out, _ = augment(ramp, scale=0.2, flip=0.5, shift=0.2)
    slopes = out[:, 0, 11] - out[:, 0, 10]
    assert 0.4 < (slopes < 0).float().mean() < 0.6
    assert ((slopes.abs() >= 1 / 1.2 - 1e-4) & (slopes.abs() <= 1 / 0.8 + 1e-4)).all()
    moved = -out[:, 0, 10] / slopes  # where the centre went
    torch.testing.assert_close(moved, moved.round(), atol=1e-3, rtol=0)
    assert set(moved.round().int().tolist()) == set(range(-4, 5))


@pytest.mark.parametrize("shape", [(3, 9, 9), (1, 7, 13), (1, 13, 7)])
def test_rotation_turns_every_position_about_the_centre_by_at_most_the_angle(shape):
    rows, columns = shape[1:]
    down, right = torch.meshgrid(
        torch.arange(rows) - (rows - 1) / 2, torch.arange(columns) - (columns - 1) / 2, indexing="ij"
    )
    angles = []
    for picture in (down, right):
        torch.manual_seed(0)
        out, _ = augment(picture.expand(200, *shape).clone(), rotate=30)
        middle = out[:, :, rows // 2 - 1 : rows // 2 + 2, columns // 2 - 1 : columns // 2 + 2]
        # a plane turned is a plane: its slopes are the sine and the cosine
        slope_down = (middle[:, 0, 2, 1] - middle[:, 0, 0, 1]) / 2
        slope_right = (middle[:, 0, 1, 2] - middle[:, 0, 1, 0]) / 2
        torch.testing.assert_close(slope_down**2 + slope_right**2, torch.ones(200), atol=1e-4, rtol=0)
        torch.testing.assert_close(middle[:, 0, 1, 1], torch.zeros(200), atol=1e-4, rtol=0)
        angles.append(torch.atan2(slope_down, slope_right).rad2deg())
    from_down, from_right = 90 - angles[0], -angles[1]
    torch.testing.assert_close(from_down, from_right, atol=1e-2, rtol=0)
    assert -30.01 <= from_right.min() < -27
    assert 27 < from_right.max() <= 30.01


def test_a_rotated_edge_continues_instead_of_turning_dark():
    bright = torch.full((50, 1, 8, 8), 3.0)
    torch.testing.assert_close(augment(bright, rotate=45, shift=0.25, scale=0.3)[0], bright)


def test_noise_has_its_standard_deviation_and_no_mean():
    x = torch.randn(500, 1, 40)
    change = augment(x, noise=0.3)[0] - x
    assert change.std().item() == pytest.approx(0.3, rel=0.02)
    assert abs(change.mean().item()) < 0.01


@pytest.mark.parametrize(("shape", "zeros"), [((2, 10), (3,)), ((2, 10, 5), (3, 1))])
def test_cutout_zeroes_one_patch_of_its_size_everywhere_alike(shape, zeros):
    out, _ = augment(torch.ones(2000, *shape), cutout=0.3)
    gone = out == 0
    assert torch.equal(gone[:, 0], gone[:, 1])
    assert (gone[:, 0].flatten(1).sum(1) == torch.tensor(zeros).prod()).all()
    for axis, length in enumerate(zeros):
        touched = gone[:, 0].any(dim=2 - axis) if len(zeros) == 2 else gone[:, 0]
        first = touched.int().argmax(1)
        assert (touched.sum(1) == length).all()
        assert set(first.tolist()) == set(range(shape[1 + axis] - length + 1))


def test_mixup_mixes_examples_and_targets_by_the_same_share():
    y = torch.arange(1000) % 10
    x = torch.nn.functional.one_hot(y, 10).float()[:, None, :]  # every example is its target
    out, target = augment(x, y, mixup=0.5)
    assert target.dtype == torch.float32
    torch.testing.assert_close(out[:, 0], target)
    torch.testing.assert_close(target.sum(1), torch.ones(1000))
    share = target[torch.arange(1000), y]
    apart = share < 1  # the partner was of another class
    assert 0.8 < apart.float().mean() < 0.98
    # Beta(a, a) has mean 1/2 and variance 1 / (4 (2a + 1))
    assert share[apart].mean().item() == pytest.approx(0.5, abs=0.05)
    assert share[apart].var().item() == pytest.approx(1 / 8, abs=0.02)


def test_examples_are_drawn_for_one_by_one():
    x = torch.randn(1, 1, 40).expand(64, 1, 40).clone()
    for key in ("shift", "flip", "scale", "noise", "cutout"):
        out, _ = augment(x, **{key: ALL[key]})
        assert len({tuple(row) for row in out[:, 0].tolist()}) > 1


def test_numbers_are_mixed_as_their_inputs_are():
    module = Augmentation(AugmentationConfig(mixup=1.0), n_classes=1)
    x = torch.rand(64, 3)
    mixed, y = module(x, x.sum(dim=1, keepdim=True))
    assert not torch.equal(mixed, x)
    torch.testing.assert_close(y, mixed.sum(dim=1, keepdim=True))


@pytest.mark.parametrize("size", [5, 17, 28, 40, 97, 128])
@pytest.mark.parametrize("key", ["shift", "cutout"])
def test_a_setting_that_would_do_nothing_is_refused_and_what_the_message_says_works(size, key):
    x = torch.randn(4, 1, size)
    with pytest.raises(ConfigError, match=rf"augmentation\.{key}=0\.001 is less than one of {size}") as caught:
        augment(x, **{key: 0.001})
    advised = float(str(caught.value).rpartition("=")[2])
    assert not torch.equal(augment(x, **{key: advised})[0], x)
