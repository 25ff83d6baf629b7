"""trials.csv: what a study says of its trials, which run.json cannot know of all.

A trial of several repeats is pruned between two of them: each run completed, and the trial did not. Whether a trial
keeps to the study's constraints, or belongs to the front of several objectives, the study alone knows too.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

FEASIBLE, FRONT = "feasible", "front"  # columns, where there are constraints and where there are several objectives
YES, NO = "yes", "no"

_AGAINST: dict[str, Literal["failed", "pruned"]] = {"fail": "failed", "pruned": "pruned"}


def read_trials(study: Path) -> dict[int, dict[str, str]]:
    """The rows of a study's directory by the trial's number; none where the study has not come to it yet."""
    try:
        with (study / "trials.csv").open(newline="", encoding="utf-8") as stream:
            return {int(row["number"]): row for row in csv.DictReader(stream)}
    except (OSError, ValueError, KeyError):
        return {}


def ended_as(row: Mapping[str, str]) -> Literal["failed", "pruned"] | None:
    """What the study has against a trial; None where it goes by run.json."""
    return _AGAINST.get(row.get("state", ""))


def study_directory(run: Path) -> Path:
    """Of a trial's run: a trial lies in it, or a repeat in a trial."""
    return run.parent.parent if run.name.startswith("repeat") else run.parent
