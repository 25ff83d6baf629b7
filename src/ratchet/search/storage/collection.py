"""The studies of several storages, shown as those of one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Container, Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from optuna.distributions import BaseDistribution
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from ratchet.compat.optuna import FrozenStudy, study_id_of, study_of_id, trial_id_of, trial_of_id
from ratchet.errors import FileError, RatchetError
from ratchet.files import open_regular
from ratchet.search.storage.journal import LARGEST
from ratchet.search.storage.studies import open_storage

_STRIDE = 2**20  # storages that a collection can hold; an id stays below what JavaScript counts exactly


class Collection(BaseStorage):
    """Reads what `find` names, URLs and paths of journals, anew for each list of studies.

    Attributes can be written, for a dashboard's notes; studies and trials are their sweep's own. An id is the one in
    its storage times _STRIDE plus the number of the storage. What does not answer is left out of the list.
    """

    def __init__(self, find: Callable[[], Iterable[str]], *, say: Callable[[str], None]) -> None:
        self._find, self._say = find, say
        self._storages: list[BaseStorage] = []
        self._opened: dict[tuple[str, bytes], int] = {}
        self._unopened: dict[str, object] = {}  # what could not be opened, as it was then
        self._said: set[str] = set()
        self._lock = threading.Lock()

    def _present(self) -> list[int]:
        """The numbers of the storages that there are now; new ones are opened."""
        with self._lock:
            known = [self._number((where, _beginning(where))) for where in self._find()]
        return [number for number in known if number is not None]

    def _number(self, key: tuple[str, bytes]) -> int | None:
        where, state = key[0], _state(key[0])
        if key not in self._opened and self._unopened.get(where, self) != state:
            try:
                self._storages.append(open_storage(where))
                self._opened[key] = len(self._storages) - 1
            except (RatchetError, OSError) as error:
                self._leave_out(error)
                self._unopened[where] = state
        return self._opened.get(key)

    def _leave_out(self, error: Exception) -> None:
        line = f"left out: {error}"
        if line not in self._said:
            self._said.add(line)
            self._say(line)

    def _inside(self, outer: int) -> tuple[BaseStorage, int]:
        inner, number = divmod(outer, _STRIDE)
        try:
            return self._storages[number], inner
        except IndexError:
            raise KeyError(outer) from None

    # --- studies

    def get_all_studies(self) -> list[FrozenStudy]:
        found: list[FrozenStudy] = []
        for number in self._present():
            try:
                studies = self._storages[number].get_all_studies()
            except (StorageInternalError, OSError):
                continue  # its directory was removed, or its server is away
            except RatchetError as error:
                self._leave_out(error)
                continue
            names = {study.study_name for study in found}
            found += [_renumbered(study, number, names) for study in studies]
        return found

    def get_study_id_from_name(self, study_name: str) -> int:
        for study in self.get_all_studies():
            if study.study_name == study_name:
                return study_id_of(study)
        raise KeyError(study_name)

    def get_study_name_from_id(self, study_id: int) -> str:
        for study in self.get_all_studies():
            if study_id_of(study) == study_id:
                return study.study_name
        raise KeyError(study_id)

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        storage, inner = self._inside(study_id)
        return storage.get_study_directions(inner)

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        storage, inner = self._inside(study_id)
        return storage.get_study_user_attrs(inner)

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        storage, inner = self._inside(study_id)
        return storage.get_study_system_attrs(inner)

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        self.get_study_directions(study_id)  # or KeyError, before anything is written
        storage, inner = self._inside(study_id)
        storage.set_study_user_attr(inner, key, value)

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        self.get_study_directions(study_id)  # or KeyError, before anything is written
        storage, inner = self._inside(study_id)
        storage.set_study_system_attr(inner, key, value)

    # --- trials

    def get_trial(self, trial_id: int) -> FrozenTrial:
        storage, inner = self._inside(trial_id)
        return _renumbered_trial(storage.get_trial(inner), trial_id % _STRIDE)

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        storage, inner = self._inside(study_id)
        trials = storage.get_all_trials(inner, deepcopy=deepcopy, states=states)
        return [_renumbered_trial(trial, study_id % _STRIDE) for trial in trials]

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        self.get_trial(trial_id)  # or KeyError, before anything is written
        storage, inner = self._inside(trial_id)
        storage.set_trial_user_attr(inner, key, value)

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        self.get_trial(trial_id)  # or KeyError, before anything is written
        storage, inner = self._inside(trial_id)
        storage.set_trial_system_attr(inner, key, value)

    # --- what a sweep alone does

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        _refuse("made by the command line with -m")

    def delete_study(self, study_id: int) -> None:
        _refuse("removed with its directory")

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        _refuse("run by its sweep alone")

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        _refuse("run by its sweep alone")

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        _refuse("run by its sweep alone")

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        _refuse("run by its sweep alone")


def _state(where: str) -> object:
    """Return the state of a journal file, which changes once the file is written to or replaced."""
    try:
        status = Path(where).stat()
    except OSError:  # no path, or not there any more
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _beginning(where: str) -> bytes:
    """Return the first line of a journal. It names the process that made it, which tells a new file from an old one."""
    try:
        with open_regular(Path(where), limit=LARGEST) as stream:
            return stream.readline(_STRIDE)
    except (OSError, FileError):  # no path, not there any more, or no file
        return b""


def _renumbered(study: FrozenStudy, number: int, names: Container[str]) -> FrozenStudy:
    shown = study_of_id(study, study_id_of(study) * _STRIDE + number)
    if study.study_name in names:  # of another storage; a name stands for one study
        shown.study_name = f"{study.study_name} ({number})"
    return shown


def _renumbered_trial(trial: FrozenTrial, number: int) -> FrozenTrial:
    return trial_of_id(trial, trial_id_of(trial) * _STRIDE + number)


def _refuse(allowed: str) -> NoReturn:
    raise RatchetError(f"a study here is only looked at; it is {allowed}")
