from __future__ import annotations

import numpy as np
import pytest

from ratchet.errors import EvidenceError
from ratchet.evidence.attempt import AUDITS, SCREEN_SEEDS, SCREENED, Attempt, challenger, recorded, shortlist
from ratchet.evidence.gate import weigh

RNG = np.random.default_rng(5)
HOPEFUL = RNG.normal(size=(15, 50)) + 0.1  # goes through all looks
HOPEFUL += 0.05 - HOPEFUL[:5].mean()


def asked(attempt: Attempt, runs: np.ndarray, *, until: int = 15) -> Attempt:
    """Run what is wanted, up to a pair at which it is killed."""
    while attempt.wanted and len(attempt.differences) < until:
        attempt = attempt.after(*runs[attempt.wanted.start : min(attempt.wanted.stop, until)])
    return attempt


def test_pairs_are_wanted_up_to_the_next_look():
    attempt = Attempt()
    assert (attempt.evidence, attempt.wanted) == (None, range(5))
    assert attempt.after(*HOPEFUL[:3]).wanted == range(3, 5)
    first = attempt.after(*HOPEFUL[:5])
    assert first.evidence == weigh(HOPEFUL[:5])
    assert first.evidence.verdict == "continue"
    assert first.wanted == range(5, 10)
    between = first.after(*HOPEFUL[5:8])
    assert (between.evidence, between.wanted) == (first.evidence, range(8, 10))


@pytest.mark.parametrize(("shift", "verdict", "pairs"), [(5.0, "proved", 5), (-5.0, "not ahead", 5)])
def test_a_verdict_ends_it(shift: float, verdict: str, pairs: int):
    done = asked(Attempt(), HOPEFUL + shift)
    assert (done.evidence.verdict, len(done.differences), done.wanted) == (verdict, pairs, range(0))


def test_the_last_look_ends_it():
    noise = RNG.normal(size=(15, 50))
    noise -= noise.mean(0, keepdims=True) - 0.02  # gain 0.02 at the end, whatever it is before
    noise[:10] += 0.02 - noise[:10].mean()
    noise[:5] += 0.02 - noise[:5].mean()
    noise[5:10] += 0.02 - noise[5:10].mean()
    done = asked(Attempt(), noise)
    assert (done.evidence.verdict, len(done.differences), done.wanted) == ("ahead, not proved", 15, range(0))


def test_where_seeds_change_nothing_the_first_look_is_the_last():
    row = np.where(np.arange(50) % 7 == 0, -1.0, 0.2)
    done = asked(Attempt(), np.tile(row, (15, 1)))
    assert done.evidence.deterministic
    assert (done.evidence.verdict, len(done.differences)) == ("ahead, not proved", 5)


def test_more_pairs_cannot_turn_a_verdict():
    against, then_for = HOPEFUL[:5] - 5, HOPEFUL[5:] + 50
    done = Attempt().after(*against, *then_for)
    assert done.evidence.verdict == "not ahead"
    assert done.evidence.pairs == 5
    assert done.wanted == range(0)
    won = Attempt().after(*(HOPEFUL[:5] + 5), *(HOPEFUL[5:] - 50))
    assert (won.evidence.verdict, won.evidence.pairs) == ("proved", 5)


@pytest.mark.parametrize("until", range(15))
def test_killed_anywhere_and_asked_again_the_verdict_is_the_same(until: int):
    whole = asked(Attempt(), HOPEFUL)
    again = asked(asked(asked(Attempt(), HOPEFUL, until=until), HOPEFUL), HOPEFUL)
    assert again.evidence == whole.evidence
    assert len(again.differences) == len(whole.differences)


def test_three_askings_are_one_test_and_three_tests_are_not():
    """The rate of false promotions over the looks, and what beginning afresh would make of it."""
    once, afresh, repetitions = [], [], 1000
    rng = np.random.default_rng(7)
    for _ in range(repetitions):
        examples = rng.normal(size=60)
        runs = [0.4 * rng.normal(size=(15, 1)) + examples * 0.5 + rng.normal(size=(15, 60)) for _ in range(3)]
        found = [asked(Attempt(), each).evidence.verdict == "proved" for each in runs]
        once.append(found[0])
        afresh.append(any(found))
    error = (0.05 * 0.95 / repetitions) ** 0.5
    assert 0.022 < np.mean(once) < 0.05 + 3 * error
    assert np.mean(afresh) > 1.6 * np.mean(once)


def test_other_examples_are_refused():
    with pytest.raises(EvidenceError, match="49 and 50 examples"):
        Attempt().after(HOPEFUL[0], HOPEFUL[1][:49])
    with pytest.raises(EvidenceError, match="49 and 50 examples"):
        Attempt().after(HOPEFUL[0]).after(HOPEFUL[1][:49])


def test_the_rules_of_a_test_are_kept_with_it():
    attempt = Attempt(min_effect=100.0).after(*(HOPEFUL[:5] + 5))
    assert attempt.evidence.verdict == "continue"
    assert Attempt(alpha=1.0).after(*HOPEFUL[:5]).evidence.verdict == "proved"


def test_the_best_of_a_study_are_screened():
    values = {f"trial {k}": value for k, value in enumerate([0.1, 0.9, float("nan"), 0.5, 0.7, 0.8, 0.6, 0.2])}
    assert shortlist(values, mode="max") == ["trial 1", "trial 5", "trial 4", "trial 6", "trial 3"]
    assert shortlist(values, mode="min", top=2) == ["trial 0", "trial 7"]
    assert (SCREENED, SCREEN_SEEDS, AUDITS) == (5, 2, 5)
    with pytest.raises(EvidenceError, match="finite"):
        shortlist({"trial 0": float("nan")}, mode="max")


def test_fresh_seeds_alone_choose_the_challenger():
    assert challenger({0: [0.9, 0.7], 1: [0.85, 0.85], 2: [0.99, 0.6], 3: []}, mode="max") == 1
    assert challenger({0: [0.9, 0.7], 1: [0.85, 0.85]}, mode="min") == 0
    with pytest.raises(EvidenceError, match="finite"):
        challenger({0: []}, mode="max")


def test_audits_alone_make_the_number():
    found = recorded([0.90, 0.92, 0.91, 0.89, 0.93])
    # sd 0.0158114, t(4) 2.776445
    assert (found.mean, found.n) == (pytest.approx(0.91), 5)
    assert found.high == pytest.approx(0.91 + 2.776445 * 0.0158114 / 5**0.5, abs=1e-6)
