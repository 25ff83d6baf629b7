"""dvc.yaml names every file of the package that a stage imports and that could change what the stage makes."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from ratchet.promotion.gate_runs import CODE

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"
STAGES: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]

CHANGES_NOTHING = {
    "ratchet/__init__.py": "the version",
    "ratchet/config": "what it makes of conf/ stands in config.lock.yaml, whose keys the stages depend on",
    "ratchet/compat/__init__.py": "it says what the room is for",
    "ratchet/compat/forkserver.py": "of searches",
    "ratchet/compat/hydra.py": "as of the config",
    "ratchet/compat/omegaconf.py": "of searches",
    "ratchet/compat/optuna.py": "of searches",
    "ratchet/compat/wandb.py": "who is told of it",
    "ratchet/dotted.py": "how a class is found",
    "ratchet/errors.py": "texts",
    "ratchet/files.py": "how files are written",
    "ratchet/tables": "as of the config; a table's arrays are made by prepare",
    "ratchet/pictures": "as of the config; what a folder has its checksum says, and its arrays are made by prepare",
    "ratchet/names.py": "what a message suggests",
    "ratchet/search/processes/channel.py": "who is told of a trial",
    "ratchet/search/processes/outcomes.py": "likewise",
    "ratchet/project.py": "where files lie",
    "ratchet/terminal": "what a person sees",
    "ratchet/redaction.py": "what is left out of messages and records",
    "ratchet/yaml_files.py": "as of the config",
    "ratchet/data/staging.py": "how directories are written",
}
OF_THE_OBJECTIVE = dict.fromkeys(["ratchet/metrics.py", "ratchet/tasks", "ratchet/evidence"], "of the objective")
OF_THE_CONFIG = "as of the config; texts are cut into tokens by prepare"
OF_STAGES = {
    # here the config is what decides
    "compose": {"ratchet/config": "", "ratchet/texts": OF_THE_CONFIG, "ratchet/compat/hydra.py": "",
                "ratchet/evidence": "of the gate"},
    "train": {
        "hydra_plugins": "of searches", "ratchet/search": "of searches",
        "ratchet/commands/prefork.py": "of searches", "ratchet/commands/sweep.py": "of searches",
        "ratchet/commands/sweep_settings.py": "of searches",
        "ratchet/evaluation": "of searches", "ratchet/evidence": "of the gate", "ratchet/pages": "of prepare",
    },
    "evaluate": {"ratchet/tracking": "who is told of it", "ratchet/evidence/jackknife.py": "of the gate"},
    "fetch": {**OF_THE_OBJECTIVE, "ratchet/texts": OF_THE_CONFIG},
    "prepare": {**OF_THE_OBJECTIVE, "ratchet/pictures": "", "ratchet/tables": ""},
}  # fmt: skip
BEHIND_PREPARED = "ratchet/data/"  # what prepared.py imports of prepare's own: names of splits, the card's form
OF_PREPARED = ("/prepared.py", "/folds.py", "/strata.py")


def imports(path: Path) -> set[Path]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    places = [SOURCE.joinpath(*name.split(".")) for name in names]
    return {file for place in places for file in (place.with_suffix(".py"), place / "__init__.py") if file.is_file()}


@cache
def imported(script: Path) -> frozenset[str]:
    """Every file of src/ that a script imports, at whatever depth, relative to src/."""
    seen: set[Path] = set()
    waiting = [script]
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen.add(path)
            waiting += imports(path)
    return frozenset(path.relative_to(SOURCE).as_posix() for path in seen)


def is_within(file: str, places: list[str]) -> bool:
    return any(file == place or file.startswith(f"{place}/") for place in places)


def needed(stage: str) -> list[str]:
    nothing = [place for place, why in {**CHANGES_NOTHING, **OF_STAGES.get(stage, {})}.items() if why]
    files = [file for file in imported(SOURCE / f"{stage}.py") if not is_within(file, nothing)]
    if stage in {"train", "evaluate"}:
        files = [file for file in files if not file.startswith(BEHIND_PREPARED) or file.endswith(OF_PREPARED)]
    return sorted(files)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_what_it_imports(stage: str) -> None:
    named = [str(dep).removeprefix("src/") for dep in STAGES[stage]["deps"] if str(dep).startswith("src/")]
    assert [file for file in needed(stage) if not is_within(file, named)] == []


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_nothing_that_it_does_not_import(stage: str) -> None:
    named = [str(dep).removeprefix("src/") for dep in STAGES[stage]["deps"] if str(dep).startswith("src/ratchet")]
    files = imported(SOURCE / f"{stage}.py") | {"ratchet/data/generators.py"}  # by its dotted path
    assert [place for place in named if not any(is_within(file, [place]) for file in files)] == []


def test_code_of_one_s_own_is_what_every_stage_that_may_call_it_depends_on() -> None:
    assert [stage for stage in STAGES if "src/own" in STAGES[stage]["deps"]] == ["prepare", "train", "evaluate"]


def test_kept_scores_of_promotion_hang_on_all_that_makes_them() -> None:
    """Trained by training/train.py, scored by promotion/scores.py."""
    files = imported(SOURCE / "ratchet/promotion/scores.py") | imported(SOURCE / "ratchet/training/train.py")
    elsewhere = [
        *CHANGES_NOTHING,
        "ratchet/tracking",
        "ratchet/runs",
        "ratchet/csv_files.py",
        "ratchet/evidence/intervals.py",
        "ratchet/metrics.py",
        "ratchet/pages",
    ]
    files = frozenset(file for file in files if not is_within(file, elsewhere))
    files = frozenset(f for f in files if not f.startswith(BEHIND_PREPARED) or f.endswith(OF_PREPARED))
    named = [place.removeprefix("src/") for place in CODE]
    assert [file for file in sorted(files) if not is_within(file, named)] == []
