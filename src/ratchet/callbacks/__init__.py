"""Callbacks that report a metric to the search by its name, for trainers that have the loop: see ratchet.report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ratchet import report
from ratchet.errors import ConfigError
from ratchet.names import suggestion
from ratchet.search.processes.channel import current_trial


def report_metric(metrics: Mapping[str, Any], monitor: str, step: int) -> None:
    """Report the metric `monitor` of those that a trainer has; outside of a search, do nothing.

    Raises ConfigError where it is not among them.
    """
    if current_trial() is None:
        return
    if monitor not in metrics:
        raise ConfigError(f"monitor={monitor} was not logged; {suggestion(monitor, metrics)}")
    report(float(metrics[monitor]), step)
