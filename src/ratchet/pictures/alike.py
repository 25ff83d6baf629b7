"""Pictures that are nearly the same: another size, another compression, a shade lighter."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

_MOST = 3  # bits of 64 in which the hashes of such pictures differ
_FAR = 12.0  # root mean square of the difference of their values (0 to 255) at 16 x 16, at most
_BAND = 16  # bits: of 64 / 16 bands one at least is equal where at most three bits differ
_NEXT = 512  # pictures that one is compared with in each band
_VALUES = 2**22  # of the pictures that are hashed at a time


def nearly_the_same(x: np.ndarray) -> np.ndarray:
    """(n,) the number of each picture's group: those that are nearly the same have one number.

    x: uint8 (n, channels, size, size). Two pictures are where their perceptual hashes (pHash: signs of the lowest
    frequencies of a cosine transform; Zauner 2010) differ in few bits and their values, at 16 x 16, by little; groups
    are what such pairs connect.
    """
    hashes, small = _looks(x)
    group = np.arange(len(x))
    for one, other in _pairs(hashes):
        near = ((small[one] - small[other]) ** 2).mean(axis=1) <= _FAR**2
        for pair in zip(one[near].tolist(), other[near].tolist(), strict=True):
            low, high = sorted(_first(group, member) for member in pair)
            group[high] = low
    for place in range(len(group)):  # each leads to a lower one
        group[place] = group[group[place]]
    return group


def _looks(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The hash of each picture, uint64 (n,), and its values at 16 x 16, float32 (n, channels * 256)."""
    n, channels, size, _ = x.shape
    thin, transform = _averages(size, min(16, size)), _cosines(min(32, size))
    fine = _averages(size, min(32, size))
    weights = np.uint64(1) << np.arange(64, dtype=np.uint64)
    hashes, small = np.empty(n, np.uint64), np.empty((n, channels * min(16, size) ** 2), np.float32)
    rows = max(1, _VALUES // (channels * size * size))
    for start in range(0, n, rows):
        part = x[start : start + rows].astype(np.float32)
        small[start : start + rows] = (thin @ part @ thin.T).reshape(len(part), -1)
        low = (transform @ (fine @ part.mean(axis=1) @ fine.T) @ transform.T).reshape(len(part), -1)
        above = low > np.median(low[:, 1:], axis=1, keepdims=True)
        hashes[start : start + rows] = (above * weights[: low.shape[1]]).sum(axis=1, dtype=np.uint64)
    return hashes, small


def _averages(size: int, to: int) -> np.ndarray:
    """(to, size): what averages `size` values in `to` equal parts."""
    edges = np.linspace(0, size, to + 1)
    places = np.arange(size)
    overlap = np.minimum(edges[1:, None], places + 1) - np.maximum(edges[:-1, None], places)
    return (overlap.clip(0) * (to / size)).astype(np.float32)


def _cosines(size: int) -> np.ndarray:
    """(at most 8, size): the lowest rows of a cosine transform."""
    rows, places = np.arange(min(8, size))[:, None], np.arange(size) + 0.5
    return np.cos(np.pi / size * rows * places).astype(np.float32)


def _pairs(hashes: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of places whose hashes differ in at most _MOST bits, in parts; some come more than once.

    Where very many have a band in common, as drawings on white do, each is compared with the _NEXT of nearest hash.
    """
    for band in range(64 // _BAND):
        key = (hashes >> np.uint64(band * _BAND)).astype(np.uint16)
        order = np.lexsort((hashes, key))
        key = key[order]
        start = np.arange(len(key))
        for step in range(1, min(len(key), _NEXT + 1)):
            start = start[start + step < len(key)]
            start = start[key[start] == key[start + step]]
            if not len(start):
                break
            one, other = order[start], order[start + step]
            near = np.bitwise_count(hashes[one] ^ hashes[other]) <= _MOST
            yield one[near], other[near]


def _first(group: np.ndarray, member: int) -> int:
    """The first picture of a group, to which each leads by way of lower ones."""
    while group[member] != member:
        member = int(group[member])
    return member
