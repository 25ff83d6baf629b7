"""The journal after kills: torn lines, and the locks of the dead."""

from __future__ import annotations

import dataclasses
import errno
import fcntl
import json
import os
import pickle
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages.journal import JournalStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from ratchet.search.processes.process_id import ProcessId
from ratchet.search.storage import journal
from ratchet.search.storage.journal import Journal, JournalStudies, OwnedLock
from ratchet.search.storage.studies import at_once


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal of one study with two trials."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    path = tmp_path / "study.journal"
    study = optuna.create_study(storage=JournalStorage(Journal(path)), study_name="a")
    for value in (1.0, 2.0):
        study.tell(study.ask(), value)
    return path


def study(path: Path) -> optuna.Study:
    return optuna.load_study(storage=JournalStorage(Journal(path)), study_name="a")


@pytest.mark.parametrize(
    "torn", [b"{", b'{"op_code":5,"worker_id":"x', "\N{SNOWMAN}".encode()[:2], b"\0" * 9, b"x" * 70_000]
)
def test_a_torn_last_line_is_cut_off_and_written_over(path: Path, torn: bytes) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    opened = study(path)
    assert path.read_bytes() == whole
    assert len(opened.trials) == 2
    opened.tell(opened.ask(), 3.0)
    assert [trial.value for trial in study(path).trials] == [1.0, 2.0, 3.0]
    assert [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_that_another_tore_while_this_one_was_open_is_cut_off_too(path: Path) -> None:
    opened = study(path)
    path.write_bytes(path.read_bytes() + b'{"op_code":')
    opened.tell(opened.ask(), 3.0)
    assert [trial.value for trial in opened.trials] == [1.0, 2.0, 3.0]
    assert [trial.value for trial in study(path).trials] == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("size", [0, 1, 40])
def test_a_journal_without_a_whole_line_is_an_empty_one(tmp_path: Path, size: int) -> None:
    path = tmp_path / "study.journal"
    path.write_bytes(b"{" * size)
    assert optuna.get_all_study_names(JournalStorage(Journal(path))) == []
    assert path.stat().st_size == 0


@contextmanager
def full(path: Path, *, room: int) -> Iterator[None]:
    """A disk on which the journal can grow by `room` bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # writing beyond the limit is an error then
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + room, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)


@pytest.mark.parametrize("freed", [False, True], ids=["still full", "room again"])
def test_nothing_is_left_of_lines_that_did_not_fit(path: Path, monkeypatch: pytest.MonkeyPatch, freed: bool) -> None:
    """Also where cutting them off makes room, as it does on a disk, for the rest of them."""
    target, whole = Journal(path), path.read_bytes()
    limits, truncate = resource.getrlimit(resource.RLIMIT_FSIZE), os.truncate

    def truncate_and_make_room(cut: str, length: int) -> None:
        truncate(cut, length)
        if freed:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    monkeypatch.setattr(os, "truncate", truncate_and_make_room)
    with full(path, room=10):
        target.append_logs([{"op_code": 0}] * 3)
    assert path.read_bytes() == whole
    target.append_logs([{"op_code": 9}])
    assert path.read_bytes() == whole + b'{"op_code":9}\n'


def test_a_disk_that_does_not_confirm_gets_no_line_twice(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, whole = Journal(path), path.read_bytes()
    target._synced -= 60
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(errno.EIO, "Input/output error")))
    target.append_logs([{"op_code": 0}])
    target.append_logs([{"op_code": 9}])
    assert path.read_bytes() == whole + b'{"op_code":0}\n{"op_code":9}\n'


def test_a_line_that_fitted_stays_for_it_may_have_been_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, reader, truncate = study(path), study(path), os.truncate
    target: Journal = opened._storage._backend  # type: ignore[attr-defined]
    trial, seen = opened.ask(), list[dict[str, Any]]()

    def read_and_truncate(cut: str, length: int) -> None:
        seen.append(reader.trials[-1].user_attrs)
        truncate(cut, length)

    monkeypatch.setattr(os, "truncate", read_and_truncate)
    with target.together():
        trial.set_user_attr("a", "fits")
        trial.set_user_attr("b", "x" * 900)
    before = path.read_bytes()
    with full(path, room=300):
        opened.get_trials()
    study(path).set_user_attr("another", "writes next")
    opened.tell(trial, 3.0)
    assert seen == [{"a": "fits"}]
    assert reader.trials == opened.trials == study(path).trials
    assert [*reader.trials[-1].user_attrs] == ["a", "b"]
    assert len(path.read_bytes()[len(before) :].splitlines()) == 4


def lock_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


def dead() -> str:
    code = "from ratchet.search.processes.process_id import ProcessId; print(ProcessId.this().name)"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_what_is_written_together_is_written_at_once_and_then_read(path: Path) -> None:
    opened = study(path)
    target: Journal = opened._storage._backend  # type: ignore[attr-defined]
    trial, before = opened.ask(), path.read_bytes()
    with target.together():
        assert trial.suggest_float("a", 0, 1) == trial.params["a"]
        trial.suggest_int("b", 1, 9)
        assert path.read_bytes() == before
    assert opened.trials[-1].params == trial.params == study(path).trials[-1].params
    assert len(path.read_bytes()[len(before) :].splitlines()) == 2


def test_what_waits_comes_before_what_is_written_next(path: Path) -> None:
    opened = study(path)
    target: Journal = opened._storage._backend  # type: ignore[attr-defined]
    trial = opened.ask()
    with suppress(ArithmeticError), target.together():
        trial.suggest_float("a", 0, 1)
        raise ArithmeticError
    opened.tell(trial, 3.0)
    assert [each.params for each in study(path).trials] == [{}, {}, trial.params]


def test_what_could_not_be_written_together_is_written_when_it_can_be(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = study(path)
    target: Journal = opened._storage._backend  # type: ignore[attr-defined]
    trial = opened.ask()
    write, broken = target._write, [OSError("away"), OSError("away")]

    def sometimes(logs: list[dict[str, Any]]) -> None:
        if broken:
            raise broken.pop()
        write(logs)

    monkeypatch.setattr(target, "_write", sometimes)
    with target.together():
        trial.suggest_float("a", 0, 1)
    for _ in range(2):
        with pytest.raises(OSError, match="away"):
            opened.get_trials()
    assert opened.get_trials()[-1].params == trial.params == study(path).trials[-1].params


def test_what_is_written_together_to_a_trial_that_is_over_is_refused(path: Path) -> None:
    opened, other = study(path), study(path)
    trial = opened.ask()

    def suggest_too_late() -> None:
        with at_once(opened):
            for name in "abc":
                trial.suggest_float(name, 0, 1)
            other.tell(trial.number, 3.0)

    with pytest.raises(UpdateFinishedTrialError):
        suggest_too_late()
    opened.tell(opened.ask(), 4.0)  # nothing of it comes up again
    assert [each.params for each in study(path).trials] == [{}, {}, {}, {}]


def test_the_lock_of_a_dead_process_is_broken_at_once(path: Path) -> None:
    lock_of(path).symlink_to(dead())
    began = time.monotonic()
    opened = study(path)
    opened.tell(opened.ask(), 3.0)
    assert time.monotonic() - began < 5  # Optuna's own lock waits for 30
    assert not os.path.lexists(lock_of(path))
    assert list(path.parent.iterdir()) == [path]


def test_of_several_that_break_a_lock_each_gets_its_turn(path: Path) -> None:
    lock_of(path).symlink_to(dead())
    code = (
        "import sys; from pathlib import Path; from ratchet.search.storage.journal import Journal\n"
        "journal = Journal(Path(sys.argv[1]))\n"
        "for k in range(40): journal.append_logs([{'who': sys.argv[2], 'k': k}])"
    )
    before = len(path.read_text().splitlines())
    writers = [subprocess.Popen([sys.executable, "-c", code, str(path), str(who)]) for who in range(4)]
    assert [writer.wait(timeout=120) for writer in writers] == [0] * 4
    lines = [json.loads(line) for line in path.read_text().splitlines()[before:]]
    for who in range(4):
        assert [line["k"] for line in lines if line["who"] == str(who)] == list(range(40))


def test_who_breaks_a_lock_never_takes_the_next_owner_s(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another one has broken it, and a third has it; it is not even away for a moment, in which a fourth would come."""
    link, rename, came = lock_of(path), Path.rename, list[str]()
    link.symlink_to("the dead")

    def meanwhile(_: ProcessId) -> bool:
        link.unlink()
        link.symlink_to("the third")
        return False

    def then_comes_a_fourth(moved: Path, target: Path) -> Path:
        target = rename(moved, target)
        if not os.path.lexists(link):
            link.symlink_to("the fourth")
            came.append("the fourth")
        return target

    monkeypatch.setattr(ProcessId, "is_alive", meanwhile)
    monkeypatch.setattr(Path, "rename", then_comes_a_fourth)
    OwnedLock(path)._break_if_abandoned()
    assert (str(link.readlink()), came) == ("the third", [])
    assert sorted(path.parent.iterdir()) == [path, link]


def test_those_that_break_a_lock_take_turns(path: Path) -> None:
    target, owner = Journal(path), dead()
    lock_of(path).symlink_to(owner)
    writer = threading.Thread(target=target.append_logs, args=([{"op_code": 9}],), daemon=True)
    with path.open("r+b") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        writer.start()
        writer.join(0.3)
        assert str(lock_of(path).readlink()) == owner
    writer.join(30)
    assert not writer.is_alive()
    assert not os.path.lexists(lock_of(path))


@pytest.mark.parametrize(
    "owner", ["elsewhere!17-23", "no name of ours", ProcessId.this().name], ids=[0, 1, "this process"]
)
def test_the_lock_of_a_living_or_an_unknown_process_is_respected(path: Path, owner: str) -> None:
    target = Journal(path)
    lock_of(path).symlink_to(owner)
    writer = threading.Thread(target=target.append_logs, args=([{"op_code": 9}],), daemon=True)
    writer.start()
    writer.join(0.3)
    assert writer.is_alive()
    assert str(lock_of(path).readlink()) == owner
    lock_of(path).unlink()
    writer.join(30)
    assert not writer.is_alive()


def test_an_unknown_process_s_lock_is_broken_when_it_stays_too_long(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "_FOREIGN_GRACE", 0.2)
    lock_of(path).symlink_to(dataclasses.replace(ProcessId.this(), host="elsewhere").name)
    began = time.monotonic()
    Journal(path).append_logs([{"op_code": 9}])
    assert time.monotonic() - began > 0.2
    assert not os.path.lexists(lock_of(path))


def test_all_trials_are_those_of_optuna_s_own_storage(tmp_path: Path) -> None:
    """Also of two studies in one journal, and of what somebody else has written."""
    path = tmp_path / "two.journal"
    ours, theirs = JournalStudies(Journal(path)), JournalStorage(Journal(path))
    first, second = (ours.create_new_study([StudyDirection.MINIMIZE], name) for name in "ab")
    for writer, study in ((ours, first), (theirs, second), (theirs, first), (ours, second), (theirs, first)):
        trial_id = writer.create_new_trial(study)
        writer.set_trial_user_attr(trial_id, "by", str(trial_id))
        if trial_id % 2 == 0:
            writer.set_trial_state_values(trial_id, TrialState.COMPLETE, [float(trial_id)])
        queued = FrozenTrial(0, TrialState.WAITING, None, None, None, {}, {}, {}, {}, {}, 0)
        writer.create_new_trial(study, queued)
        for asked in (None, (TrialState.WAITING,), (TrialState.RUNNING, TrialState.WAITING), (TrialState.COMPLETE,)):
            for each in (first, second):
                found = ours.get_all_trials(each, deepcopy=False, states=asked)
                assert found == theirs.get_all_trials(each, deepcopy=False, states=asked)
    found.clear()
    assert len(ours.get_all_trials(first)) == 6
    with pytest.raises(KeyError):
        ours.get_all_trials(7)
    sent = pickle.loads(pickle.dumps(ours))
    theirs.create_new_trial(first)
    assert sent.get_all_trials(first) == ours.get_all_trials(first) == theirs.get_all_trials(first)


def test_an_owner_elsewhere_is_timed_anew_by_who_waits_anew(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of another machine only the link is seen: the same one twice may have been given up in between."""
    now = [0.0]
    monkeypatch.setattr(journal.time, "monotonic", lambda: now[0])
    lock = OwnedLock(path)
    link = Path(lock._link)
    link.symlink_to("elsewhere!7-7")
    lock._break_if_abandoned()  # waited for once
    link.unlink()
    lock.acquire()
    lock.release()
    now[0] = 3600.0
    link.symlink_to("elsewhere!7-7")
    lock._break_if_abandoned()
    assert link.is_symlink()
