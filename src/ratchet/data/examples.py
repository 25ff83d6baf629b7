"""What a reader hands over: the examples of a data set as they were fetched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ratchet.errors import DataError
from ratchet.tables.columns import Coded


@dataclass(frozen=True)
class RawExamples:
    """Every example of a data set, uncleaned.

    x: an array (n, *shape) of numbers, or a list of n arrays where examples may differ in shape.
    y: (n,) class indices from 0, or class names as strings; (n,) numbers; or (n, labels) of 0 and 1.
    published_test: (n,) bool, True for the examples that the makers of the data set set aside as the test
    split; None where they did not.
    place: where an example stands in the raw files, in words for a person, with what of it is no number; None where
    its position says enough.

    Raises DataError where the three do not have the same length.
    """

    x: np.ndarray | Sequence[np.ndarray]
    y: np.ndarray
    published_test: np.ndarray | None = None
    place: Callable[[int], str] | None = None
    table: Coded | None = None  # what x holds, where it is a table's codes

    def __post_init__(self) -> None:
        counts = {"x": len(self.x), "y": len(self.y)}
        if self.published_test is not None:
            counts["published_test"] = len(self.published_test)
        if len(set(counts.values())) > 1:
            got = ", ".join(f"{count} in {name}" for name, count in counts.items())
            raise DataError(f"the raw data is incomplete: {got}; every example needs one of each")
