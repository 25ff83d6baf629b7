"""Four splits: train; validation, which searches read; confirm, for promotion; test, for evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from ratchet.config.data_sections import DataConfig
from ratchet.config.hints import to_type
from ratchet.config.tables import as_typed
from ratchet.data.cleaning import CleanExamples
from ratchet.data.duplicates import both
from ratchet.data.examples import SPLITS, SplitName
from ratchet.data.strata import strata
from ratchet.errors import DataError
from ratchet.names import short
from ratchet.tables import Setting


def split(
    clean: CleanExamples, *, config: DataConfig, together: np.ndarray | None = None
) -> dict[SplitName, np.ndarray]:
    """The positions of each split's examples, ascending. Every example is in exactly one split.

    Stratified: a class has in each split its share of the examples, to within one, and at least one example. Where
    examples have groups, a group is in one split; where they have times, the splits follow each other in time. Which
    examples go where hangs on their values, groups or times and the seed alone: not on the order of the raw data, nor
    on a library's random generator. together: (n,) examples of one number go where the first of them goes. Raises
    DataError where the sizes asked for cannot be had.
    """
    settings = config.prepare
    splits, rest = _given(clean, config)
    every, first = rest, None
    if together is not None:  # the first of each group is drawn, and the others follow
        _, at, of_group = np.unique(together[rest], return_index=True, return_inverse=True)
        first, rest = at[of_group], rest[np.sort(at)]
    by_value = np.argsort(both(clean.digests, clean.y), kind="stable")  # equal numbers are at the edge of a band
    of, names = strata(clean.y[by_value], kind=config.target_kind, names=config.classes)
    groups = _Strata(of[np.argsort(by_value)], names)
    drawn: tuple[SplitName, ...] = ("test", "confirm", "validation")
    left = [name for name in drawn if name not in splits]
    if clean.origin.times is None and clean.origin.groups is None and left:
        _check_strata(groups.counts(rest), names, config, n_splits=len(left) + 1)

    def carve(rest: np.ndarray, name: SplitName, size: int) -> tuple[np.ndarray, np.ndarray]:
        if clean.origin.times is not None:
            return _latest(rest, clean.origin.times[rest], config, name=name, size=size)
        if clean.origin.groups is not None:
            return _whole_groups(rest, clean.origin.groups[rest], config, name=name, size=size)
        return _carve(rest, clean, groups, config, name=name, size=size)

    if "test" in left:
        assert settings.test != "published"
        splits["test"], rest = carve(rest, "test", _size(settings.test, len(rest)))
    # Confirm before validation: another size of validation leaves the examples of confirm as they were.
    sizes = {"confirm": _size(settings.confirm, len(rest)), "validation": _size(settings.validation, len(rest))}
    for name in ("confirm", "validation"):
        if name in left:
            splits[name], rest = carve(rest, name, sizes[name])
    splits["train"] = rest
    if first is not None:
        splits |= {name: every[np.isin(every[first], splits[name])] for name in (*left, SPLITS[0])}
    _check_classes(splits, clean, config)
    return {name: splits[name] for name in SPLITS}


def _given(clean: CleanExamples, config: DataConfig) -> tuple[dict[SplitName, np.ndarray], np.ndarray]:
    """The splits that the data set's makers, or a column, say already; and the positions of all other examples."""
    everything = np.arange(len(clean.y))
    meant = clean.origin.splits
    if meant is not None:
        found: dict[SplitName, np.ndarray] = {
            name: everything[meant == name] for name in SPLITS if name != "train" and (meant == name).any()
        }
        if not (meant == "train").any():
            raise DataError(f"no example of {config.name} is meant for train, which each data set needs; mark some")
        return found, everything[meant == "train"]
    if config.prepare.test != "published":
        return {}, everything
    if clean.published_test is None or not clean.published_test.any():
        raise DataError(
            f"data.prepare.test=published, but {config.reader} found no published test split; "
            "a share or a count does; type: data.prepare.test=0.2"
        )
    return {"test": everything[clean.published_test]}, everything[~clean.published_test]


def _whole_groups(
    rest: np.ndarray, groups: np.ndarray, config: DataConfig, *, name: SplitName, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Carve a split by groups drawn at random, until it has about `size` examples; see _carve."""
    names, of, counts = np.unique(groups, return_inverse=True, return_counts=True)
    later = {"test": 3, "confirm": 2, "validation": 1, "train": 0}[name]
    if len(names) <= later:
        raise DataError(
            f"{config.name} has {len(names)} groups left to split, and {later + 1} splits need one each; "
            "group by another column, or type: the same without data.group"
        )
    key = f"{config.prepare.seed}/{name}".encode()
    lots = [blake2b(str(group).encode(), key=key, digest_size=8).digest() for group in names]
    order = np.array(sorted(range(len(names)), key=lots.__getitem__))
    so_far = counts[order].cumsum()[: len(names) - later]
    taken = np.isin(of, order[: int(np.abs(so_far - size).argmin()) + 1])
    return rest[taken], rest[~taken]


def _latest(
    rest: np.ndarray, times: np.ndarray, config: DataConfig, *, name: SplitName, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Carve a split of the latest examples, keeping those of one time together; see _carve."""
    if not 0 < size < len(rest):
        raise DataError(
            f"data.prepare.{name}={getattr(config.prepare, name)} asks for {size:,} of the {len(rest):,} examples left "
            f"to split; type: data.prepare.{name}=0.2"
        )
    taken = times >= np.sort(times)[-size]
    if taken.all():
        raise DataError(
            f"the {len(rest):,} examples of {config.name} left to split into {name} and earlier ones are all of one "
            "time; type: the same without data.time"
        )
    return rest[taken], rest[~taken]


def _check_classes(splits: Mapping[SplitName, np.ndarray], clean: CleanExamples, config: DataConfig) -> None:
    """Raises DataError for a class that a split lacks."""
    for name, positions in splits.items():
        if config.target_kind == "class":
            counts = np.bincount(clean.y[positions], minlength=len(config.classes))
            if not counts.all():
                lacking = config.classes[int(counts.argmin())]
                other = _without([lacking], config) if config.folder else _another_way(name, clean, config)
                raise DataError(
                    f"class {short(lacking)} of {config.name} is absent from the split {name} "
                    f"({len(positions):,} examples); {other}"
                )


def _another_way(name: SplitName, clean: CleanExamples, config: DataConfig) -> str:
    """What gives a split the class that it lacks: another lot helps only where lots are drawn."""
    table = config.table.model_dump() if config.table else {}
    if clean.origin.splits is not None and (clean.origin.splits == name).any():
        way, remedy = "split", f"mark a row of that class as {name}, or "
    elif clean.origin.times is not None:
        way, remedy = "time", ""
    elif name == "test" and config.prepare.test == "published":
        return "type: data.prepare.test=0.2"
    else:
        return f"type: data.prepare.seed={config.prepare.seed + 1}, which draws other lots"
    return remedy + as_typed(["type: ", Setting(way, None)], table)


@dataclass(frozen=True)
class _Strata:
    """Groups of examples of which every split gets its share."""

    of: np.ndarray  # (n,) int64, the group of each example
    names: Sequence[str]

    def counts(self, positions: np.ndarray) -> np.ndarray:
        """How many of each are at the positions."""
        return np.bincount(self.of[positions], minlength=len(self.names))


def _size(amount: float, of: int) -> int:
    """A count stays; a share is taken of `of`."""
    return amount if isinstance(amount, int) else round(amount * of)


def _without(classes: Sequence[str], config: DataConfig) -> str:
    """What leaves classes of a folder out."""
    from ratchet.config.grammar import assignment  # it imports Hydra

    assert config.folder is not None
    return f"type: {to_type(assignment('data.ignore', [*config.folder.ignore, *classes]))}"


def _check_strata(counts: np.ndarray, names: Sequence[str], config: DataConfig, *, n_splits: int) -> None:
    rarest = int(counts.argmin())
    if counts[rarest] < n_splits:
        what = "class" if config.target_kind == "class" else "the target's"
        place = "of the file" if config.described() else f"in conf/data/{config.name}.yaml"
        what_to_do = f"add some, or take it out {place}"
        if config.folder is not None and config.described():
            few = [name for name, count in zip(names, counts.tolist(), strict=True) if count < n_splits]
            what_to_do = f"add some, or {_without(few, config)}"
        examples = "1 example" if counts[rarest] == 1 else f"{counts[rarest]} examples"
        raise DataError(
            f"{what} {short(names[rarest])} of {config.name} has {examples} to split, and each of {n_splits} splits "
            f"needs one; {what_to_do}"
        )


def _carve(
    rest: np.ndarray, clean: CleanExamples, groups: _Strata, config: DataConfig, *, name: SplitName, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """(the positions that go to the split, the positions that stay), both ascending."""
    y = groups.of[rest]
    later = {"test": 3, "confirm": 2, "validation": 1, "train": 0}[name]  # splits that still need an example
    counts = groups.counts(rest)
    least, most = len(counts), len(rest) - later * len(counts)
    if not least <= size <= most:
        raise DataError(
            f"data.prepare.{name}={getattr(config.prepare, name)} asks for {size:,} of the {len(rest):,} "
            f"examples left to split; allowed are {least:,} to {most:,} (each class needs one in every split)"
            + (f"; type: data.prepare.{name}={min(max(size, least), most)}" if least <= most else "")
        )
    key = f"{config.prepare.seed}/{name}".encode()
    examples = zip(clean.digests[rest], clean.y[rest], strict=True)
    lots = [(_lot(digest, key), target.tobytes()) for digest, target in examples]
    order = np.array(sorted(range(len(rest)), key=lots.__getitem__))
    taken = np.zeros(len(rest), bool)
    for index, quota in enumerate(_quotas(counts, size=size, reserve=later)):
        taken[order[y[order] == index][:quota]] = True
    return rest[taken], rest[~taken]


def _lot(digest: np.void, key: bytes) -> int:
    return int.from_bytes(blake2b(digest.tobytes(), key=key, digest_size=8).digest()) >> 1


def _quotas(counts: np.ndarray, *, size: int, reserve: int) -> Sequence[int]:
    """How many of each class make up `size`: its share, rounded, at least 1, and `reserve` must remain."""
    share = size * counts / counts.sum()
    most = counts - reserve
    quotas = np.clip(np.floor(share).astype(int), 1, most)
    while (missing := size - quotas.sum()) != 0:
        step = 1 if missing > 0 else -1
        movable = quotas < most if step > 0 else quotas > 1
        owed = np.where(movable, step * (share - quotas), -np.inf)
        quotas[owed.argmax()] += step
    return [int(quota) for quota in quotas]
