"""Journals damaged in their middle: one line says where, what can be read, and what to type."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest

from ratchet.errors import RatchetError
from ratchet.search.storage.collection import Collection
from ratchet.search.storage.journal import Journal, JournalStudies
from ratchet.search.storage.studies import open_storage
from search.applications import end, sweep

WHERE = 14  # the line, of about thirty, that is damaged
OTHER = '"worker_id":"x"'


def without(line: bytes, key: str) -> bytes:
    return (json.dumps({name: value for name, value in json.loads(line).items() if name != key}) + "\n").encode()


def changed(line: bytes, **values: object) -> bytes:
    return (json.dumps(json.loads(line) | values) + "\n").encode()


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "binary": lambda _: b"\xff\xfe\x00\x81\x1b[2J\n",
    "torn, the next one follows": lambda line: line[:25],
    "torn": lambda line: line[:25] + b"\n",
    "null": lambda _: b"null\n",
    "a list": lambda _: b"[1, 2]\n",
    "empty": lambda _: b"\n",
    "unknown operation": lambda _: b'{"op_code":99,' + OTHER.encode() + b"}\n",
    "operation as text": lambda line: line.replace(b'"op_code":', b'"op_code":"x","o":', 1),
    "no operation": lambda line: without(line, "op_code"),
    "no worker": lambda line: without(line, "worker_id"),
    "no trial": lambda line: without(line, "trial_id"),
    "a trial that never was": lambda _: b'{"op_code":8,' + OTHER.encode() + b',"trial_id":99,"user_attr":{"a":1}}\n',
    "a study that never was": lambda _: b'{"op_code":4,' + OTHER.encode() + b',"study_id":7,"datetime_start":null}\n',
    "values as text": lambda _: b'{"op_code":6,' + OTHER.encode() + b',"trial_id":0,"state":1,"values":"ab"}\n',
    "a value as text": lambda _: b'{"op_code":6,' + OTHER.encode() + b',"trial_id":0,"state":1,"values":["ab"]}\n',
    "unknown state": lambda line: changed(line, op_code=6, state=77, values=None),
    "attributes as a list": lambda _: b'{"op_code":8,' + OTHER.encode() + b',"trial_id":0,"user_attr":["a"]}\n',
    "a thousand brackets": lambda _: b"[" * 100_000 + b"\n",
}


def make_study(path: Path, *, name: str = "a", trials: int = 4) -> Path:
    """A journal of which the first trials are finished, and the last is not."""
    storage = JournalStudies(Journal(path))
    study = optuna.create_study(storage=storage, study_name=name, sampler=optuna.samplers.RandomSampler(seed=0))
    for number in range(trials):
        trial = study.ask()
        trial.suggest_float("x", 0, 1)
        trial.report(0.5, 1)
        trial.set_user_attr("seconds", 1.0)
        if number < trials - 1:
            study.tell(trial, float(number))
    return path


def damage(path: Path, how: Callable[[bytes], bytes], *, line: int = WHERE) -> int:
    """Damage the first line from `line` on (counted from 1) that names a trial. Returns which it was."""
    lines = path.read_bytes().splitlines(keepends=True)
    while line > 1 and b'"trial_id"' not in lines[line - 1]:
        line += 1
    lines[line - 1] = how(lines[line - 1])
    path.write_bytes(b"".join(lines))
    return line


@pytest.mark.parametrize("kind", DAMAGES)
def test_the_line_is_named_with_what_can_be_read_and_what_is_typed_mends_it(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = make_study(tmp_path / "my study/study.journal")
    where = damage(path, DAMAGES[kind])
    with pytest.raises(RatchetError) as caught:
        optuna.load_study(storage=open_storage(str(path)), study_name="a")
    said = str(caught.value)
    assert said.startswith(f"my study/study.journal line {where} is damaged (")
    assert f"what can be read is the {where - 1} lines before it: 3 trials, 2 of them finished" in said
    assert said.isprintable()
    typed = re.search(r"type: (.*), and the same command again", said)
    assert typed is not None
    subprocess.run(typed[1], shell=True, check=True)
    study = optuna.load_study(storage=open_storage(str(path)), study_name="a")
    assert [trial.value for trial in study.get_trials(deepcopy=False)[:2]] == [0.0, 1.0]
    study.tell(study.ask(), 9.0)
    assert optuna.load_study(storage=open_storage(str(path)), study_name="a").best_value == 0.0


@pytest.mark.parametrize("how", [lambda _: b"{\n", lambda _: b"", lambda line: without(line, "study_name")])
def test_nothing_can_be_read_behind_a_damaged_first_line(how: Callable[[bytes], bytes], tmp_path: Path) -> None:
    """A study without the line that made it is none that is new: its trials would be run and written over again."""
    path = make_study(tmp_path / "study.journal")
    damage(path, how, line=1)
    with pytest.raises(RatchetError, match=r"line 1 is damaged .* the 0 lines before it: 0 trials"):
        optuna.create_study(storage=open_storage(str(path)), study_name="a")


def test_a_damaged_last_line_that_is_ended_is_no_line_that_is_being_written(tmp_path: Path) -> None:
    path = make_study(tmp_path / "study.journal")
    path.write_bytes(path.read_bytes() + b"{\n")
    with pytest.raises(RatchetError, match=r"4 trials, 3 of them finished"):
        open_storage(str(path))


def test_a_journal_damaged_while_it_is_open_is_not_read_past_the_line(tmp_path: Path) -> None:
    path = make_study(tmp_path / "study.journal")
    storage = open_storage(str(path))
    path.write_bytes(path.read_bytes() + b"null\n")
    for _ in range(2):
        with pytest.raises(RatchetError, match=r"line \d+ is damaged \(NoneType"):
            storage.get_all_studies()


def test_what_is_no_file_is_no_journal(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "study.journal")
    with pytest.raises(RatchetError, match="is a named pipe where a file is needed"):
        open_storage(str(tmp_path / "study.journal"))


def test_of_several_studies_the_whole_ones_are_shown_and_the_damaged_one_is_named(tmp_path: Path) -> None:
    """What is mended is shown again."""
    for name in ("a", "b", "c"):
        make_study(tmp_path / name / "study.journal", name=name)
    os.mkfifo(tmp_path / "pipe")
    whole = (tmp_path / "b/study.journal").read_bytes()
    damage(tmp_path / "b/study.journal", DAMAGES["null"])
    said: list[str] = []
    places = [*(str(tmp_path / name / "study.journal") for name in "abc"), str(tmp_path / "pipe")]
    collection = Collection(lambda: places, say=said.append)
    for _ in range(2):
        assert [study.study_name for study in collection.get_all_studies()] == ["a", "c"]
    assert [re.search(r"b/study.journal line \d+ is damaged|pipe is a named pipe", line) is None for line in said] == [
        False,
        False,
    ]
    (tmp_path / "b/study.journal").write_bytes(whole)
    assert [study.study_name for study in collection.get_all_studies()] == ["a", "b", "c"]
    (tmp_path / "c/study.journal").write_bytes((tmp_path / "c/study.journal").read_bytes() + b"null\n")
    assert [study.study_name for study in collection.get_all_studies()] == ["a", "b"]
    assert "c/study.journal" in said[-1]


def test_a_note_for_a_trial_that_never_was_is_not_written(tmp_path: Path) -> None:
    path = make_study(tmp_path / "study.journal")
    collection, before = Collection(lambda: [str(path)], say=pytest.fail), path.read_bytes()
    collection.get_all_studies()
    for write in (collection.set_trial_user_attr, collection.set_trial_system_attr, collection.set_study_system_attr):
        with pytest.raises(KeyError):
            write(99 * 2**20, "note", "look")
    assert path.read_bytes() == before


@pytest.mark.slow
def test_a_sweep_that_goes_on_with_a_damaged_journal_ends_in_one_line(tmp_path: Path) -> None:
    end(sweep(tmp_path, n_trials=4))
    where = damage(tmp_path / "study.journal", DAMAGES["torn"])
    said = end(sweep(tmp_path, n_trials=6), status=1)
    assert f"study.journal line {where} is damaged" in said.splitlines()[-1]
