"""Prepared data, behind a guard: every reader sees the splits that it may see, and no other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.lib import format as npy

from ratchet.config.data_sections import DataConfig
from ratchet.config.hints import to_type
from ratchet.data.array_files import load_array
from ratchet.data.card import Card, plain
from ratchet.data.folds import Fold
from ratchet.data.transform import Transform, prepared_transform
from ratchet.errors import DataError, FileError, SplitGuardError
from ratchet.files import read_json, read_json_as, write_atomically
from ratchet.names import short
from ratchet.tasks.base import Target
from ratchet.texts import Ragged, TextInput

HASHED_EACH_TIME = (
    2**24
)  # bytes of arrays up to which they are hashed whenever they are opened: a hundredth of a second
_PIECE = 2**20  # bytes hashed at a time

Reader = Literal["train", "evaluate", "promote"]

READABLE: Mapping[Reader, tuple[str, ...]] = {
    "train": ("train", "validation"),
    "evaluate": ("train", "validation", "test"),
    "promote": ("train", "validation", "confirm"),
}

_FOLDED = ("train", "validation")


class Normalised:
    """Pictures kept as uint8 (n, *shape), and normalised where they are read: float32, as other examples are."""

    dtype = np.dtype(np.float32)

    def __init__(self, stored: np.ndarray, mean: np.ndarray, std: np.ndarray) -> None:
        self.stored, self.mean, self.std = stored, mean, std
        self.shape = stored.shape

    def __len__(self) -> int:
        return len(self.stored)

    def __getitem__(self, rows: Any) -> np.ndarray:
        values: np.ndarray = (self.stored[rows].astype(np.float32) - self.mean) / self.std
        return values

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """All of them."""
        return self[:].astype(dtype or np.float32, copy=False)

    @classmethod
    def by(cls, card: Mapping[str, Any], stored: np.ndarray | Ragged) -> Examples:
        """Stored examples as they are read, by their data card."""
        if isinstance(stored, Ragged) or card.get("stored", "float32") == "float32":
            return stored
        by = card["normalisation"]
        return cls(stored, *(np.array(by[name], np.float32) for name in ("mean", "std")))


Examples = np.ndarray | Normalised | Ragged


class Split(NamedTuple):
    """Examples of one split, memory-mapped and read-only."""

    x: Examples  # float32 (n, *shape), normalised; of texts their tokens
    y: np.ndarray  # int64 (n,) classes; float32 (n, labels) of 0 and 1; float32 (n,) numbers


class _Arrays(NamedTuple):
    x: np.ndarray | Ragged  # as stored
    y: np.ndarray


@dataclass(frozen=True)
class PreparedData:
    """A directory that prepare made, as one reader may see it."""

    directory: Path
    reader: Reader
    card: dict[str, Any]
    typed: str  # what chooses the data on a command line
    fold: Fold | None = None  # of train and validation together; None: they are as prepare split them
    _loaded: dict[str, tuple[_Arrays, np.ndarray]] = field(default_factory=dict, repr=False, compare=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_loaded": {}}  # another process maps the files itself

    @classmethod
    def open(
        cls, directory: Path, *, reader: Reader, config: DataConfig | None = None, fold: Fold | None = None
    ) -> PreparedData:
        """Open the prepared data in `directory`, and check that what the reader may see is whole.

        The bytes of what the reader may see are hashed, but for large arrays that were verified before and whose files
        nobody has touched since. What was opened stays as it is while another process prepares the data anew.

        config: what the data must have been prepared from (its sources may differ: checksums fix the files).
        Raises DataError when the data is missing, damaged, or prepared from another config.
        """
        typed = config.typed if config else f"data={directory.name}"
        card = _read_card(directory, typed=typed)
        if config is not None:
            _check_config(card, config, directory)
        data = cls(directory, reader, card, typed, fold)
        data._verify({split: data._load(split)[0] for split in READABLE[reader]})
        return data

    @property
    def shape(self) -> tuple[int, ...]:
        """One example: (channels, length) or (channels, height, width)."""
        return tuple(self.card["shape"])

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of their indices."""
        return tuple(self.card["classes"])

    @property
    def target(self) -> Target:
        """Return the description of the target."""
        return Target.of(self.card)

    @property
    def layout(self) -> Literal["sequence", "image", "table", "text"]:
        """Return the layout of one example."""
        return self.card["layout"]  # type: ignore[no-any-return]

    @property
    def numbers(self) -> tuple[int, ...]:
        """The positions of a table's features that are numbers; none of other data."""
        return tuple(self.card.get("numbers", ()))

    @property
    def text(self) -> TextInput | None:
        """What a network is told of texts; None of other data."""
        return TextInput(*map(self.card["text"].get, ("vocabulary", "digest"))) if self.layout == "text" else None

    @property
    def transform(self) -> Transform | None:
        """What turns raw examples into these; None where an older version of prepare did not keep it."""
        return prepared_transform(self.directory, self.card, typed=self.typed)

    @property
    def data_hash(self) -> str:
        """sha256 over the bytes of all arrays, and how they are folded."""
        whole = str(self.card["data_hash"])
        return whole if self.fold is None else self.fold.hash_of(whole)

    def split(self, name: str) -> Split:
        """The examples of a split. Raises SplitGuardError when this reader may not see it."""
        if name not in READABLE[self.reader]:
            allowed = ", ".join(READABLE[self.reader])
            readers = ", ".join(reader for reader, splits in READABLE.items() if name in splits)
            by_whom = f"{name} is read by {readers} alone" if readers else "there is no such split"
            raise SplitGuardError(f"{self.reader} may not read the split {name}: {by_whom}; it may read {allowed}")
        found = self._load(name)[0] if self.fold is None or name not in _FOLDED else self._folded(name, self.fold)
        return Split(Normalised.by(self.card, found.x), found.y)

    def _folded(self, name: str, fold: Fold) -> _Arrays:
        """The fold for validation, the others for train: copies in memory."""
        first, second = (self._load(each)[0] for each in _FOLDED)
        y = np.concatenate([first.y, second.y])
        chosen = fold.holds(y, self.target.kind, self.target.names, data=self.card["name"]) == (name == "validation")
        if isinstance(first.x, Ragged) and isinstance(second.x, Ragged):
            return _Arrays(first.x.joined(second.x).of(np.flatnonzero(chosen)), y[chosen])
        return _Arrays(np.concatenate([first.x, second.x])[chosen], y[chosen])

    def ids(self, name: str) -> np.ndarray:
        """(n,) what names each example of a split in the raw data: text, or a position. Raises as split() does."""
        if self.fold is not None and name in _FOLDED:
            y = np.concatenate([self._load(each)[0].y for each in _FOLDED])
            held = self.fold.holds(y, self.target.kind, self.target.names, data=self.card["name"])
            whole = np.concatenate([self._load(each)[1] for each in _FOLDED])
            chosen: np.ndarray = whole[held == (name == "validation")]
            return chosen
        self.split(name)  # or SplitGuardError
        return self._load(name)[1]

    def _ids(self, name: str, n: int) -> np.ndarray:
        path = self.directory / name / "ids.npy"
        if not path.is_file():
            return np.arange(n)  # older versions kept none
        try:
            ids: np.ndarray = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"{path} is damaged ({error}); {_type_again(self.typed)}") from error
        if ids.shape != (n,):
            raise DataError(f"{path} holds {ids.shape} ids of {n} examples; {_type_again(self.typed)}")
        return ids

    def _verify(self, splits: Mapping[str, _Arrays]) -> None:
        """Raises DataError where an array that this reader may see is not the one that the card's hash is of."""
        hashes = self.card.get("hashes") or {}  # cards of older versions have none, and are taken at their word
        for split, (_, y) in splits.items():
            if self.target.kind == "class" and len(y) and not 0 <= y.min() <= y.max() < len(self.classes):
                raise DataError(
                    f"{self.directory / split / 'y.npy'} holds labels from {y.min()} to {y.max()}, but its card names "
                    f"{len(self.classes)} classes; {_type_again(self.typed)}"
                )
            files = [self.directory / split / name for name in self._files]
            if split in hashes and not self._is_as_verified(split, files) and _hash_of(files) != hashes[split]:
                raise DataError(
                    f"{self.directory / split} holds other arrays than its card has the hash of: they were changed "
                    f"since they were prepared; {_type_again(self.typed)}"
                )

    def _is_as_verified(self, split: str, files: Sequence[Path]) -> bool:
        """Whether large files are those that were verified before; they are noted down as such, beside the data."""
        status = [file.stat() for file in files]
        if sum(each.st_size for each in status) <= HASHED_EACH_TIME:
            return False
        note = self.directory.parent / f".{self.directory.name}.{split}.verified.json"
        stamp = [self.card["hashes"][split], [[each.st_size, each.st_mtime_ns, each.st_ino] for each in status]]
        if _read_json(note) == stamp:
            return True
        if _hash_of(files) != self.card["hashes"][split]:
            return False
        with suppress(OSError):  # nothing is lost but time
            write_atomically(note, json.dumps(stamp).encode())
        return True

    def _load(self, name: str) -> tuple[_Arrays, np.ndarray]:
        """The arrays of a split and its examples' ids, from files that are opened once."""
        if name not in self._loaded:
            split = self._map(name)
            self._loaded[name] = split, self._ids(name, len(split.y))
        return self._loaded[name]

    @property
    def _files(self) -> Sequence[str]:
        return ("x.npy", "offsets.npy", "y.npy") if self.layout == "text" else ("x.npy", "y.npy")

    def _map(self, name: str) -> _Arrays:
        n = self.card["counts"][name]["total"]
        folder, target = self.directory / name, self.target
        dtype = "int64" if target.kind == "class" else "float32"
        each = (len(target.names),) if target.kind == "labels" else ()
        stored = str(self.card.get("stored", "float32"))
        y = _map(folder / "y.npy", shape=(n, *each), dtype=dtype, typed=self.typed)
        if self.layout != "text":
            return _Arrays(_map(folder / "x.npy", shape=(n, *self.shape), dtype=stored, typed=self.typed), y)
        offsets = _map(folder / "offsets.npy", shape=(n + 1,), dtype="int64", typed=self.typed)
        values = _map(folder / "x.npy", shape=(int(offsets[-1]),), dtype=stored, typed=self.typed)
        return _Arrays(Ragged(values, offsets, *self.shape), y)


class Described(NamedTuple):
    """What a network is built by. shape: None where the config leaves it to prepare, and nothing is prepared."""

    shape: tuple[int, ...] | None
    target: Target
    text: TextInput | None = None


def describe(directory: Path, config: DataConfig) -> Described:
    """The data as prepare found them, else as the config says.

    Raises DataError for a data card
    that cannot be read.
    """
    if (directory / "card.json").is_file():
        data = PreparedData(directory, "train", _read_card(directory, typed=config.typed), config.typed)
        return Described(data.shape, data.target, data.text)
    return Described(tuple(config.shape) if config.shape is not None else None, config.target)


def _hash_of(files: Sequence[Path]) -> str:
    """sha256 over the arrays' bytes, without their headers, in the order in which prepare wrote them."""
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            version = npy.read_magic(stream)
            (npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0)(stream)
            while piece := stream.read(_PIECE):
                digest.update(piece)
    return digest.hexdigest()


def _read_json(path: Path) -> Any:
    try:
        return read_json(path)
    except (OSError, FileError):
        return None


def _type_again(typed: str) -> str:
    return f"type: python src/fetch.py {typed} && python src/prepare.py {typed}"


def _read_card(directory: Path, *, typed: str) -> dict[str, Any]:
    path = directory / "card.json"
    if not path.is_file():
        raise DataError(f"there is no prepared data in {directory}; {_type_again(typed)}")
    try:
        return read_json_as(path, Card).model_dump()
    except (OSError, FileError) as error:
        raise DataError(f"{error}; {_type_again(typed)}") from error


def _map(path: Path, *, shape: tuple[int, ...], dtype: str, typed: str) -> np.memmap:
    """The array at `path`, memory-mapped. Raises DataError where it is not what the card says."""
    try:
        array = load_array(path)
    except Exception as error:
        raise DataError(f"{path} is missing or damaged ({error}); {_type_again(typed)}") from error
    size = path.stat().st_size
    if array.shape != shape or array.dtype != dtype or size != array.offset + array.nbytes:
        raise DataError(
            f"{path} holds {array.dtype} {array.shape} in {size:,} bytes, but its card says {dtype} {shape}; "
            f"{_type_again(typed)}"
        )
    return array


def _check_config(card: dict[str, Any], config: DataConfig, directory: Path) -> None:
    """DataError that names the settings in which `config` differs from the one the data was prepared from."""
    was, now = dict(_flat(card["config"])), dict(_flat(plain(config)))
    keys = [key for key in sorted(was.keys() | now.keys()) if was.get(key) != now.get(key)]
    if config.described() and {"files", "table.target"} & set(keys):
        from ratchet.config.grammar import assignment  # it imports Hydra, and looking at runs does not

        own = f"another {config.option}, or from an earlier state of this one"
        other = own if "files" in keys else "another target"
        if "files" not in keys:
            other += f" ({', '.join(was.get('table.target') or ())}, now {', '.join(now['table.target'])})"
        raise DataError(
            f"{directory} was prepared from {other}; allowed: a name for each; type: "
            f"{to_type(assignment('data.name', config.another_name('files' in keys)))}, to have both; or to replace it "
            f"{_type_again(config.typed).removeprefix('type: ')}"
        )
    if keys:
        differing = [f"data.{key} was {_short(was.get(key))}, is now {_short(now.get(key))}" for key in keys[:3]]
        more = f" (and {len(keys) - 3} more)" if len(keys) > 3 else ""
        beside = ", with the same data settings" if any(key.startswith("prepare.") for key in keys) else ""
        raise DataError(
            f"{directory} was prepared from another configuration: {'; '.join(differing)}{more}; "
            f"{_type_again(config.typed)}{beside}"
        )


def _short(value: object) -> str:
    return "absent" if value is None else short(value)


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{prefix}.{key}" if prefix else key)
    else:
        yield prefix, value
