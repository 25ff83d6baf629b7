"""The table after the last job."""

from __future__ import annotations

import pytest

from ratchet.errors import TrainingError
from ratchet.terminal.outcomes import Failure, Outcomes, Success


@pytest.mark.parametrize(("maximize", "order"), [(True, ["b", "c", "a"]), (False, ["a", "c", "b"])])
def test_the_best_stands_first_by_the_direction_of_the_objective(capsys, maximize, order):
    values = {"a": 0.1, "b": 0.9, "c": 0.5}
    jobs = [
        Success(name, "validation/x", value, maximize=maximize, where=f"runs/{name}") for name, value in values.items()
    ]
    Outcomes(jobs).show()
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "validation/x, best first of 3"
    assert lines[2:] == [f"  {values[name]:.4f}  {name}  runs/{name}" for name in order]


def test_what_failed_stands_last_with_its_reason(capsys):
    succeeded = [Success("model=cnn", None, 0.0, maximize=True, where="runs/0")]
    failed = [Failure("model=transformer", TrainingError("the loss\nis nan")), Failure("x", KeyError("bug"))]
    Outcomes(succeeded, failed).show()
    assert capsys.readouterr().out.splitlines() == [
        "",
        "without validation",
        "  done  model=cnn          runs/0",
        "  failed  model=transformer  the loss is nan",
        "  failed  x                  KeyError('bug')",
    ]


def test_nothing_is_shown_of_nothing(capsys):
    Outcomes().show()
    assert capsys.readouterr().out == ""
