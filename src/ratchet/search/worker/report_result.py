"""Results of trials, written to their study and shown to the user."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from ratchet.compat.optuna import storage_of, trial_id_of
from ratchet.search.processes.outcomes import Outcome
from ratchet.search.storage.ledger import RESULT, Claim
from ratchet.search.storage.studies import at_once
from ratchet.search.worker.display import Display
from ratchet.search.worker.progress import ActiveTrial, OpenStudy

ALL_ALIKE = 4  # so many failures with one message and no success end a study


@dataclass(frozen=True)
class ResultReporter:
    """Writes the results of trials to their study, and shows them."""

    display: Display
    is_plain: bool = False  # of a plain Hydra application, whose grid may be for printing or the like

    def report(self, active: ActiveTrial, outcome: Outcome) -> None:
        """Report the result of a trial that ran."""
        of, claim = active.of, active.claim
        if outcome.state == "failed":
            self.report_failure(of, claim, outcome, seconds=active.seconds)
            return
        complete = outcome.state == "complete"
        metrics = _means(active.metrics)
        result: dict[str, Any] = {"metrics": metrics, "seconds": active.seconds}
        if len(active.metrics) > 1:
            result["repeats"] = [dict(each) for each in active.metrics]
        values = [metrics[each.metric] for each in of.plan.objectives] if complete else None
        if self._tell(of, claim, result=result, metrics=metrics, values=values):
            of.succeeded = True
            self.display.finished(of, claim.trial.number, outcome.state, outcome, metrics)

    def report_failure(self, of: OpenStudy, claim: Claim, outcome: Outcome, *, seconds: float | None = None) -> None:
        """Report the failure of a trial; one that was killed or interrupted is queued again."""
        lost = outcome.failure in {"killed", "interrupted"}
        again = outcome.failure == "interrupted" or (lost and claim.attempt < of.plan.settings.retries)
        number = claim.trial.number
        result = {
            "failure": outcome.failure, "error": outcome.error, "traceback": outcome.traceback, "over": not again,
            "seconds": seconds,
        }  # fmt: skip
        is_ours = of.ledger.fail(trial_id_of(claim.trial), result)
        if is_ours and again:
            attempt = claim.attempt + (outcome.failure == "killed")
            kept = {"ticket": claim.ticket, "attempt": attempt, "lost": claim.lost}
            of.ledger.retry(kept, claim.trial.params, of=number)
        self.display.finished(of, number, "failed", outcome, {}, again=is_ours and again)
        if not again:
            of.failures.append(outcome.error)
        if self.is_plain and of.plan.cells and outcome.failure == "no value":
            return
        if not of.succeeded and len(of.failures) >= ALL_ALIKE and len(set(of.failures)) == 1 and of.given_up is None:
            of.given_up = outcome.error
            self.display.say(f"study {of.plan.name} ends early: {ALL_ALIKE} trials failed alike and none succeeded")

    def _tell(
        self, of: OpenStudy, claim: Claim, *, result: dict[str, Any], metrics: dict[str, float],
        values: Sequence[float] | None,
    ) -> bool:  # fmt: skip
        """Write all of it at once; without values it is pruned. False where somebody else has ended it meanwhile."""
        state = TrialState.PRUNED if values is None else TrialState.COMPLETE
        try:
            with at_once(of.study):
                claim.trial.set_user_attr(RESULT, result)
                for bound in of.plan.settings.bounds if metrics else ():
                    claim.trial.set_constraint(f"{bound.metric}", bound.excess(metrics))
                of.study.tell(claim.trial, values, state=state)
        except (UpdateFinishedTrialError, ValueError):  # the latter is of tell(), which looks before it writes
            if not storage_of(of.study).get_trial(trial_id_of(claim.trial)).state.is_finished():
                raise
            self.display.say(f"trial {claim.trial.number} was taken for lost meanwhile; its result is left aside")
            return False
        return True

    def report_duplicate(self, of: OpenStudy, claim: Claim, known: FrozenTrial) -> None:
        """Report a trial that need not run, for its parameters were measured before."""
        metrics = (known.user_attrs.get(RESULT) or {}).get("metrics") or {}
        if self._tell(of, claim, result={"duplicate_of": known.number}, metrics=metrics, values=known.values):
            self.display.finished(of, claim.trial.number, "known", Outcome("complete"), {})


def _means(metrics: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = list(metrics[0]) if metrics else []
    return {name: statistics.fmean(each[name] for each in metrics if name in each) for name in names}
