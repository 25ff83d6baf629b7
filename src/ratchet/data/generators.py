"""Data sets that are made, not fetched."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np


def mnist1d(directory: Path) -> None:
    """Write MNIST-1D as its authors' own program makes it: x.npy, y.npy, x_test.npy, y_test.npy.

    4,000 + 1,000 sequences of 40 values, float32; 10 classes, int64.
    Source: Greydanus & Kobak 2024, arXiv:2011.14439; package mnist1d.
    """
    from mnist1d.data import get_dataset_args, make_dataset  # it brings matplotlib

    with _global_generators_restored():
        made = make_dataset(get_dataset_args())
    for name in ("x", "x_test"):
        # Rounded, because the last digits differ between processors and the checksum must not.
        np.save(directory / f"{name}.npy", np.round(made[name], 6).astype(np.float32), allow_pickle=False)
    for name in ("y", "y_test"):
        np.save(directory / f"{name}.npy", made[name].astype(np.int64), allow_pickle=False)


@contextmanager
def _global_generators_restored() -> Iterator[None]:
    """Leave the process-wide random generators as they were: the package seeds them."""
    numpy_state, python_state = np.random.get_state(), random.getstate()  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(numpy_state)  # noqa: NPY002
        random.setstate(python_state)
