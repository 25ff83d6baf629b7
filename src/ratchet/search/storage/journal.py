"""Optuna's journal file, whole after any kill: a torn line is cut off, a dead process's lock is broken at once."""

from __future__ import annotations

import copy
import fcntl
import json
import os
import shlex
import time
from collections.abc import Container, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from optuna.storages.journal import JournalFileBackend, JournalStorage
from optuna.trial import FrozenTrial, TrialState

from ratchet.compat.optuna import BaseJournalFileLock
from ratchet.files import open_regular
from ratchet.search.processes.process_id import ProcessId
from ratchet.search.storage.damage import DamagedJournalError, DamagedLineError, parsed

_FOREIGN_GRACE = 30.0  # seconds that a lock of another machine may stay unchanged
_FINISHED = tuple(state for state in TrialState if state.is_finished())
LARGEST = 2**32  # bytes of a journal: millions of trials
_SYNC_EVERY = 1.0  # seconds between two flushes to disk; a kill loses nothing of what was written, a power cut this


class Journal(JournalFileBackend):
    """A journal that any number of processes append to. Lines end in newlines, whoever died while writing."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            open_regular(path, limit=LARGEST).close()
        super().__init__(str(path), lock_obj=OwnedLock(path))
        self._synced = time.monotonic()
        self._waits, self._waiting = False, list[dict[str, Any]]()
        if path.stat().st_size:
            with _held(self._lock), path.open("r+b") as stream:
                _cut_torn_line(stream)

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is appended meanwhile waits, and is appended with what is next, or before anything is read."""
        self._waits = True
        try:
            yield
        finally:
            self._waits = False

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append whole lines. Raises OSError, for example where the disk is full; those that fitted stay."""
        if self._waits:
            self._waiting += logs
            return
        self._write([*self._waiting, *logs])
        self._waiting = []

    def _write(self, logs: list[dict[str, Any]]) -> None:
        lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs).encode()
        with _held(self._lock), Path(self._file_path).open("r+b") as stream:
            at = end = _cut_torn_line(stream)
            try:  # past the stream's buffer: closing it would write what did not fit behind a hole
                while at < end + len(lines):
                    at += os.pwrite(stream.fileno(), lines[at - end :], at)
            except OSError:
                fitted = lines[: lines.rfind(b"\n", 0, at - end) + 1]  # these somebody may have read: they stay
                os.truncate(self._file_path, end + len(fitted))
                del self._waiting[: fitted.count(b"\n")]
                raise
            if time.monotonic() - self._synced > _SYNC_EVERY:
                with suppress(OSError):  # the lines are there, and would be appended again: the next write tries it
                    os.fsync(stream.fileno())
                    self._synced = time.monotonic()

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        """What was appended since. Nearly always nothing: that is seen by the size, and the file is left closed.

        Raises DamagedLineError at a line that is no operation.
        """
        if self._waiting and not self._waits:
            self.append_logs([])
        offset = self._log_number_offset[log_number_from]
        if os.stat(self._file_path).st_size == offset:  # noqa: PTH116
            return
        with Path(self._file_path).open("rb") as stream:
            stream.seek(offset)
            for number, line in enumerate(stream, log_number_from + 1):
                if not line.endswith(b"\n"):
                    return  # somebody writes it just now
                log = parsed(line)
                offset += len(line)
                self._log_number_offset[number] = offset
                yield log


class JournalStudies(JournalStorage):
    """Optuna's storage on a journal, whose list of all trials is kept, not made anew for each look at it.

    Whatever reads or writes raises DamagedJournalError where a line is no operation, or cannot follow those before it.
    """

    def __init__(self, log_storage: Journal) -> None:
        super().__init__(log_storage)
        self._keep()

    def _sync_with_backend(self) -> None:
        try:
            for log in self._backend.read_logs(self._replay_result.log_number_read):
                self._replay(log)
        except DamagedLineError as error:
            raise DamagedJournalError(self._told(str(error))) from error

    def _replay(self, log: dict[str, Any]) -> None:
        """Do one operation. What Optuna refuses to whoever asks for it raises that; the line is a whole one."""
        result, read = self._replay_result, self._replay_result.log_number_read
        ours = log["worker_id"] == result.worker_id
        try:
            if not ours and log.get("trial_id", -1) >= len(result._trials):
                raise DamagedLineError(f"trial_id is {log['trial_id']}, of {len(result._trials)} that began before")
            if not ours and log.get("study_id", -1) >= result._next_study_id:
                raise DamagedLineError(
                    f"study_id is {log['study_id']}, of {result._next_study_id} that were made before"
                )
            result.apply_logs([log])
        except Exception as error:
            if ours:
                raise
            result.log_number_read = read  # so that the next look does not begin behind it
            raise DamagedLineError(
                f"{type(error).__name__}: {error}" if type(error) is not DamagedLineError else error
            ) from error

    def _told(self, reason: str) -> str:
        """Say in one line which line of which file is damaged, what can be read, and what to type."""
        path = os.path.relpath(getattr(self._backend, "_file_path", "the journal"))
        before = self._replay_result.log_number_read
        trials = self._replay_result._trials.values()
        finished = sum(trial.state.is_finished() for trial in trials)
        whole, aside = shlex.quote(path), shlex.quote(f"{path}.damaged")
        typed = f"mv {whole} {aside} && head -n {before} {aside} > {whole}"
        return (
            f"{path} line {before + 1} is damaged ({reason}); what can be read is the {before} lines before it: "
            f"{len(trials)} trials, {finished} of them finished, and each trial's directory; "
            f"type: {typed}, and the same command again, to go on from there"
        )

    def __getstate__(self) -> dict[Any, Any]:
        return {
            key: value for key, value in super().__getstate__().items() if key not in {"_lists", "_over", "_trials"}
        }

    def __setstate__(self, state: dict[Any, Any]) -> None:
        super().__setstate__(state)
        self._keep()

    def _keep(self) -> None:
        self._lists: dict[int, list[FrozenTrial]] = {}  # of each study, by number
        self._over: dict[int, int] = {}  # of each study, how many of its first trials are finished
        self._replay_result._trials = self._trials = _Noting(self._replay_result._trials)

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """Return all trials of a study, as Optuna's storages do."""
        with self._thread_lock:
            self._sync_with_backend()
            self._replay_result.get_study(study_id)  # or KeyError
            for trial_id in sorted(self._trials.noted):
                trial, study = self._trials[trial_id], self._replay_result._trial_id_to_study_id[trial_id]
                listed = self._lists.setdefault(study, [])
                listed[trial.number : trial.number + 1] = [trial]
            self._trials.noted.clear()
            listed, first = self._lists.get(study_id, []), 0
            if states is not None and not any(state in states for state in _FINISHED):
                first = self._first_open(study_id, listed)
            found = listed[first:] if states is None else [trial for trial in listed[first:] if trial.state in states]
            return copy.deepcopy(found) if deepcopy else found

    def _first_open(self, study_id: int, listed: Sequence[FrozenTrial]) -> int:
        over = self._over.get(study_id, 0)
        while over < len(listed) and listed[over].state.is_finished():
            over += 1
        self._over[study_id] = over
        return over


class _Noting(dict[int, FrozenTrial]):
    """A dictionary that notes the keys that are set: Optuna puts a new object in place of a trial that changed."""

    def __init__(self, of: dict[int, FrozenTrial]) -> None:
        super().__init__(of)
        self.noted = set(of)

    def __setitem__(self, key: int, value: FrozenTrial) -> None:
        super().__setitem__(key, value)
        self.noted.add(key)


def _cut_torn_line(stream: BinaryIO) -> int:
    """Truncate to the last newline. Returns the size. Call it with the lock held."""
    end = stream.seek(0, os.SEEK_END)
    if end == 0:
        return 0
    stream.seek(end - 1)
    if stream.read(1) == b"\n":
        return end
    kept = 0
    for start in reversed(range(0, end, 65536)):
        stream.seek(start)
        found = stream.read(65536).rfind(b"\n")
        if found >= 0:
            kept = start + found + 1
            break
    stream.truncate(kept)
    return kept


class OwnedLock(BaseJournalFileLock):
    """A symbolic link beside the journal that names its owner. Creating one is atomic, on NFS too."""

    def __init__(self, path: Path) -> None:
        self._journal, self._link = path, f"{path}.lock"
        self._foreign: tuple[str, float] | None = None

    def acquire(self) -> bool:
        """Wait for the lock. The link of a process that is gone is taken away."""
        me, wait = ProcessId.this().name, 0.0005
        self._foreign = None  # who held it when it was last wanted may have had it many times since
        while True:
            try:
                os.symlink(me, self._link)  # noqa: PTH211 - done thousands of times
            except FileExistsError:
                self._break_if_abandoned()
                time.sleep(wait)
                wait = min(2 * wait, 0.05)
            else:
                return True

    def release(self) -> None:
        """Give it up; a lock that was taken away meanwhile is nobody's concern."""
        self._remove(ProcessId.this().name)

    def _remove(self, owner: str) -> None:
        if self._owner() == owner:
            with suppress(FileNotFoundError):
                os.unlink(self._link)  # noqa: PTH108 - likewise

    def _owner(self) -> str | None:
        try:
            return os.readlink(self._link)  # noqa: PTH115 - likewise
        except OSError:
            return None

    def _break_if_abandoned(self) -> None:
        owner = self._owner()
        if owner is None:
            return
        if self._foreign is None or self._foreign[0] != owner:
            self._foreign = (owner, time.monotonic())
        alive = ProcessId.parse(owner).is_alive()
        waited = time.monotonic() - self._foreign[1]
        if alive is False or (alive is None and waited > _FOREIGN_GRACE):
            with self._journal.open("r+b") as stream:  # those that break it take turns, and look again
                with suppress(OSError):  # a file system that has no such locks
                    fcntl.flock(stream, fcntl.LOCK_EX)
                self._remove(owner)


class _held:  # noqa: N801 - reads as a phrase: with _held(lock)
    def __init__(self, lock: BaseJournalFileLock) -> None:
        self.lock = lock

    def __enter__(self) -> None:
        self.lock.acquire()

    def __exit__(self, *_: object) -> None:
        self.lock.release()
