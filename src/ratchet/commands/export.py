"""`python src/export.py`: its command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ratchet.commands.predict import chosen_run
from ratchet.deployment.export import Exported, export
from ratchet.project import Project
from ratchet.terminal.keys import typed_keys


def main(arguments: Sequence[str]) -> Exported:
    """Export. Raises RatchetError."""
    given = typed_keys(arguments, ("run", "output"), script="export")
    project = Project.find()
    run = chosen_run(given.get("run"), project)
    champion = "run" not in given
    usual = project.champion / "export" if champion else run.path / "export"
    evaluation = project.champion / "evaluate" if champion else run.evaluation
    return export(run, output=Path(given.get("output", usual)), project=project, evaluation=evaluation)
