"""Features that never vary in the training split: nothing can be learnt from them."""

from __future__ import annotations

import numpy as np

from ratchet.config.data_sections import DataConfig
from ratchet.data.cleaning import Finding
from ratchet.data.normalisation import constant_features
from ratchet.errors import ConfigError, DataError

Kept = np.ndarray | None


def without_constants(x: np.ndarray, train: np.ndarray, *, config: DataConfig) -> tuple[np.ndarray, Finding, Kept]:
    """x (n, *shape), what was found, and None; with constant_features=drop, x at the positions that vary, and those.

    A position of a sequence goes when it is constant in every channel. Raises ConfigError where an image is
    asked to lose pixels, or a table columns, DataError where nothing would be left.
    """
    constant = constant_features(x, train)
    first = tuple(int(position) for position in np.flatnonzero(constant)[:10])
    if config.prepare.constant_features == "keep":
        why = "one value throughout the training split; kept"
        return x, Finding("constant_feature", why, int(constant.sum()), 0, first), None
    if config.layout != "sequence":
        none = {"image": "an image without some of its pixels is no image", "table": "a new row has every column"}
        raise ConfigError(
            f"data.prepare.constant_features=drop: {none[config.layout]}; type: data.prepare.constant_features=keep"
        )
    varies = ~constant.all(axis=0)
    if not varies.any():
        raise DataError(f"every feature of {config.name} is constant in the training split: nothing can be learnt")
    why = "one value throughout the training split; a position goes when all its channels are constant"
    removed = int((~varies).sum()) * x.shape[1]
    found = Finding("constant_feature", why, int(constant.sum()), removed, first)
    return x[..., varies], found, np.flatnonzero(varies)
