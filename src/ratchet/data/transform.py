"""From raw examples to what a network takes, as prepare fitted it on train alone; every checkpoint keeps it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ratchet.data.normalisation import Normalisation
from ratchet.data.requirements import has_shape, is_finite, stack
from ratchet.errors import DataError
from ratchet.files import read_json
from ratchet.tables import TableTransform
from ratchet.texts import Ragged, TextTransform

if TYPE_CHECKING:
    import pandas as pd

TABLE = "transform.json"  # in the folder of prepared data: what turns a row of a table, or a text, into numbers


@dataclass(frozen=True)
class Transform:
    """What prepare does to an example, whatever its split.

    shape: of a raw example; None of a row of a table and of a text. kept: the positions of a sequence that were not
    left out.
    """

    shape: tuple[int, ...] | None
    normalisation: Normalisation
    table: TableTransform | None = None
    kept: tuple[int, ...] | None = None
    text: TextTransform | None = None

    def of_texts(self, texts: np.ndarray) -> tuple[Ragged, dict[str, int]]:
        """The tokens of raw texts (n,), and what is surprising about them with the number of texts."""
        assert self.text is not None
        tokens, cut = self.text.apply(texts)
        blank = sum(not text for text in texts)
        said = {f"texts cut to their first {self.text.max_length:,} tokens": cut, "blank texts": blank}
        return tokens, {what: count for what, count in said.items() if count}

    def of_frame(self, frame: pd.DataFrame, *, where: str) -> tuple[np.ndarray, dict[str, int]]:
        """float32 (rows, features) of raw rows, and what is surprising about them with the number of cells.

        Raises DataError for a column that is missing, and a cell that is none of its column's.
        """
        assert self.table is not None
        codes = self.table.codes(frame, where=where)
        return self.normalisation.apply(self.table.apply(codes)), self.table.surprises(codes)

    def of_arrays(self, x: np.ndarray, *, where: str, first: int = 0) -> np.ndarray:
        """float32 (n, *shape) of raw examples, the number of whose first is `first`. Raises DataError."""
        assert self.shape is not None
        if not has_shape(x, self.shape).all():
            wanted = ", ".join(map(str, self.shape))
            raise DataError(f"{where} holds an array {list(x.shape)}; allowed: [n, {wanted}], n examples")
        examples = stack(x, np.arange(len(x)), self.shape)
        if not (finite := is_finite(examples)).all():
            wrong = int(np.flatnonzero(~finite)[0])
            raise DataError(
                f"{where}, example {first + wrong + 1} holds NaN, infinity or a number too large for float32; mend it, "
                "or leave it out"
            )
        return self.normalisation.apply(examples if self.kept is None else examples[..., list(self.kept)])

    def as_text(self) -> str:
        """The transform as JSON."""
        scale = self.normalisation
        content = {
            "shape": self.shape,
            "normalisation": {"kind": scale.kind, "mean": scale.mean.tolist(), "std": scale.std.tolist()},
            "table": self.table and self.table.as_json(),
            "kept": self.kept,
            "text": self.text and self.text.as_json(),
        }
        return json.dumps(content, ensure_ascii=False)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """The transform that `as_text` wrote, read."""
        scale = content["normalisation"]
        mean, std = (np.array(scale[name], np.float32) for name in ("mean", "std"))
        return cls(
            content["shape"] and tuple(content["shape"]),
            Normalisation(scale["kind"], mean, std),
            content["table"] and TableTransform.from_json(content["table"]),
            content["kept"] and tuple(content["kept"]),
            TextTransform.from_json(content["text"]) if content.get("text") else None,
        )


def prepared_transform(directory: Path, card: Mapping[str, Any], *, typed: str) -> Transform | None:
    """That of the prepared data in a folder; None where an older version prepared them and left something out.

    Raises DataError for a file that is not the one whose sha256 the card has.
    """
    config, kept = card["config"], card.get("kept_positions")
    path = directory / TABLE
    wanted = card.get("transform_sha256")
    if wanted and (not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != wanted):
        raise DataError(f"{path} is not what prepare wrote; type: python src/prepare.py {typed}")
    table = None if config.get("table") is None else read_json(path) if path.is_file() else {}
    if (config.get("table") or {}).get("text"):
        content = {"shape": None, "normalisation": card["normalisation"], "table": None, "kept": None, "text": table}
        return Transform.from_json(content) if table else None
    dropped = config["prepare"].get("constant_features") == "drop" and kept is None
    columns = (table or {}).get("columns", ())
    undated = any(column["kind"] == "date" and "day_first" not in column for column in columns)
    if "normalisation" not in card or dropped or undated or table == {}:
        return None
    shape = None if table is not None else config["shape"]
    return Transform.from_json({"shape": shape, "normalisation": card["normalisation"], "table": table, "kept": kept})
