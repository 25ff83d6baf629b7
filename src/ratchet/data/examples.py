"""What a reader hands over: the examples of a data set as they were fetched."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Literal, Self, get_args

import numpy as np

from ratchet.errors import DataError
from ratchet.tables.columns import Coded

SplitName = Literal["train", "validation", "confirm", "test"]
SPLITS: tuple[SplitName, ...] = get_args(SplitName)


@dataclass(frozen=True)
class Origin:
    """What is known of where examples come from, each (n,) or None; no model sees any of it.

    ids: text or numbers that name an example; None: its position in the raw files.
    groups: text; examples of one group, such as those of one person, all go to one split.
    times: numbers, NaN where unknown; the latest examples are the test split, those before it confirm, and so on.
    splits: text, the split that an example is meant for: train, validation, confirm or test.
    """

    ids: np.ndarray | None = None
    groups: np.ndarray | None = None
    times: np.ndarray | None = None
    splits: np.ndarray | None = None

    def of(self, positions: np.ndarray) -> Self:
        """That of the examples at `positions`, in their order; their ids are those positions if there were none."""
        kept = {each.name: getattr(self, each.name) for each in fields(self)}
        kept = {name: None if values is None else values[positions] for name, values in kept.items()}
        return type(self)(**{**kept, "ids": positions if self.ids is None else kept["ids"]})


@dataclass(frozen=True)
class RawExamples:
    """Every example of a data set, uncleaned.

    x: an array (n, *shape) of numbers, or a list of n arrays where examples may differ in shape; of texts (n,) objects.
    y: (n,) class indices from 0, or class names as strings; (n,) numbers; or (n, labels) of 0 and 1.
    published_test: (n,) bool, True for the examples that the makers of the data set set aside as the test
    split; None where they did not.
    place: where an example stands in the raw files, in words for a person, with what of it is no number; None where
    its position says enough.
    unreadable: why other examples could not be read, by what names them.

    Raises DataError where they do not have the same length.
    """

    x: np.ndarray | Sequence[np.ndarray]
    y: np.ndarray
    published_test: np.ndarray | None = None
    place: Callable[[int], str] | None = None
    table: Coded | None = None  # what x holds, where it is a table's codes
    origin: Origin = field(default_factory=Origin)
    unreadable: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        counts = {"x": len(self.x), "y": len(self.y)}
        if self.published_test is not None:
            counts["published_test"] = len(self.published_test)
        known = {each.name: getattr(self.origin, each.name) for each in fields(self.origin)}
        counts |= {f"origin.{name}": len(values) for name, values in known.items() if values is not None}
        if len(set(counts.values())) > 1:
            got = ", ".join(f"{count} in {name}" for name, count in counts.items())
            raise DataError(f"the raw data is incomplete: {got}; every example needs one of each")
