"""Several storages as one: ids that do not meet, studies that appear and go, nothing done to a trial."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from optuna.storages.journal import JournalStorage
from optuna.trial import TrialState

from ratchet.errors import RatchetError
from ratchet.search.storage.collection import Collection
from ratchet.search.storage.journal import Journal


def make_study(path: Path, *, name: str, values: list[float]) -> optuna.Study:
    study = optuna.create_study(
        storage=JournalStorage(Journal(path)), study_name=name, sampler=optuna.samplers.RandomSampler(seed=0)
    )
    for value in values:
        trial = study.ask()
        trial.suggest_float("x", 0, 1)
        trial.report(value, 1)
        study.tell(trial, value)
    return study


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    make_study(tmp_path / "a/study.journal", name="a", values=[1.0, 2.0])
    make_study(tmp_path / "b/study.journal", name="b", values=[3.0])
    return Collection(lambda: sorted(map(str, tmp_path.glob("*/study.journal"))), say=pytest.fail)


def values(collection: Collection) -> dict[str, list[float]]:
    found = {}
    for study in collection.get_all_studies():
        trials = collection.get_all_trials(study._study_id)
        assert [collection.get_trial(trial._trial_id) for trial in trials] == trials
        assert collection.get_study_name_from_id(study._study_id) == study.study_name
        found[study.study_name] = [trial.value for trial in trials]
    return found


def test_each_study_has_its_own_trials(collection):
    assert values(collection) == {"a": [1.0, 2.0], "b": [3.0]}
    trials = [collection.get_all_trials(study._study_id) for study in collection.get_all_studies()]
    assert len({trial._trial_id for of in trials for trial in of}) == 3
    assert optuna.load_study(storage=collection, study_name="b").best_value == 3.0


def test_what_happens_in_a_storage_is_seen(collection, tmp_path):
    values(collection)
    make_study(tmp_path / "c/study.journal", name="c", values=[4.0])
    later = optuna.load_study(storage=JournalStorage(Journal(tmp_path / "a/study.journal")), study_name="a")
    later.ask()
    assert values(collection) == {"a": [1.0, 2.0, None], "b": [3.0], "c": [4.0]}


def test_a_study_that_was_removed_is_gone_and_made_again_it_is_new(collection, tmp_path):
    values(collection)
    (tmp_path / "a/study.journal").unlink()
    assert values(collection) == {"b": [3.0]}
    make_study(tmp_path / "a/study.journal", name="a", values=[7.0])
    assert values(collection) == {"a": [7.0], "b": [3.0]}


def test_two_studies_of_one_name_are_told_apart(collection, tmp_path):
    make_study(tmp_path / "elsewhere/study.journal", name="a", values=[9.0])
    assert values(collection) == {"a": [1.0, 2.0], "b": [3.0], "a (2)": [9.0]}


def test_what_cannot_be_opened_is_named_once_and_the_others_are_shown(tmp_path):
    make_study(tmp_path / "a", name="a", values=[1.0])
    said: list[str] = []
    collection = Collection(lambda: [str(tmp_path / "a"), "nothing://here"], say=said.append)
    assert values(collection) == values(collection) == {"a": [1.0]}
    (line,) = said
    assert "nothing://here" in line


def test_notes_are_kept_in_the_study_itself(collection, tmp_path):
    optuna.load_study(storage=JournalStorage(Journal(tmp_path / "b/study.journal")), study_name="b").ask()
    study_id = collection.get_study_id_from_name("b")
    trial_id = collection.get_all_trials(study_id)[1]._trial_id
    collection.set_study_system_attr(study_id, "note", "look")
    collection.set_study_user_attr(study_id, "mine", 1)
    collection.set_trial_system_attr(trial_id, "note", "this one")
    collection.set_trial_user_attr(trial_id, "mine", 2)
    study = optuna.load_study(storage=JournalStorage(Journal(tmp_path / "b/study.journal")), study_name="b")
    assert (study._storage.get_study_system_attrs(study._study_id)["note"], study.user_attrs["mine"]) == ("look", 1)
    assert study.trials[1].system_attrs["note"] == "this one"
    assert study.trials[1].user_attrs["mine"] == 2
    assert collection.get_study_user_attrs(study_id)["mine"] == 1


def test_studies_and_trials_belong_to_their_sweep(collection):
    study_id = collection.get_study_id_from_name("a")
    study = optuna.load_study(storage=collection, study_name="a")
    before = values(collection)
    for act in (
        lambda: collection.delete_study(study_id),
        lambda: optuna.create_study(storage=collection, study_name="new"),
        study.ask,
        lambda: study.enqueue_trial({"x": 0.5}),
        lambda: collection.set_trial_state_values(study.trials[0]._trial_id, TrialState.FAIL),
    ):
        with pytest.raises(RatchetError, match="only looked at"):
            act()
    assert values(collection) == before


@pytest.mark.parametrize("unknown", [5, 2**20 + 7, 3 * 2**20])
def test_an_unknown_id_is_a_key_error(collection, unknown):
    collection.get_all_studies()
    with pytest.raises(KeyError):
        collection.get_all_trials(unknown)
    with pytest.raises(KeyError):
        collection.get_trial(unknown)
