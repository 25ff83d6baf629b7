"""The usual pruner: successive halving in shares of a whole training, whatever the order in which trials report."""

from __future__ import annotations

import math
from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import optuna
from optuna.pruners import BasePruner
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from ratchet.compat.optuna import study_id_of
from ratchet.search.storage.ledger import is_feasible, is_given

LENGTH = "ratchet:length"  # trial attribute: how many reports it makes, if nothing ends it early
Verdict = Literal["go", "stop", "wait"]


class HalvingPruner(BasePruner):
    """Successive halving: at shares of a training's reports one trial in `keep`, the best, goes on (arXiv:1810.05934).

    At a rung a trial is compared with the trials before it, by number, that came there and went on at the rung before.
    While one of those has still to report, and its value could change the verdict, the trial trains on, and is judged
    at its next report. So verdicts follow from values and numbers alone. Asynchronous halving judges at once, by
    whoever has reported: the faster process decides, and the first one is never compared.

    A rung ends nothing before it knows `enough` values, 4, and the best `least`, 2, of any number go on, for what was
    ended does not come back: among few values a rank says little, and so no trial is ended that is of the better half
    of four. docs/results.md says what is lost in searches of 6, 12 and 24 trials.

    One rung lies early, where it costs little to see what learns nothing, and one late, where values are nearly final.
    None lies between: while a schedule keeps the learning rate high, those that will be best look worst. The shares are
    the same for trainings of any length. Those that ended early count as far as they came; those that failed, or broke
    a constraint, do not. A trial that does not say how long it is counts as long as the longest that is complete, and
    is not judged before one is. What was given, and not drawn by the sampler, is never ended (`ledger.is_given`).
    """

    def __init__(self, *, rungs: Sequence[float] = (0.12, 0.8), keep: int = 8, least: int = 2, enough: int = 4) -> None:
        """rungs: shares of a training, above 0 and below 1. keep: at a rung one in so many goes on, 2 or more.
        least: so many go on at least, 1 or more. enough: values that a rung decides with, 2 or more.

        Raises ValueError for others.
        """
        if not rungs or not all(0 < share < 1 for share in rungs):
            raise ValueError(f"rungs={list(rungs)}; allowed: shares above 0 and below 1")
        for name, value, lowest in (("keep", keep, 2), ("least", least, 1), ("enough", enough, 2)):
            if value < lowest:
                raise ValueError(f"{name}={value}; allowed: {lowest} and more")
        self._shares, self._keep, self._least, self._enough = tuple(sorted(rungs)), keep, least, enough
        self._passed: dict[tuple[int, int], int] = {}  # study and trial: rungs with a verdict, which is final

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Whether a rung that the trial has come to lets it go no further."""
        step = trial.last_step
        if step is None:
            return False
        if math.isnan(trial.intermediate_values[step]):
            return True
        trials = study.get_trials(deepcopy=False)
        complete = [len(each.intermediate_values) for each in trials if each.state == TrialState.COMPLETE]
        usual = max(complete, default=0)
        if len(trial.intermediate_values) >= _length(trial, usual):  # nothing is known of the length, or all is paid
            return False
        key = study_id_of(study), trial.number
        come_to = sum(_at(share, trial, usual) is not None for share in self._shares)
        if come_to == self._passed.get(key, 0):
            return False
        sign = 1 if study.direction == StudyDirection.MAXIMIZE else -1
        verdict = self._judge([*trials[: trial.number], trial], usual, sign)
        if verdict == "go":
            self._passed[key] = come_to
        return verdict == "stop"

    def _judge(self, trials: Sequence[FrozenTrial], usual: int, sign: int) -> Verdict:
        """What becomes of the last of these: each is judged in turn, by those before it."""
        rungs = [_Rung() for _ in self._shares]
        verdict: Verdict = "go"
        for each in trials:
            if each.state != TrialState.FAIL and is_feasible(each):
                values = [_at(share, each, usual) for share in self._shares]
                climbed = [None if value is None else sign * value for value in values]
                verdict = self._climb(each, climbed, rungs, given=is_given(each, trials))
        return verdict

    def _climb(
        self, trial: FrozenTrial, values: Sequence[float | None], rungs: Sequence[_Rung], *, given: bool
    ) -> Verdict:
        """Yield a trial's verdict at each rung that it reached, until one is not `go`, and note its values."""
        verdict: Verdict = "go"
        for rung, value in zip(rungs, values, strict=True):
            if value is None or verdict == "wait":
                rung.missing += value is not None or not trial.state.is_finished()
                continue
            if math.isnan(value):
                break
            verdict = "go" if given else self._verdict(value, rung)
            insort(rung.known, value)
            if verdict == "stop":
                break
        return verdict

    def _verdict(self, value: float, rung: _Rung) -> Verdict:
        """Judge a trial by the values known at a rung. Missing values may turn out better or worse, or never come."""
        better, known, most = rung.better(value), len(rung.known) + 1, len(rung.known) + 1 + rung.missing
        if known >= self._enough and better >= self._quota(most):
            return "stop"
        if most < self._enough or better + rung.missing < self._quota(most):
            return "go"
        return "wait"

    def _quota(self, count: int) -> int:
        return max(self._least, count // self._keep)


@dataclass
class _Rung:
    """What is known at a rung, of the trials up to some number."""

    known: list[float] = field(default_factory=list)  # ordered; larger is better
    missing: int = 0  # trials that may still come to it, or are there and have to wait for a verdict before it

    def better(self, value: float) -> int:
        """Count the trials that are better."""
        return len(self.known) - bisect_right(self.known, value)


def _length(trial: FrozenTrial, usual: int) -> int:
    return int(trial.user_attrs.get(LENGTH, usual))


def _at(share: float, trial: FrozenTrial, usual: int) -> float | None:
    """What a trial reported at a share of its length; None where it did not come so far.

    Of few reports the second is the first that counts, for one epoch says little; of two or three the first does.
    """
    length, reports = _length(trial, usual), trial.intermediate_values
    place = max(min(2, length // 2), 1, round(share * length))
    return reports[sorted(reports)[place - 1]] if length and place <= len(reports) else None
