"""Statistics against numpy's own, over the training split alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ratchet.data.normalisation import constant_features, fit

TRAIN = np.arange(0, 3000, 2)


def images(dtype: str) -> np.ndarray:
    generator = np.random.default_rng(0)
    return generator.integers(0, 200, size=(3000, 3, 2, 5)).astype(dtype)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize(("kind", "axes"), [("feature", (0,)), ("channel", (0, 2, 3))])
def test_statistics_are_those_of_numpy(dtype: str, kind: Any, axes: tuple[int, ...]) -> None:
    x = images(dtype)
    fitted = fit(x, TRAIN, kind=kind)
    wide = x[TRAIN].astype(np.float64)
    np.testing.assert_allclose(fitted.mean, wide.mean(axes, keepdims=True)[0], rtol=1e-5)
    np.testing.assert_allclose(fitted.std, wide.std(axes, keepdims=True)[0], rtol=1e-5)
    normalised = fitted.apply(x[TRAIN])
    assert normalised.dtype == np.float32
    assert normalised.flags.c_contiguous
    np.testing.assert_allclose(normalised.mean(axes, dtype=float), 0, atol=1e-5)
    np.testing.assert_allclose(normalised.std(axes, dtype=float), 1, atol=1e-5)


def test_nothing_but_the_training_split_counts() -> None:
    x = images("float32")
    fitted = fit(x, TRAIN, kind="channel")
    x[1::2] = 1e9
    again = fit(x, TRAIN, kind="channel")
    np.testing.assert_array_equal(fitted.mean, again.mean)
    np.testing.assert_array_equal(fitted.std, again.std)


def test_none_leaves_values_as_they_are() -> None:
    x = images("uint8")
    np.testing.assert_array_equal(fit(x, TRAIN, kind="none").apply(x), x)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6 / 3])
def test_what_is_constant_becomes_zero_not_noise(value: float) -> None:
    x = images("float32")
    x[:, 1] = value
    x[:, 0, 0, 0] = value
    by_channel, by_feature = (fit(x, TRAIN, kind=kind) for kind in ("channel", "feature"))
    assert by_channel.std[1] == 1
    assert by_feature.std[0, 0, 0] == 1
    assert np.abs(by_channel.apply(x)[:, 1]).max() <= 1e-5 * max(value, 1)


def test_large_values_with_little_spread_keep_their_spread() -> None:
    """The textbook formula, mean of squares less square of mean, would lose all digits here."""
    x = (1e4 + np.random.default_rng(0).normal(size=(2000, 1, 8))).astype(np.float32)
    assert fit(x, np.arange(2000), kind="channel").std.item() == pytest.approx(1, rel=0.05)


def test_constant_features_are_found_in_the_training_split() -> None:
    x = images("uint8")
    x[TRAIN, 0, 0, 0] = 7
    x[:, 2, 1, 4] = 0
    expected = np.zeros((3, 2, 5), bool)
    expected[0, 0, 0] = expected[2, 1, 4] = True
    np.testing.assert_array_equal(constant_features(x, TRAIN), expected)
