"""A trial that is tried again is the same training; nothing else is."""

from __future__ import annotations

from pathlib import Path

import optuna

from ratchet.search.storage.studies import TOKEN, training_identity


def study_of(path: Path, token: str) -> optuna.Study:
    study = optuna.create_study(storage=f"sqlite:///{path}", study_name="learning_rate")
    study.set_user_attr(TOKEN, token)
    return study


def test_a_training_is_named_by_its_study_ticket_and_repeat(tmp_path: Path) -> None:
    study, begun_anew = study_of(tmp_path / "a.db", "a"), study_of(tmp_path / "b.db", "b")
    here = training_identity(study, ticket=3, repeat=0)
    again = optuna.load_study(storage=f"sqlite:///{tmp_path / 'a.db'}", study_name="learning_rate")
    assert training_identity(again, ticket=3, repeat=0) == here  # another worker, another attempt
    others = [(study, 3, 1), (study, 4, 0), (begun_anew, 3, 0)]
    assert here not in {training_identity(each, ticket=ticket, repeat=repeat) for each, ticket, repeat in others}
