"""The verdict in words that a person can weigh."""

from __future__ import annotations

import numpy as np
import pytest

from ratchet.promotion.gate import Judgement, Terms
from ratchet.promotion.verdict_text import look_line, verdict_lines


def lines(table: np.ndarray, terms: Terms, metric: str = "validation/accuracy", uses: int = 2) -> list[str]:
    evidence = terms.attempt().after(*table).evidence
    assert evidence is not None
    judgement = Judgement(evidence, spent=7, failed=(), seeds=tuple(range(evidence.pairs)))
    seen = [{"champion": "a", "challenger": str(k // 2)} for k in range(uses)]
    return verdict_lines(judgement, terms=terms, metric=metric, uses=seen)


def table(gain: float, pairs: int) -> np.ndarray:
    return np.random.default_rng(0).normal(gain, 0.5, (pairs, 400))


@pytest.mark.parametrize(
    ("gain", "pairs", "terms", "headline"),
    [
        (0.3, 5, Terms(), "verdict: PROVED: the challenger is better"),
        (-0.3, 5, Terms(), "verdict: NOT AHEAD"),
        (0.3, 15, Terms(min_effect=0.9), "not shown to be better by more than 90.00 points; the champion stays"),
        (0.3, 15, Terms(min_effect=0.9, accept="ahead"), "accepted by accept=ahead; the history says so"),
        (0.3, 5, Terms(alpha=0.3), "PROVED (alpha=0.3 instead of the rule's)"),
    ],
)
def test_the_verdict_comes_first(gain: float, pairs: int, terms: Terms, headline: str) -> None:
    assert headline in lines(table(gain, pairs), terms)[0]


def test_what_it_rests_on_follows_lower_bound_first() -> None:
    terms, found = Terms(), table(0.3, 5)
    evidence = terms.attempt().after(*found).evidence
    assert evidence is not None
    told = lines(found, terms, uses=3)
    assert told[1].startswith(f"  gain at least {100 * evidence.lower:+.2f}, {100 * evidence.gain:+.2f} measured")
    text = "\n".join(told)
    for part in (
        "5 pairs of runs (looks at 5, 10, 15), p = ", "from seeds", "from the 400 examples", "would show: ",
        "looked at 3 times on this machine, in 2 tests", "runs trained for this: 7; failed: none",
    ):  # fmt: skip
        assert part in text


def test_a_loss_is_told_in_its_own_unit() -> None:
    assert "in nats less of loss on confirm" in lines(table(0.3, 5), Terms(), "validation/loss")[1]


def test_seeds_that_change_nothing_are_told() -> None:
    same = np.repeat(table(0.3, 1), 5, axis=0)
    assert "seeds change nothing here, so one look decides" in lines(same, Terms())[2]


def test_a_look_that_decides_nothing_is_a_line() -> None:
    evidence = Terms().attempt().after(*table(0.02, 5)).evidence
    assert evidence is not None
    assert evidence.verdict == "continue"
    gain, error = 100 * evidence.gain, 100 * evidence.error
    told = f"after 5 pairs: {gain:+.2f} ± {error:.2f} points of accuracy, p = {evidence.p:.3g}: undecided, 5 more pairs"
    assert look_line(evidence, more=5, metric="validation/accuracy") == told
