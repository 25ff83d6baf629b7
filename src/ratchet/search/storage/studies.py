"""Optuna studies: opened, made, and refused where they have been asking something else."""

from __future__ import annotations

import errno
import hashlib
import itertools
import json
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import optuna
from omegaconf.errors import OmegaConfBaseException
from optuna.distributions import check_distribution_compatibility
from optuna.exceptions import (
    DuplicatedStudyError,
    ExperimentalWarning,
    StorageInternalError,
    UpdateFinishedTrialError,
)
from optuna.storages import BaseStorage

from ratchet.compat.optuna import backend_of, storage_of, study_id_of
from ratchet.config.environment import text_of_environment
from ratchet.config.grammar import assignment
from ratchet.config.hints import to_type
from ratchet.errors import ConfigError, RatchetError, first_line
from ratchet.redaction import redacted
from ratchet.search.space.plan import Earlier, StudyPlan
from ratchet.search.space.samplers import build_pruner
from ratchet.search.space.warm_start import proposals, told
from ratchet.search.storage.journal import Journal, JournalStudies
from ratchet.search.storage.ledger import WARM_START

IDENTITY = "ratchet:study"  # study attribute: what it asks
CELLS = "ratchet:cells"  # study attribute: a grid's jobs in the order in which they are run
TOKEN = "ratchet:token"  # study attribute: no other study has it, whatever its name
BASELINE = "ratchet:baseline"  # trial attribute
BEING_MADE = 5.0  # seconds that a study may lack its identity while its maker lives
PATIENCE = 60.0  # seconds that a storage may be away
Result = TypeVar("Result")


class StorageError(RatchetError):
    """A storage has been away for longer than it is waited for."""


def open_storage(where: str) -> BaseStorage:
    """The storage of a URL, or the journal of a path. Raises ConfigError for one that cannot be reached."""
    try:
        actual = text_of_environment(where)
    except OmegaConfBaseException as error:
        said = f"sweep.storage={redacted(where)}: {first_line(error)}"
        raise ConfigError(f"{said}; type: export <its name>=<its value>") from error
    if "://" not in actual:
        return JournalStudies(Journal(Path(actual)))
    try:
        return _connect(actual)
    except ImportError as error:
        driver = getattr(error.__cause__, "name", None) or error
        usual = "pip install 'psycopg[binary]'" if driver == "psycopg" else f"pip install {driver}"
        raise ConfigError(
            f"sweep.storage={redacted(actual).partition(':')[0]}://... needs a driver, {driver}; type: {usual}"
        ) from error
    except Exception as error:
        hint = " (a password is kept nowhere: name it by a variable, ${oc.env:<name>})" if ":***@" in actual else ""
        raise ConfigError(
            f"sweep.storage={redacted(where)} cannot be opened: {redacted(first_line(error)).rstrip('.')}{hint}; "
            "allowed: an Optuna URL, or nothing for a file"
        ) from error


def _connect(url: str) -> BaseStorage:
    """Connect to a database. Of several workers that create its tables at once all but one fail, and try once more."""
    from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

    for pause in (0.5, 1.0):
        try:
            return optuna.storages.get_storage(url)
        except (IntegrityError, OperationalError, ProgrammingError):
            time.sleep(pause)
    return optuna.storages.get_storage(url)


def open_study(plan: StudyPlan, *, say: Callable[[str], None], earlier: Earlier | None = None) -> optuna.Study:
    """The study of a plan, made where there is none yet, with what is to be tried first.

    Raises ConfigError where it has been asking something else.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = patient(open_storage(plan.storage), say=say)
    directions = [each.direction or "maximize" for each in plan.objectives]
    identity = json.loads(json.dumps(plan.identity, default=str), parse_constant=str)  # NaN is not equal to itself
    try:
        study = optuna.create_study(storage=storage, study_name=plan.name, directions=directions)
    except DuplicatedStudyError:
        study = optuna.load_study(storage=storage, study_name=plan.name)
        deadline = time.monotonic() + BEING_MADE
        while not (IDENTITY in study.user_attrs or study.get_trials(deepcopy=False)) and time.monotonic() < deadline:
            time.sleep(0.05)  # another worker is making it just now
    if IDENTITY not in study.user_attrs:
        made_with = [each.name.lower() for each in study.directions]
        _require_same(study, {"directions": made_with}, {"directions": directions})
        _require_same(study, *_spaces(study, plan))
        _begin(study, plan, identity, say=say, earlier=earlier)
    _require_same(study, study.user_attrs[IDENTITY], identity)
    study.pruner = build_pruner(plan.settings, objectives=len(plan.objectives))
    return study


def _begin(
    study: optuna.Study, plan: StudyPlan, identity: Mapping[str, Any], *,
    say: Callable[[str], None], earlier: Earlier | None,
) -> None:  # fmt: skip
    """Give a study what it begins with, as far as it lacks it: a command may have been ended while it did so."""
    found, unread = proposals(plan, earlier)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        study.set_metric_names([each.metric for each in plan.objectives])
    queued: list[tuple[Mapping[str, Any], dict[str, Any]]]
    queued = [(plan.baseline, {BASELINE: True})] if plan.baseline is not None else []
    queued += [(each.params, {WARM_START: {"study": each.study, "trial": each.trial}}) for each in found]
    for params, marks in queued:
        study.enqueue_trial(dict(params), user_attrs=marks, skip_if_exists=True)
    # the identity is the last: who waits for it finds the others too
    for name, value in {CELLS: plan.cells, TOKEN: uuid.uuid4().hex, IDENTITY: identity}.items():
        if value and name not in study.user_attrs:
            study.set_user_attr(name, value)
    for line in (f"study {plan.name}: warm start: {told(found)}" if found else None, unread):
        if line:
            say(line)


def with_stored_cells(study: optuna.Study, plan: StudyPlan) -> StudyPlan:
    """The plan with its cells in the study's order: a ticket stands for the same cell in every command."""
    cells = study.user_attrs.get(CELLS)
    return plan if cells is None else replace(plan, cells=tuple(map(tuple, cells)))


def training_identity(study: optuna.Study, *, ticket: int, repeat: int) -> str:
    """A name for one training of a study: the same when a trial is tried again, on whatever worker."""
    kept = storage_of(study).get_study_user_attrs(study_id_of(study))  # study.user_attrs is a deep copy
    token = kept.get(TOKEN, study.study_name)
    return hashlib.sha256(f"{token}/{ticket}/{repeat}".encode()).hexdigest()[:12]


def load_study(plan: StudyPlan) -> optuna.Study | None:
    """The study of a plan to read from; None where there is none yet."""
    if not any(sign in plan.storage for sign in ("://", "${")) and not Path(plan.storage).is_file():
        return None
    try:
        return optuna.load_study(storage=open_storage(plan.storage), study_name=plan.name)
    except KeyError:
        return None


def _require_same(study: optuna.Study, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    changes = [change for part, asked in now.items() for change in _changes(part, before.get(part), asked)]
    if changes:
        shown = "; ".join(changes[:3]) + (f"; and {len(changes) - 3} more" if len(changes) > 3 else "")
        raise ConfigError(
            f"study {study.study_name} has been asking something else: {shown}; its trials cannot be compared with new "
            f"ones; type: {to_type(assignment('sweep.study', _another(study)))}, or the command as it was"
        )


def _spaces(study: optuna.Study, plan: StudyPlan) -> tuple[dict[str, Any], dict[str, Any]]:
    """What trials that somebody else made have sampled, and what the plan samples, where these do not go together."""
    before, now = {}, {}
    made = {name: each for trial in study.get_trials(deepcopy=False) for name, each in trial.distributions.items()}
    for dimension in plan.space.everything():
        name, kind = dimension.name, dimension.distribution
        try:
            check_distribution_compatibility(made.get(name, kind), kind)
        except ValueError:
            before[name], now[name] = str(made[name]), str(kind)
    return {"space": before}, {"space": now}


def _another(study: optuna.Study) -> str:
    """A name that no study of the storage has."""
    taken = set(optuna.get_all_study_names(storage_of(study)))
    names = (f"{study.study_name[:110]}-{number}" for number in itertools.count(2))
    return next(name for name in names if name not in taken)


def _changes(part: str, before: Any, now: Any) -> list[str]:
    if not isinstance(before, Mapping) or not isinstance(now, Mapping):
        return [] if before == now else [f"{part} was {before}, is {now}"]
    keys = [key for key in [*before, *now] if before.get(key, "absent") != now.get(key, "absent")]
    named = "" if part == "config" else f"{part} of "
    return [f"{named}{key} was {before.get(key, 'absent')}, is {now.get(key, 'absent')}" for key in dict.fromkeys(keys)]


# what no waiting mends: no permission, a read-only disk, a name that is none
_FOR_GOOD = {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.EINVAL, errno.EISDIR, errno.ENOTDIR, errno.EEXIST,
}  # fmt: skip


def patiently(action: Callable[[], Result], *, say: Callable[[str], None]) -> Result:
    """Do something with the storage; where it is away, try again for a minute. Raises RatchetError, or its OSError."""
    began, wait, told = time.monotonic(), 0.2, False
    while True:
        try:
            return action()
        except (StorageInternalError, OSError) as error:
            cause = error.__cause__ or error  # Optuna takes any failure for invalid data
            if isinstance(cause, OSError) and cause.errno in _FOR_GOOD:
                raise cause from None
            line = redacted(first_line(cause))
            if time.monotonic() - began > PATIENCE:
                if isinstance(error, OSError):
                    raise
                raise StorageError(
                    f"the storage has not answered for {PATIENCE:.0f} seconds ({line}); it keeps what was finished; "
                    "type the same command again, to go on"
                ) from error
            if not told:
                say(f"the storage does not answer ({line}); trying again for {PATIENCE:.0f} seconds")
                told = True
            time.sleep(wait)
            wait = min(2 * wait, 2.0)


def patient(storage: BaseStorage, *, say: Callable[[str], None]) -> BaseStorage:
    """The same storage, each of whose operations waits for a storage that is away, as `patiently` does.

    An operation that was done and not acknowledged is done again: Ledger.reclaim sees to a trial that was asked for so.
    """
    for name in BaseStorage.__abstractmethods__:
        operation = getattr(storage, name)
        setattr(storage, name, lambda *a, _do=operation, **k: patiently(lambda: _do(*a, **k), say=say))
    return storage


@contextmanager
def at_once(study: optuna.Study) -> Iterator[None]:
    """What is written to the study meanwhile is written together where the storage is a journal: one lock, one write.
    What reads the study meanwhile does not see it, a sampler's after_trial() for one.

    Raises UpdateFinishedTrialError at the end where a trial that was written to is over.
    """
    journal = backend_of(study)
    try:
        with journal.together() if isinstance(journal, Journal) else nullcontext():
            yield
    except BaseException:
        _refused(study)
        raise
    if (refused := _refused(study)) is not None:
        raise refused


def _refused(study: optuna.Study) -> UpdateFinishedTrialError | None:
    """Write what waits, all of it, and read. Returns why some of it came too late, if it did."""
    refused: UpdateFinishedTrialError | None = None
    while True:
        try:
            storage_of(study).get_study_directions(study_id_of(study))  # any reading sees to the writing first
        except UpdateFinishedTrialError as error:
            refused = refused or error  # each line that was refused is told of by a reading of its own
        else:
            return refused
