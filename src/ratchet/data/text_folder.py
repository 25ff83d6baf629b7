"""A folder of texts as a table: a row for each file, its class by its folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ratchet.errors import DataError
from ratchet.pictures import pictures_in, places
from ratchet.pictures.folders import TEXTS

if TYPE_CHECKING:
    import pandas as pd


def read(directory: Path) -> pd.DataFrame:
    """The columns file, text, label and split of the one folder in `directory`; a file beside the classes has none."""
    import pandas as pd

    folder = next(each for each in sorted(directory.iterdir()) if each.is_dir() and not each.name.startswith("."))
    of = {name: place for name, place in places(pictures_in(folder, TEXTS)).items() if place.label is not None}
    texts = []
    for name in of:
        try:
            texts.append((folder / name).read_text(encoding="utf-8-sig"))
        except UnicodeDecodeError as error:
            said = f"{folder / name} is no UTF-8: byte {error.start + 1} is 0x{error.object[error.start]:02x}"
            raise DataError(f"{said}; save it as UTF-8, or take it out of its folder") from error
    return pd.DataFrame({
        "file": list(of), "text": texts, "label": [place.label for place in of.values()],
        "split": [place.split for place in of.values()],
    })  # fmt: skip
