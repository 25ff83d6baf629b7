"""MovieLens: what people's ratings of a film say of its genres."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ratchet.tables.r_package import read_r_frame

if TYPE_CHECKING:
    import pandas as pd


def films(directory: Path) -> pd.DataFrame:
    """A row for each film: its year, how it was rated, how often and when; and a column of 0 and 1 for each genre."""
    import numpy as np

    ratings = read_r_frame(directory / "Rdata.rdb", "movielens")
    ratings["rating"] = ratings["rating"].astype("float64")
    by_film = ratings.groupby("movieId", sort=True)
    rated, when = by_film["rating"], by_film["timestamp"]
    films = by_film[["title", "year", "genres"]].first().astype({"year": "float64", "title": str, "genres": str})
    films["log_ratings"] = np.log(rated.size())
    films["mean_rating"] = rated.mean()
    films["spread"] = rated.std().fillna(0.0)
    for stars in np.arange(0.5, 5.5, 0.5):
        films[f"stars_{stars:g}"] = (ratings["rating"] == stars).groupby(ratings["movieId"]).mean()
    films["first_rated"], films["last_rated"] = when.min() / 86400.0, when.max() / 86400.0
    films["title_length"] = films["title"].str.len().astype("float64")
    genres = films.pop("genres").str.get_dummies(sep="|")
    return films.reset_index().join(genres.reset_index(drop=True))
