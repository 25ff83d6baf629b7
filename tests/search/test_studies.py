"""A study is whole whenever its making was ended, and whoever comes meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest

from ratchet.errors import ConfigError
from ratchet.runs.trials import asked_of
from ratchet.search.space.plan import StudyPlan
from ratchet.search.space.settings import Objective, SweepSettings
from ratchet.search.space.space import Dimension, SearchSpace
from ratchet.search.space.warm_start import Proposal
from ratchet.search.storage import studies as room
from ratchet.search.storage.journal import Journal
from ratchet.search.storage.ledger import WARM_START
from ratchet.search.storage.studies import BASELINE, IDENTITY, TOKEN, open_study, with_stored_cells

FOUND = [Proposal({"x": (2 * number + 1) / 32}, "earlier", number, "d") for number in range(10)]
FIRST = [0.5, *(each.params["x"] for each in FOUND)]
UP, DOWN = (("x=1",), ("x=2",), ("x=3",)), (("x=3",), ("x=2",), ("x=1",))


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "BEING_MADE", 0.0)
    monkeypatch.setattr(room, "proposals", lambda *_: (FOUND, None))


def plan(directory: Path, **other: Any) -> StudyPlan:
    directory.mkdir(exist_ok=True)
    space = SearchSpace((Dimension.parse("x", "interval(0,1)"),))
    return StudyPlan(**{
        "name": "s", "settings": SweepSettings(n_trials=4), "fixed": (), "space": space, "cells": (), "chosen": {},
        "objectives": (Objective(metric="v", direction="maximize"),), "identity": {"a": {}}, "directory": directory,
        **other,
    })  # fmt: skip


def ended_after(writes: int, act: Callable[[], object]) -> bool:
    """Do it, as far as so many writes to the journal go. Returns whether that was not all."""
    count = iter(range(writes))
    with pytest.MonkeyPatch.context() as patch:
        append = Journal.append_logs

        def until(self: Journal, logs: list[dict[str, Any]]) -> None:
            if next(count, None) is None:
                raise KeyboardInterrupt
            append(self, logs)

        patch.setattr(Journal, "append_logs", until)
        try:
            act()
        except KeyboardInterrupt:
            return True
    return False


def begun(study: optuna.Study) -> list[tuple[Any, Any, Any]]:
    trials = study.get_trials(deepcopy=False)
    return [(each.system_attrs["fixed_params"], *map(each.user_attrs.get, (BASELINE, WARM_START))) for each in trials]


def test_a_study_whose_making_was_ended_anywhere_begins_as_any_other(tmp_path: Path) -> None:
    wanted = begun(open_study(plan(tmp_path / "whole", baseline={"x": 0.5}), say=print))
    assert [params["x"] for params, _, _ in wanted] == FIRST
    writes = 0
    while True:
        half = plan(tmp_path / str(writes), baseline={"x": 0.5})
        was_ended = ended_after(writes, lambda half=half: open_study(half, say=print))
        study = open_study(half, say=print)
        assert begun(study) == wanted
        assert study.user_attrs[TOKEN]
        assert study.user_attrs[IDENTITY] == {"a": {}}
        assert asked_of(half.directory) == {"a": {}}
        assert study.metric_names == ["v"]
        writes += 1
        if not was_ended:
            break
    assert writes > len(FIRST)


@pytest.mark.parametrize("writes", range(5))
def test_the_cells_of_a_grid_whose_making_was_ended_stay_what_they_are(tmp_path: Path, writes: int) -> None:
    up, down = (plan(tmp_path / "grid", cells=cells) for cells in (UP, DOWN))
    ended_after(writes, lambda: open_study(up, say=print))
    orders = [with_stored_cells(open_study(each, say=print), each).cells for each in (down, up, down)]
    assert len(set(orders)) == 1


def test_who_comes_while_a_study_is_made_finds_it_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "BEING_MADE", 60.0)
    made, goes_on = threading.Event(), threading.Event()

    def slow(*_: object) -> tuple[list[Proposal], None]:
        made.set()
        assert goes_on.wait(60)
        return FOUND, None

    monkeypatch.setattr(room, "proposals", slow)
    monkeypatch.setattr(room.time, "sleep", lambda _: goes_on.set())  # the second command waits
    mine = plan(tmp_path / "both", baseline={"x": 0.5})
    first = threading.Thread(target=lambda: open_study(mine, say=print), daemon=True)
    first.start()
    assert made.wait(60)
    second = begun(open_study(mine, say=print))
    goes_on.set()
    first.join(60)
    assert [params["x"] for params, _, _ in second] == FIRST
    assert begun(open_study(mine, say=print)) == second


def test_what_was_begun_with_another_direction_is_refused(tmp_path: Path) -> None:
    mine = plan(tmp_path / "turned")
    assert ended_after(1, lambda: open_study(mine, say=print))
    turned = replace(mine, objectives=(Objective(metric="v", direction="minimize"),))
    with pytest.raises(ConfigError, match=r"directions was \['maximize'\], is \['minimize'\]"):
        open_study(turned, say=print)
