"""Ratchet: an experiment workflow that only moves forward."""

__version__ = "0.1.0"
DISTRIBUTION = "ratchet-ml"  # what is installed; another project's is called ratchet, as its package


def report(value: float, step: int, of: int | None = None) -> None:
    """Tell the search that runs this process how good the trial is after `step`; outside of a search, do nothing.

    `of` is the last step, where it is known. Does not return where the search's pruner ends the trial.
    """
    from ratchet.search.processes.channel import current_trial

    trial = current_trial()
    if trial is not None:
        trial.report(step, value, of)
