"""What Ratchet needs of Optuna beyond its public interface: the storage of a study, and ids in it."""

from __future__ import annotations

import copy

import optuna
from optuna.storages import BaseStorage
from optuna.storages.journal._file import BaseJournalFileLock
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial

__all__ = ["BaseJournalFileLock", "FrozenStudy"]


def storage_of(study: optuna.Study) -> BaseStorage:
    """Return a study's storage: to finish a trial of a worker that is gone, and to read without deep copies."""
    return study._storage


def backend_of(study: optuna.Study) -> object:
    """Return what a study's journal is written by; None where its storage is no journal."""
    return getattr(study._storage, "_backend", None)


def study_id_of(study: optuna.Study | FrozenStudy) -> int:
    """Return the id of a study in its storage."""
    return study._study_id


def trial_id_of(trial: optuna.Trial | FrozenTrial) -> int:
    """Return the id of a trial in its study's storage."""
    return trial._trial_id


def study_of_id(study: FrozenStudy, number: int) -> FrozenStudy:
    """Return a study under another id, to be shown among those of other storages."""
    shown = copy.copy(study)
    shown._study_id = number
    return shown


def trial_of_id(trial: FrozenTrial, number: int) -> FrozenTrial:
    """Return a trial under another id, to be shown among those of other storages."""
    shown = copy.copy(trial)
    shown._trial_id = number
    return shown
