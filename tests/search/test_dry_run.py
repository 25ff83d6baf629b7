"""What a dry run says of the time."""

from __future__ import annotations

from typing import Any

import pytest

from ratchet.search.space.plan import TaskFacts
from ratchet.search.worker.dry_run import tell_plan


@pytest.fixture
def told(bench, capsys) -> Any:
    """The line of a plan's time."""

    def tell(*typed: str, facts: TaskFacts, **settings: Any) -> str:
        tell_plan(bench.plan(*typed, n_jobs=2, **settings), composer=bench.loaded.composer, facts=facts)
        (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  time: ")]
        return line

    return tell


SPACE = "x=interval(-1,1)"
MEASURED = TaskFacts(measured=lambda _: (30.0, "the median of two earlier runs"))


def test_what_was_never_measured_is_unknown(told) -> None:
    assert told(SPACE, facts=TaskFacts()).startswith("  time: unknown until a training of this model on this data")


def test_earlier_trainings_say_how_long_it_takes(told) -> None:
    said = "  time: about 2 min for 3 trials, 2 at a time (60 s a trial, the median of two earlier runs)"
    assert told("x=1,2,3", facts=MEASURED, repeats=2) == said


def test_a_study_s_own_trials_say_it_better(told, bench) -> None:
    settings = {"study": "mine", "champion_first": False}
    bench.run(bench.plan(SPACE, n_trials=3, n_jobs=2, **settings))
    line = told(SPACE, facts=MEASURED, n_trials=5, **settings)
    assert " min for 2 trials left, 2 at a time (" in line
    assert line.endswith(" s a trial, the mean of the study's 3)")
