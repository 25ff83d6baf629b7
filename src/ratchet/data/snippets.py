"""Sentences of film reviews, and what twenty people thought of each: VADER's movie review snippets."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

from ratchet.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

_ARCHIVE = "additional_resources/hutto_ICWSM_2014.tar.gz"
_FILE = "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt"


def movie(directory: Path) -> pd.DataFrame:
    """A row for each snippet: its id, the mean rating from -4 to 4, its sentiment and text; none of mean 0."""
    import numpy as np
    import pandas as pd

    archive = next(directory.glob("vaderSentiment-*.tar.gz"))
    outer = _member(archive.read_bytes(), f"{archive.name.removesuffix('.tar.gz')}/{_ARCHIVE}")
    lines = _member(outer, _FILE).decode("utf-8").splitlines()
    frame = pd.DataFrame([line.split("\t", 2) for line in lines], columns=["id", "rating", "text"])
    frame["rating"] = frame["rating"].astype("float64")
    frame["sentiment"] = np.where(frame["rating"] > 0, "positive", "negative")
    return frame[frame["rating"] != 0]


def _member(archive: bytes, name: str) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(archive)) as members:
        file = members.extractfile(name)
        if file is None:
            raise DataError(f"{name} is no file of its archive")
        return file.read()
