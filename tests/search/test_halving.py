"""The usual pruner: rungs at shares of a whole training, the best go on, in whichever order trials report."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import optuna
import pytest

from ratchet.search.halving import LENGTH, HalvingPruner


def study(direction: str = "maximize") -> optuna.Study:
    return optuna.create_study(direction=direction, sampler=optuna.samplers.RandomSampler(seed=0))


def strict(*rungs: float, keep: int = 4) -> HalvingPruner:
    """One that compares two values already, and lets one go on."""
    return HalvingPruner(rungs=rungs or (0.2, 0.6), keep=keep, least=1, enough=2)


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
    of, pruner = study(), strict()
    of.pruner = pruner
    good, bad = of.ask(), of.ask()
    for step in range(1, 11):
        good.report(0.9, step)
        bad.report(0.1, step)
        assert not bad.should_prune()
    of.tell(good, 0.9)
    assert judged(pruner, of, [0.1] * 10) == 2


def test_what_says_how_long_it_is_is_compared_from_the_first_rung_on() -> None:
    of, pruner = study(), strict()
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
    assert ended == {"good": 0, "bad": 2}


@pytest.mark.parametrize(("length", "rungs"), [(15, (3, 9)), (60, (12, 36)), (5, (2, 3))])
def test_rungs_lie_at_shares_of_a_training(length: int, rungs: tuple[int, int]) -> None:
    of, pruner = study(), strict()
    assert judged(pruner, of, [0.9] * length) is None
    assert judged(pruner, of, [0.1] * length) == rungs[0]
    good_at_first = [0.95] * (rungs[1] - 1) + [0.1] * length
    assert judged(pruner, of, good_at_first) == rungs[1]


@pytest.mark.parametrize(("share", "length"), [(0.2, 1), (0.9, 2), (0.9, 1)])
def test_what_has_cost_all_it_can_is_not_pruned(share: float, length: int) -> None:
    of, pruner = study(), strict(share, keep=20)
    assert [judged(pruner, of, [value] * length) for value in (0.9, 0.1)] == [None, None]


@pytest.mark.parametrize(("length", "rung"), [(2, 1), (3, 1), (4, 2), (12, 2), (30, 3)])
def test_a_rung_lies_at_the_second_report_at_least_or_at_the_first_of_three(length: int, rung: int) -> None:
    of, pruner = study(), strict(0.1)
    assert [judged(pruner, of, [value] * length) for value in (0.9, 0.1)] == [None, rung]


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_one_in_keep_goes_on(direction: str) -> None:
    sign = 1 if direction == "maximize" else -1
    of, pruner = study(direction), strict(0.5, keep=3)
    assert judged(pruner, of, [sign * 0.5] * 4) is None
    ended = [judged(pruner, of, [sign * value] * 4) for value in (0.9, 0.8, 0.7, 0.6, 0.85, 0.95)]
    assert ended == [None, 2, 2, 2, None, None]  # of six values two go on: 0.9, and 0.85 when it comes


def test_a_tie_with_the_last_that_goes_on_goes_on() -> None:
    of, pruner = study(), strict()
    assert [judged(pruner, of, [0.5] * 10) for _ in range(5)] == [None] * 5


def test_trainings_of_different_lengths_are_compared_at_the_same_share_of_theirs() -> None:
    of, pruner = study(), strict()
    assert judged(pruner, of, [0.5] * 100, length=100) is None
    assert judged(pruner, of, [0.4] * 60, length=60) == 12
    assert judged(pruner, of, [0.5] * 35 + [0.4] * 25, length=60) == 36
    assert judged(pruner, of, [0.6] * 60, length=60) is None
    assert judged(pruner, of, [0.5] * 40, length=40) == 8  # of three that were better at a fifth, the best goes on
    assert judged(pruner, of, [0.7] * 30, length=100) is None  # it was stopped early


def test_what_ended_early_is_compared_as_far_as_it_came() -> None:
    of, pruner = study(), strict(0.5)
    assert judged(pruner, of, [0.5] * 10, length=10) is None
    assert judged(pruner, of, [0.9] * 4, length=10) is None
    assert judged(pruner, of, [0.6] * 10, length=10) is None  # what ended after four never came to the rung


def test_what_failed_is_compared_with_nothing() -> None:
    of, pruner = study(), strict(0.5)
    assert judged(pruner, of, [0.5] * 10) is None
    failed = of.ask()
    for step in range(1, 8):
        failed.report(0.9, step)
    of.tell(failed, state=optuna.trial.TrialState.FAIL)
    assert judged(pruner, of, [0.6] * 10) is None


def test_what_broke_a_constraint_is_compared_with_nothing() -> None:
    """The best in a study with constraints is the best of what keeps to them."""
    of, pruner = study(), strict(0.5)
    large = of.ask()
    for step in range(1, 11):
        large.report(0.9, step)
    large.set_constraint("parameters", 1.0)
    of.tell(large, 0.9)
    assert judged(pruner, of, [0.6] * 10) is None
    assert judged(pruner, of, [0.5] * 10) == 5


@pytest.mark.parametrize(("repeats", "rung"), [(2, 1), (3, 1), (5, 2)])
def test_repeats_have_a_rung(repeats: int, rung: int) -> None:
    """The last of them is not reported: all is paid then."""
    of, pruner = study(), strict()
    assert judged(pruner, of, [0.5] * (repeats - 1), length=repeats) is None
    assert judged(pruner, of, [0.4] * (repeats - 1), length=repeats) == rung


def test_not_a_number_is_pruned_at_once_and_never_compared_with() -> None:
    of, pruner = study(), strict(0.5)
    assert judged(pruner, of, [0.5, 0.5]) is None
    assert judged(pruner, of, [math.nan, 0.5]) == 1
    assert judged(pruner, of, [0.6, 0.6]) is None


def test_a_study_goes_on_as_if_it_had_never_stopped() -> None:
    """The rungs are in the trials, not in the pruner."""
    of = study()
    judged(strict(), of, [0.9] * 15)
    assert judged(strict(), of, [0.1] * 15) == 3


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"rungs": [0.0]}, "0.0"),
        ({"rungs": [0.5, 1.0]}, "below 1"),
        ({"rungs": []}, "shares"),
        ({"keep": 1}, "keep=1; allowed: 2 and more"),
        ({"least": 0}, "least=0; allowed: 1 and more"),
        ({"enough": 1}, "enough=1; allowed: 2 and more"),
    ],
)
def test_what_it_cannot_be_is_told(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        HalvingPruner(**given)


# --- as it is shipped


def test_fewer_than_four_values_end_nothing_and_then_two_better_ones_do() -> None:
    """The rungs are the second report of ten, and the eighth."""
    of, pruner = study(), HalvingPruner()
    falling = [0.9, 0.8, 0.7, 0.6, 0.85, 0.84]
    assert [judged(pruner, of, [value] * 10) for value in falling] == [None, None, None, 2, None, 2]


def test_a_late_rung_ends_what_an_early_one_did_not() -> None:
    of, pruner = study(), HalvingPruner()
    for value in (0.5, 0.6, 0.7, 0.8):
        assert judged(pruner, of, [value] * 10) is None
    assert judged(pruner, of, [0.9] * 7 + [0.1] * 3) == 8


def test_what_conf_has_is_never_ended_nor_is_what_a_person_queued() -> None:
    of, pruner = study(), HalvingPruner()
    assert [judged(pruner, of, [value] * 10) for value in (0.1, 0.5, 0.6, 0.7)] == [None] * 4
    of.enqueue_trial({"x": 1.0})
    assert judged(pruner, of, [0.1] * 10) is None
    assert judged(pruner, of, [0.1] * 10) == 2


def run_at_once(order: Iterable[int], values: Mapping[int, float], *, length: int = 10) -> set[int]:
    """Four trials that are complete, then several at once which report in this order; the numbers of those ended."""
    of, pruner = study(), HalvingPruner()
    for value in (0.5, 0.52, 0.54, 0.56):
        judged(pruner, of, [value] * length)
    trials = {number: of.ask() for number in values}
    for trial in trials.values():
        trial.set_user_attr(LENGTH, length)
    steps, ended = dict.fromkeys(values, 0), set()
    for number in order:
        if number in ended or steps[number] == length:
            continue
        steps[number] += 1
        trials[number].report(values[number], steps[number])
        if trials[number].should_prune():
            ended.add(number)
            of.tell(trials[number], state=optuna.trial.TrialState.PRUNED)
        elif steps[number] == length:
            of.tell(trials[number], values[number])
    return ended


AT_ONCE = {4: 0.58, 5: 0.6, 6: 0.57, 7: 0.4}


@pytest.mark.parametrize("order", list(itertools.permutations(AT_ONCE)), ids=str)
def test_which_process_reports_first_does_not_decide(order: tuple[int, ...]) -> None:
    """By their numbers 4 and 5 are the best so far; to 6 two are better, and to 7 all."""
    assert run_at_once([*order] * 10, AT_ONCE) == {6, 7}


@pytest.mark.parametrize("seed", range(20))
def test_however_much_faster_one_process_is_it_is_judged_by_the_same_values(seed: int) -> None:
    """What is done before those that it has to be compared with have come there has cost all it can."""
    draw = random.Random(seed)
    order = [number for number in AT_ONCE for _ in range(10)]
    draw.shuffle(order)
    assert run_at_once([*order, *[*AT_ONCE] * 10], AT_ONCE) <= {6, 7}


def test_a_verdict_that_waits_is_given_as_soon_as_the_slower_one_has_reported() -> None:
    fast, slow = 5, 4
    values = {slow: 0.6, fast: 0.55}  # 0.56 is better than it; the slower one makes it two
    assert run_at_once([fast] * 3, values) == set()
    assert run_at_once([fast] * 3 + [slow, slow, fast], values) == {fast}
    assert run_at_once([fast] * 3 + [slow, slow, fast], {slow: 0.1, fast: 0.55}) == {slow}


def test_what_no_missing_value_could_change_does_not_wait() -> None:
    assert run_at_once([5, 5], {4: 0.6, 5: 0.4}) == {5}


def test_a_slower_one_that_fails_is_not_waited_for() -> None:
    of, pruner = study(), HalvingPruner()
    for value in (0.5, 0.52, 0.54, 0.56):
        judged(pruner, of, [value] * 10)
    of.pruner = pruner
    slow, fast = of.ask(), of.ask()
    fast.set_user_attr(LENGTH, 10)
    for step in (1, 2):
        fast.report(0.55, step)
    assert not fast.should_prune()
    of.tell(slow, state=optuna.trial.TrialState.FAIL)
    fast.report(0.55, 3)
    assert not fast.should_prune()  # one is better
    assert judged(pruner, of, [0.54] * 10, length=10) == 2
