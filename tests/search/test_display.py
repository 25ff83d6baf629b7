"""What a person sees while a sweep runs."""

from __future__ import annotations

import signal
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from ratchet.search.worker.display import TerminalDisplay


@pytest.fixture
def half_done(bench) -> Any:
    """A study of which two of four trials are done."""
    (study,) = bench.run(bench.plan("x=interval(-1,1)", n_trials=2, study="mine")).studies
    study.plan = replace(study.plan, settings=study.plan.settings.model_copy(update={"n_trials": 4}))
    study.ledger.tickets = 4
    return study


def rows(study: Any, **worker: Any) -> str:
    """The live table."""
    usual = {"studies": [study], "pool": SimpleNamespace(active=[]), "ended_by": None, "is_starting": False}
    shown = TerminalDisplay(live=False)._rows(SimpleNamespace(**{**usual, **worker}))  # type: ignore[arg-type]
    return "\n".join(row.plain for row in shown)


def test_while_the_server_imports_the_table_says_so(half_done) -> None:
    assert "starting: the process that trials are forked from imports what they need" in rows(
        half_done, is_starting=True
    )
    assert "starting" not in rows(half_done)


def test_after_ctrl_c_the_table_counts_what_is_still_to_finish(half_done) -> None:
    display = TerminalDisplay(live=False)
    display._durations.append(100.0)
    worker: Any = SimpleNamespace(pool=SimpleNamespace(active=[]), ended_by=None)
    assert display._left(worker, 2) == "about 3 min left"
    worker.ended_by = signal.SIGINT
    assert display._left(worker, 2) == "stopping: 0 to finish"


@pytest.mark.parametrize(
    ("done", "total", "others", "said"),
    [
        (0, 4, 0, "study mine: 4 trials, 2 at a time\n"),
        (1, 4, 0, "study mine: 1 of 4 trials done, 2 at a time\n"),
        (1, 4, 1, "study mine: 1 of 4 trials done, 2 at a time, beside 1 other worker\n"),
        (0, 1, 2, "study mine: 1 trial, 2 at a time, beside 2 other workers\n"),
        (4, 4, 1, "study mine: all 4 trials are done\n"),
        (1, 1, 0, "study mine: the one trial is done\n"),
    ],
)
def test_the_beginning_is_a_line(done: int, total: int, others: int, said: str, capsys) -> None:
    plan, ledger = SimpleNamespace(name="mine", n_trials=total), SimpleNamespace(finished=lambda: done)
    study: Any = SimpleNamespace(plan=plan, ledger=ledger)
    TerminalDisplay(live=False).opened(study, "2 at a time", others=others)
    assert capsys.readouterr().err == said
