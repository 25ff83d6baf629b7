"""Paths of a project's files. Every path that two packages share is named here, once."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ratchet.errors import FileError, RatchetError
from ratchet.yaml_files import read_yaml

_OF_THE_PIPELINE = (
    "table",
    "folder",
    "text",
)  # choices of params.yaml, whose folders dvc.yaml knows as data/raw/table, ...


@dataclass(frozen=True)
class Project:
    """A checkout: the folder that holds conf/ and params.yaml."""

    root: Path

    @classmethod
    def find(cls, start: Path | None = None) -> Project:
        """The nearest folder at or above `start` (the working directory), else the one this package lies in.

        Raises RatchetError where neither holds conf/config.yaml.
        """
        here = (start or Path.cwd()).resolve()
        package_checkout = Path(__file__).resolve().parents[2]
        for folder in (here, *here.parents, package_checkout):
            if (folder / "conf" / "config.yaml").is_file():
                return cls(folder)
        raise RatchetError(f"no conf/config.yaml in {here} or above it; change to the directory of a Ratchet project")

    @property
    def conf(self) -> Path:
        """Every choice there is: Hydra's config groups."""
        return self.root / "conf"

    @property
    def params(self) -> Path:
        """Path of params.yaml, the choice that the pipeline runs."""
        return self.root / "params.yaml"

    @property
    def lock(self) -> Path:
        """conf/ and params.yaml, composed and resolved."""
        return self.root / "config.lock.yaml"

    @property
    def watched(self) -> Path:
        """What dvc.yaml reads of the last composition: the metric that is drawn."""
        return self.root / ".dvc" / "watched.yaml"

    @property
    def cache(self) -> Path | None:
        """What can be made again lies in DVC's folder of such; None where there is no pipeline."""
        return self.root / ".dvc" / "tmp" if (self.root / ".dvc").is_dir() else None

    def raw(self, dataset: str) -> Path:
        """Raw files of a data set, as they were fetched."""
        return self.root / "data" / "raw" / self._folder(dataset)

    def prepared(self, dataset: str) -> Path:
        """Clean arrays of a data set, split and normalised."""
        return self.root / "data" / "prepared" / self._folder(dataset)

    def _folder(self, dataset: str) -> str:
        option, name = self._own
        return f"{option}/{dataset}" if dataset == name else dataset

    @cached_property
    def _own(self) -> tuple[str, str | None]:
        """The option and the name of the pipeline's own table or folder; no name where params.yaml chooses others."""
        with suppress(OSError, ValueError, AttributeError, KeyError, TypeError, FileError):
            if (option := read_yaml(self.params).get("data")) in _OF_THE_PIPELINE:
                return option, str(read_yaml(self.lock)["data"]["name"])
        return "", None

    def data_lock(self, dataset: str) -> Path:
        """What a process locks while it fetches or prepares a data set; beside the folders that DVC tracks."""
        return self.root / "data" / f".{dataset}.lock"

    @property
    def champion(self) -> Path:
        """What the pipeline made: champion/train is a run directory, champion/evaluate its evaluation."""
        return self.root / "champion"

    @property
    def champion_run(self) -> Path:
        """The pipeline's run: what DVC holds of it is the same bytes whenever it is trained."""
        return self.champion / "train"

    @property
    def runs(self) -> Path:
        """Every other run: in the folder that $RATCHET_RUNS names, where it is set."""
        return Path(os.environ.get("RATCHET_RUNS") or self.root / "runs")
