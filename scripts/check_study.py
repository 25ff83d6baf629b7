"""Whether each trial of a study was finished once: for the scripts that run a sweep on a cluster.

python scripts/check_study.py <storage: a URL, or the path of a journal> <study> <n_trials> <workers at least>
"""

from __future__ import annotations

import sys

import optuna
from optuna.trial import TrialState

from ratchet.search.storage.ledger import CLAIM, has_result, is_over, ticket_of
from ratchet.search.storage.studies import open_storage


def main(storage: str, name: str, n_trials: int, workers: int) -> None:
    """Print what was found. Exits with what is wrong."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    trials = optuna.load_study(storage=open_storage(storage), study_name=name).get_trials()
    over = [trial for trial in trials if is_over(trial) and has_result(trial)]
    tickets = sorted(ticket for ticket in map(ticket_of, over) if ticket is not None)
    claimed = {trial.user_attrs[CLAIM]["worker"] for trial in over}
    again = sum(trial.state == TrialState.FAIL for trial in trials)
    print(f"{name}: {len(tickets)} trials finished by {len(claimed)} workers, {again} others failed or were too many")
    if tickets != list(range(n_trials)):
        sys.exit(f"wrong: {n_trials} were to be finished, each once; got the tickets {tickets}")
    if unfinished := [trial.number for trial in trials if not trial.state.is_finished()]:
        sys.exit(f"wrong: the trials {unfinished} never ended")
    if len(claimed) < workers:
        sys.exit(f"wrong: {workers} workers were to take part")


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
