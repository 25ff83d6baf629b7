"""`python src/predict.py`: its command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ratchet.deployment.predict import Predicted, predict
from ratchet.errors import ConfigError
from ratchet.project import Project
from ratchet.runs import RunDirectory
from ratchet.terminal.keys import typed_keys

_KEYS = ("input", "run", "output", "abstain", "coverage")
_COVERAGE = 0.9


def main(arguments: Sequence[str]) -> Predicted:
    """Predict. Raises RatchetError."""
    given = typed_keys(arguments, _KEYS, script="predict")
    if "input" not in given:
        raise ConfigError("predict has no rows to predict; type: python src/predict.py input=<file>")
    project = Project.find()
    return predict(
        chosen_run(given.get("run"), project), given["input"], output=Path(given.get("output", "predictions.csv")),
        project=project, coverage=_coverage(given),
    )  # fmt: skip


def chosen_run(given: str | None, project: Project) -> RunDirectory:
    """The run that `run=` names, from here or from the project's root; the champion where nobody named one."""
    path = project.champion_run if given is None else Path(given)
    return RunDirectory(path if path.is_dir() else project.root / path)


def _coverage(given: dict[str, str]) -> float | None:
    abstain = given.get("abstain", "false")
    if abstain not in {"true", "false"}:
        raise ConfigError(f"abstain={abstain}; allowed: true, false; type: abstain=true")
    if abstain == "false":
        if "coverage" in given:
            raise ConfigError(
                f"coverage={given['coverage']} has no effect without abstain=true; type: abstain=true "
                f"coverage={given['coverage']}"
            )
        return None
    try:
        coverage = float(given.get("coverage", _COVERAGE))
    except ValueError:
        coverage = 0.0
    if not 0 < coverage < 1:
        raise ConfigError(f"coverage={given['coverage']}; allowed: a number between 0 and 1; type: coverage=0.9")
    return coverage
