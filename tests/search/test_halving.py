"""The usual pruner: rungs at shares of a whole training, the best go on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import optuna
import pytest

from ratchet.search.halving import LENGTH, HalvingPruner


def study(direction: str = "maximize") -> optuna.Study:
    return optuna.create_study(direction=direction, sampler=optuna.samplers.RandomSampler(seed=0))


def judged(
    pruner: HalvingPruner, of: optuna.Study, values: Sequence[float], *, first: int = 1, length: int | None = None
) -> int | None:
    """Report the values one after the other; the step at which the trial was pruned, or None: it is complete."""
    of.pruner = pruner
    trial = of.ask()
    if length is not None:
        trial.set_user_attr(LENGTH, length)
    for step, value in enumerate(values, first):
        trial.report(value, step)
        if trial.should_prune():
            of.tell(trial, state=optuna.trial.TrialState.PRUNED)
            return step
    of.tell(trial, values[-1])
    return None


def test_what_does_not_say_how_long_it_is_is_not_pruned_before_a_training_is_complete() -> None:
    of, pruner = study(), HalvingPruner()
    of.pruner = pruner
    good, bad = of.ask(), of.ask()
    for step in range(1, 11):
        good.report(0.9, step)
        bad.report(0.1, step)
        assert not bad.should_prune()
    of.tell(good, 0.9)
    assert judged(pruner, of, [0.1] * 10) == 2


def test_what_says_how_long_it_is_is_compared_from_the_first_rung_on() -> None:
    of, pruner = study(), HalvingPruner()
    of.pruner = pruner
    good, bad = of.ask(), of.ask()
    for trial in (good, bad):
        trial.set_user_attr(LENGTH, 10)
    ended = {"good": 0, "bad": 0}
    for step in range(1, 4):
        good.report(0.9, step)
        bad.report(0.1, step)
        ended["good"] += good.should_prune()
        ended["bad"] += bad.should_prune()
    assert ended == {"good": 0, "bad": 1}


@pytest.mark.parametrize(("length", "rungs"), [(15, (3, 9)), (60, (12, 36)), (5, (1, 3))])
def test_rungs_lie_at_shares_of_a_training(length: int, rungs: tuple[int, int]) -> None:
    of, pruner = study(), HalvingPruner()
    assert judged(pruner, of, [0.9] * length) is None
    assert judged(pruner, of, [0.1] * length) == rungs[0]
    good_at_first = [0.95] * (rungs[1] - 1) + [0.1] * length
    assert judged(pruner, of, good_at_first) == rungs[1]


@pytest.mark.parametrize(("share", "length"), [(0.2, 1), (0.9, 2), (0.1, 4)])
def test_what_has_cost_all_it_can_is_not_pruned(share: float, length: int) -> None:
    of, pruner = study(), HalvingPruner(rungs=[share], keep=20)
    assert [judged(pruner, of, [value] * length) for value in (0.9, 0.1)] == [None, None]


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_one_in_keep_goes_on(direction: str) -> None:
    sign = 1 if direction == "maximize" else -1
    of, pruner = study(direction), HalvingPruner(rungs=[0.5], keep=3)
    assert judged(pruner, of, [sign * 0.5] * 4) is None
    ended = [judged(pruner, of, [sign * value] * 4) for value in (0.9, 0.8, 0.7, 0.6, 0.85, 0.95)]
    assert ended == [None, 2, 2, 2, None, None]  # of six values two go on: 0.9, and 0.85 when it comes


def test_a_tie_with_the_last_that_goes_on_goes_on() -> None:
    of, pruner = study(), HalvingPruner()
    assert [judged(pruner, of, [0.5] * 10) for _ in range(5)] == [None] * 5


def test_trainings_of_different_lengths_are_compared_at_the_same_share_of_theirs() -> None:
    of, pruner = study(), HalvingPruner()
    assert judged(pruner, of, [0.5] * 100, length=100) is None
    assert judged(pruner, of, [0.4] * 60, length=60) == 12
    assert judged(pruner, of, [0.5] * 35 + [0.4] * 25, length=60) == 36
    assert judged(pruner, of, [0.6] * 60, length=60) is None
    assert judged(pruner, of, [0.5] * 40, length=40) == 8  # of three that were better at a fifth, the best goes on
    assert judged(pruner, of, [0.7] * 30, length=100) is None  # it was stopped early


def test_what_ended_early_is_compared_as_far_as_it_came() -> None:
    of, pruner = study(), HalvingPruner(rungs=[0.5])
    assert judged(pruner, of, [0.5] * 10, length=10) is None
    assert judged(pruner, of, [0.9] * 4, length=10) is None
    assert judged(pruner, of, [0.6] * 10, length=10) is None  # what ended after four never came to the rung


def test_what_failed_is_compared_with_nothing() -> None:
    of, pruner = study(), HalvingPruner(rungs=[0.5])
    assert judged(pruner, of, [0.5] * 10) is None
    failed = of.ask()
    for step in range(1, 8):
        failed.report(0.9, step)
    of.tell(failed, state=optuna.trial.TrialState.FAIL)
    assert judged(pruner, of, [0.6] * 10) is None


def test_what_broke_a_constraint_is_compared_with_nothing() -> None:
    """The best in a study with constraints is the best of what keeps to them."""
    of, pruner = study(), HalvingPruner(rungs=[0.5])
    large = of.ask()
    for step in range(1, 11):
        large.report(0.9, step)
    large.set_constraint("parameters", 1.0)
    of.tell(large, 0.9)
    assert judged(pruner, of, [0.6] * 10) is None
    assert judged(pruner, of, [0.5] * 10) == 5


@pytest.mark.parametrize(("repeats", "rung"), [(2, 1), (3, 1), (5, 1)])
def test_repeats_have_a_rung(repeats: int, rung: int) -> None:
    """The last of them is not reported: all is paid then."""
    of, pruner = study(), HalvingPruner()
    assert judged(pruner, of, [0.5] * (repeats - 1), length=repeats) is None
    assert judged(pruner, of, [0.4] * (repeats - 1), length=repeats) == rung


def test_not_a_number_is_pruned_at_once_and_never_compared_with() -> None:
    of, pruner = study(), HalvingPruner(rungs=[0.5])
    assert judged(pruner, of, [0.5, 0.5]) is None
    assert judged(pruner, of, [math.nan, 0.5]) == 1
    assert judged(pruner, of, [0.6, 0.6]) is None


def test_a_study_goes_on_as_if_it_had_never_stopped() -> None:
    """The rungs are in the trials, not in the pruner."""
    of = study()
    judged(HalvingPruner(), of, [0.9] * 15)
    assert judged(HalvingPruner(), of, [0.1] * 15) == 3


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"rungs": [0.0]}, "0.0"),
        ({"rungs": [0.5, 1.0]}, "below 1"),
        ({"rungs": []}, "shares"),
        ({"keep": 1}, "2 and more"),
    ],
)
def test_what_it_cannot_be_is_told(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        HalvingPruner(**given)
