"""Every run under a folder, read from run.json and config.yaml. Nothing is written, no lock is taken."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ratchet.comparison.config_files import read_flat
from ratchet.config.seeds import RESERVED
from ratchet.config.tree import leaves
from ratchet.errors import FileError, RatchetError, first_line
from ratchet.project import Project
from ratchet.runs import RunDirectory, RunRecord
from ratchet.runs.directory import run_directories
from ratchet.runs.trials import FEASIBLE, FRONT, NO, asked_of, ended_as, read_trials, study_directory

FINISHED = "completed"


@dataclass(frozen=True, eq=False)
class Run:
    """One training, or a trial that never came to one: then it has no record. Two are never equal."""

    directory: RunDirectory
    record: RunRecord | None
    config: dict[str, Any] = field(default_factory=dict)  # dotted keys
    study: str | None = None
    trial: int | None = None
    searched: bool = False  # its study chose its settings
    trial_status: str | None = None  # what its study says
    beyond: str = ""  # why its study does not call it best whatever its value: a constraint, or it is not of the front
    failure: str | None = None  # the class of the failure
    message: str = ""

    @property
    def id(self) -> str:
        """The id in run.json; without one, the study's name and the number of the trial."""
        return self.record.id if self.record else f"{self.study}/{self.trial}"

    @cached_property
    def status(self) -> str:
        """The status in run.json, unless the study knows that the trial was pruned or failed."""
        return self.trial_status or (self.record.status if self.record else "failed")

    @property
    def finished(self) -> bool:
        """Whether its numbers count."""
        return self.status == FINISHED

    @property
    def dataset(self) -> str:
        """The name of its data set; empty where nothing says it."""
        return self.record.data.get("name", "") if self.record else str(self.config.get("data.name", ""))

    @property
    def data_hash(self) -> str:
        """The hash of the prepared arrays."""
        return self.record.data.get("hash", "") if self.record else ""

    @property
    def debugging(self) -> str | None:
        """What makes it a run that only tried something out; None for one whose number counts."""
        return self.record.debugging(self.config) if self.record else None

    @property
    def seconds(self) -> float | None:
        """Seconds that the training took."""
        return self.record.timings.get("fit") if self.record else None


@dataclass(frozen=True)
class Gathered:
    """What was found."""

    runs: tuple[Run, ...]
    unread: tuple[str, ...] = ()  # a line each: what cannot be read, and why


def gather(project: Project, folders: Iterable[Path] | None = None) -> Gathered:
    """Every run under the folders: by default the project's runs and the champion. Oldest first."""
    if folders is None:
        folders = [project.runs, project.champion_run]
    named = dict.fromkeys(folder.resolve() for folder in folders)
    places = dict.fromkeys(place for folder in named for place in run_directories(folder))
    runs: dict[Path, Run] = {}
    unread = []
    studies = _Studies()
    for place in places:
        try:
            runs[place] = _read(RunDirectory(place), studies)
        except (ValueError, TypeError, OSError, RatchetError) as error:
            where = "" if isinstance(error, RatchetError) else f"{os.path.relpath(place)}: "
            unread.append(f"{where}{first_line(error)}")
    for found in studies.without_run(runs):
        place = found.directory.path
        if any(folder in named for folder in (place, *place.parents)):  # the study's others are not meant
            runs[place] = found
    return Gathered(oldest_first(runs.values()), (*unread, *studies.unread))


def oldest_first(runs: Iterable[Run]) -> tuple[Run, ...]:
    """Sort runs by the time at which they began."""
    return tuple(sorted(runs, key=lambda run: (run.record.started_at if run.record else "", str(run.trial))))


def _read(directory: RunDirectory, studies: _Studies) -> Run:
    record = RunRecord.read(directory)
    config = {**dict(leaves(record.inert)), **(read_flat(directory.config) if directory.config.is_file() else {})}
    error = record.error or {}
    run = Run(
        directory, record, config, record.study, record.trial,
        failure=error.get("class") if record.status == "failed" else None, message=error.get("message", ""),
    )  # fmt: skip
    return studies.told(run) if record.study is not None else run


class _Studies:
    """What the files of studies say of their trials, each read once."""

    def __init__(self) -> None:
        self._tables: dict[Path, dict[int, dict[str, str]]] = {}
        self._searched: dict[Path, bool] = {}
        self._example: dict[Path, Run] = {}
        self.unread: list[str] = []  # as Gathered's

    def told(self, run: Run) -> Run:
        """The run with what its study knows of it."""
        home = study_directory(run.directory.path)
        row = self._table(home).get(run.trial if run.trial is not None else -1, {})
        status = ended_as(row)
        failed = "failed" in {run.status, status}
        gates = run.record is not None and run.record.seed in RESERVED  # of one configuration: nothing was chosen
        told = Run(
            run.directory, run.record, run.config, run.study, run.trial, searched=not gates and self._is_search(home),
            trial_status=status, failure=(row.get("failure") or run.failure or "exception") if failed else None,
            beyond=_beyond(row), message=row.get("error") or run.message,
        )  # fmt: skip
        self._example.setdefault(home, told)
        return told

    def without_run(self, runs: dict[Path, Run]) -> Iterator[Run]:
        """Trials that ended before there was a run.json."""
        recorded = {(study_directory(run.directory.path), run.trial) for run in runs.values()}
        for home, example in list(self._example.items()):
            for number, row in self._table(home).items():
                status = ended_as(row)
                if status is not None and (home, number) not in recorded:
                    yield Run(
                        RunDirectory(home / str(number)), None, {"data.name": example.dataset}, example.study, number,
                        searched=example.searched, trial_status=status, message=row.get("error") or "",
                        failure=(row.get("failure") or "exception") if status == "failed" else None,
                    )  # fmt: skip

    def _table(self, home: Path) -> dict[int, dict[str, str]]:
        if home not in self._tables:
            try:
                self._tables[home] = read_trials(home)
            except (FileError, OSError) as error:
                self.unread.append(str(error))
                self._tables[home] = {}
        return self._tables[home]

    def _is_search(self, home: Path) -> bool:
        """Whether the trials were sampled. Unknown counts as sampled; a grid or a recheck was not."""
        if home not in self._searched:
            try:
                asked = asked_of(home)
            except (FileError, OSError) as error:
                self.unread.append(f"{error}; the trials of {home.name} are taken for those of a search")
                asked = None
            space = (asked or {}).get("space") or {}
            self._searched[home] = asked is None or (bool(space) and "each of" not in space)
        return self._searched[home]


def _beyond(row: Mapping[str, str]) -> str:
    if row.get(FEASIBLE) == NO:
        return "beyond a constraint"
    return "not of the front" if row.get(FRONT) == NO else ""
