"""Tables of spoilt raw data, with what must be found in each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ratchet.config.data_sections import DataConfig
from ratchet.data.cleaning import CleanExamples, clean
from ratchet.data.examples import RawExamples
from ratchet.errors import DataError

A, B, C, D = ([float(value)] * 3 for value in (1, 2, 3, 4))
NAN, INF = float("nan"), float("inf")


def config(**prepare: Any) -> DataConfig:
    return DataConfig.model_validate(
        {
            "name": "toy",
            "layout": "sequence",
            "shape": [1, 3],
            "classes": ["no", "yes"],
            "files": [{"name": "x.npy", "checksum": "md5:" + "0" * 32}],
            "sources": [{"kind": "folder", "path": "."}],
            "reader": "ratchet.data.readers.arrays",
            "prepare": {"validation": 1, "confirm": 1, "test": 1, **prepare},
        }
    )


def cleaned(x: Any, y: Any, test: Any = None, **prepare: Any) -> CleanExamples:
    if test is not None:
        test, prepare = np.array(test, bool), {"test": "published", **prepare}
    x = x if isinstance(x, np.ndarray) else [np.array(row) for row in x]
    return clean(RawExamples(x, np.array(y), test), config=config(**prepare))


def found(examples: CleanExamples) -> dict[str, tuple[int, ...]]:
    """Where in the raw data each thing was found, for those that were."""
    return {finding.reason: finding.first for finding in examples.findings if finding.found}


@pytest.mark.parametrize(
    ("x", "y", "expected", "left"),
    [
        ([A, B, C], [0, 1, 0], {}, 3),
        ([A, [1.0, 2.0], C, [1.0] * 4], [0, 1, 0, 1], {"wrong_shape": (1, 3)}, 2),
        ([A, B, C], [0, 2, -1], {"unknown_label": (1, 2)}, 1),
        ([A, B, C], [0.0, 0.5, NAN], {"unknown_label": (1, 2)}, 1),
        ([A, B, C], ["no", "yes", "maybe"], {"unknown_label": (2,)}, 2),
        ([A, B, C], ["0", "1.0", "2"], {"unknown_label": (2,)}, 2),
        ([A, [NAN, 1, 1], [1, INF, 1], [1, 1, -INF]], [0, 1, 0, 1], {"not_finite": (1, 2, 3)}, 1),
        ([A, [1e39, 1, 1]], [0, 1], {"not_finite": (1,)}, 1),
        ([A, B, A, A], [0, 1, 0, 0], {"duplicate": (2, 3)}, 2),
        ([A, B, A, A], [0, 1, 1, 0], {"conflicting_labels": (0, 2, 3)}, 1),
        ([[0.0, 1, 1], [-0.0, 1, 1]], [0, 0], {"duplicate": (1,)}, 1),
        # What is wrong in two ways is counted once: by the first that is looked for.
        ([A, [NAN, 1], [NAN, 1, 1]], [0, 5, 5], {"wrong_shape": (1,), "unknown_label": (2,)}, 1),
    ],
)
def test_what_is_wrong_is_taken_out_and_counted(
    x: Any, y: Any, expected: dict[str, tuple[int, ...]], left: int
) -> None:
    examples = cleaned(x, y)
    assert found(examples) == expected
    assert len(examples.x) == len(examples.y) == len(examples.digests) == left
    assert sum(finding.removed for finding in examples.findings) == len(x) - left


def test_a_published_test_split_stays_as_published_and_leaves_training() -> None:
    examples = cleaned([A, B, A, C, A, D], [0, 1, 0, 0, 1, 1], [0, 0, 1, 0, 1, 1])
    assert found(examples) == {"also_in_test": (0,), "duplicate_in_test": (4,)}
    assert examples.x[:, 0, 0].tolist() == [2, 1, 3, 1, 4]
    assert examples.published_test is not None
    assert examples.published_test.tolist() == [False, True, False, True, True]


def test_a_spoilt_example_leaves_a_published_test_split_too() -> None:
    examples = cleaned([A, B, [NAN, 1, 1], C], [0, 1, 0, 7], [0, 1, 1, 1])
    assert found(examples) == {"unknown_label": (3,), "not_finite": (2,)}
    assert examples.published_test is not None
    assert examples.published_test.tolist() == [False, True]


def test_without_a_published_test_all_duplicates_are_alike() -> None:
    raw = RawExamples(np.array([A, A, B]), np.array([0, 0, 1]), np.array([False, True, False]))
    examples = clean(raw, config=config(test=1))
    assert found(examples) == {"duplicate": (1,)}
    assert examples.published_test is None


def test_duplicates_may_be_kept_and_are_still_counted() -> None:
    examples = cleaned([A, B, A, B], [0, 1, 0, 0], duplicates="keep")
    assert found(examples) == {"conflicting_labels": (1, 3), "duplicate": (2,)}
    assert len(examples.x) == 4
    assert sum(finding.removed for finding in examples.findings) == 0


@pytest.mark.parametrize("shape", [(2, 3), (2, 1, 3), (2, 3, 1), (2, 1, 1, 3)])
def test_axes_of_length_one_do_not_matter(shape: tuple[int, ...]) -> None:
    examples = cleaned(np.arange(6).reshape(shape), [0, 1])
    assert examples.x.tolist() == [[[0, 1, 2]], [[3, 4, 5]]]


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int64", "float16", "float32", "float64", "bool"])
def test_values_survive_whatever_their_type(dtype: str) -> None:
    x = np.array([[0, 1, 1], [1, 0, 0], [1, 1, 0]], dtype)
    examples = cleaned(x, [0, 1, 0])
    assert examples.x.shape == (3, 1, 3)
    np.testing.assert_array_equal(examples.x.reshape(3, 3).astype(float), x.astype(float))


@pytest.mark.parametrize("y", [np.array([0, 1], kind) for kind in ("uint8", "int16", "uint64", "float32", "bool")])
def test_labels_may_be_of_any_number_type(y: np.ndarray) -> None:
    examples = cleaned([A, B], y)
    assert examples.y.tolist() == [0, 1]
    assert examples.y.dtype == np.int64


def test_a_name_is_looked_up_before_a_number() -> None:
    """Classes may be called 1, 2, 3: then the label 1 is the first class."""
    numbered = config().model_copy(update={"classes": ["1", "2", "3"]})
    raw = RawExamples(np.array([A, B, C]), np.array(["1", "3", "2"]))
    assert clean(raw, config=numbered).y.tolist() == [0, 2, 1]


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.ones((3, 2)), [0, 1, 0], r"3 wrong_shape: not of the shape \[1, 3\] \(example 0 has \(2,\)\)"),
        (np.ones((2, 3)), ["x", "y"], r"2 unknown_label: not one of the 2 classes \(example 0 has 'x'\)"),
        (np.full((2, 3), np.nan), [0, 1], r"2 not_finite: .* \(example 0 has nan\)"),
        (np.ones((0, 3)), np.zeros(0, int), "the raw data is empty"),
        (np.array([["a", "b", "c"]]), [0], "of type <U1; they must be numbers"),
        (np.ones((2, 3)), [[0, 1], [1, 0]], r"the labels are int64 of shape \(2, 2\)"),
    ],
)
def test_data_that_is_wrong_throughout_is_refused_with_the_reason(x: Any, y: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        cleaned(x, y)


def test_a_reader_must_hand_over_one_label_for_each_example() -> None:
    with pytest.raises(DataError, match="3 in x, 2 in y; every example needs one of each"):
        RawExamples(np.ones((3, 3)), np.zeros(2, int))
