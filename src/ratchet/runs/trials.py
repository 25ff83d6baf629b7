"""trials.csv: what a study says of its trials, which run.json cannot know of all; and what the study asks.

A trial of several repeats is pruned between two of them: each run completed, and the trial did not. Whether a trial
keeps to the study's constraints, or belongs to the front of several objectives, the study alone knows too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from ratchet.csv_files import read_csv
from ratchet.errors import FileError
from ratchet.files import DOCUMENT, open_regular

FEASIBLE, FRONT = "feasible", "front"  # columns, where there are constraints and where there are several objectives
YES, NO = "yes", "no"

_AGAINST: dict[str, Literal["failed", "pruned"]] = {"fail": "failed", "pruned": "pruned"}


def read_trials(study: Path) -> dict[int, dict[str, str]]:
    """The rows of a study's directory by the trial's number; none where the study has not come to it yet.

    Raises FileError for what is no such table, OSError as opening does.
    """
    path = study / "trials.csv"
    try:
        header, rows = read_csv(path)
        place = header.index("number")
        return {int(row[place]): dict(zip(header, row, strict=True)) for row in rows}
    except FileNotFoundError:
        return {}
    except FileError:
        raise
    except ValueError as error:
        raise FileError(
            f"{path} is no table of trials ({error}); type: the sweep's command, to write it anew"
        ) from error


def asked_of(study: Path) -> dict[str, Any] | None:
    """What the study of a directory asks, from the first lines of its journal: config, space, objectives, repeats.

    None where they do not say it, such as of another storage. Raises FileError for a line that says nothing.
    """
    journal = study / "study.journal"
    try:
        stream = open_regular(journal, limit=2**40)
    except FileNotFoundError:
        return None
    with stream:
        for number in range(1, 1001):  # after what was queued first
            line = stream.readline(DOCUMENT)
            if not line.endswith(b"\n"):
                return None  # not yet written
            try:
                asked = json.loads(line).get("user_attr", {}).get("ratchet:study")
                if asked is not None:
                    return dict(asked)
            except (ValueError, RecursionError, AttributeError, TypeError) as error:
                raise FileError(f"{os.path.relpath(journal)} line {number} is damaged") from error
    return None


def ended_as(row: Mapping[str, str]) -> Literal["failed", "pruned"] | None:
    """What the study has against a trial; None where it goes by run.json."""
    return _AGAINST.get(row.get("state", ""))


def study_directory(run: Path) -> Path:
    """Return the directory of a trial's study. A trial's run lies directly in it, a repeat's run in its trial."""
    return run.parent.parent if run.name.startswith("repeat") else run.parent
