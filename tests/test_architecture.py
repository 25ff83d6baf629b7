"""The house: which room may import which, and what light commands never load."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"
PACKAGE = SOURCE / "ratchet"
FLOORS = [
    {"csv_files", "dotted", "errors", "files", "metrics", "names", "project", "redaction", "yaml_files"},
    {"compat", "evidence", "pages"},
    {"tasks"},
    {"pictures", "tables", "texts"},
    {"config"},
    {"terminal"},
    {"data", "models"},
    {"runs"},
    {"tracking"},
    {"training"},
    {"evaluation"},
    {"deployment"},
    {"search"},
    {"callbacks", "comparison"},
    {"promotion"},
    {"commands"},
]
SEARCH = [{"processes"}, {"space"}, {"storage"}, {"auto_sampler", "halving"}, {"worker"}]  # within search/
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    """Rooms that a file imports, at its top or inside a function."""
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        assert not getattr(node, "level", 0), f"{path} has a relative import: write its whole name"
        if isinstance(node, ast.ImportFrom) and node.module:
            names += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    return {name.split(".")[1] for name in names if name.startswith("ratchet.")} - {
        "__version__",
        "report",
        "DISTRIBUTION",
    }


@pytest.mark.parametrize(
    "path", sorted(p for p in PACKAGE.rglob("*.py") if p.parent != PACKAGE), ids=lambda p: str(p.relative_to(PACKAGE))
)
def test_rooms_import_downwards_only(path: Path) -> None:
    here = room(path)
    above = {other for other in imported_rooms(path) if other != here and FLOOR[other] >= FLOOR[here]}
    assert not above, f"{here} imports {above}, which stand on its floor or higher"


@pytest.mark.parametrize("path", sorted((PACKAGE / "search").rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_the_rooms_of_search_import_downwards_only(path: Path) -> None:
    floor = {inner: number for number, rooms in enumerate(SEARCH) for inner in rooms}
    here = path.relative_to(PACKAGE / "search").parts[0].removesuffix(".py")
    named = re.findall(r"^\s*(?:from|import) ratchet\.search\.(\w+)", path.read_text("utf-8"), re.MULTILINE)
    assert here == "__init__" or {each for each in named if each != here and floor[each] >= floor[here]} == set()


def test_every_room_has_its_floor() -> None:
    rooms = {room(path) for path in PACKAGE.rglob("*.py")} - {"__init__"}
    assert rooms == set(FLOOR)


@pytest.mark.parametrize(
    ("modules", "heavy"),
    [
        ("ratchet", {"torch", "wandb", "pytorch_lightning", "numpy", "hydra", "pydantic"}),
        ("hydra_plugins.ratchet_sweeper.sweeper", {"torch", "wandb", "dvc", "optuna", "numpy", "pydantic"}),
        ("ratchet.search.worker.sweeper", {"torch", "wandb", "dvc", "pytorch_lightning", "pandas", "scipy"}),
        ("ratchet.config.composition", {"torch", "wandb", "pytorch_lightning", "matplotlib", "sklearn"}),
        ("ratchet.data.fetch, ratchet.data.prepare", {"torch", "wandb", "pytorch_lightning", "matplotlib", "sklearn"}),
        pytest.param("ratchet.training.train", {"wandb", "tensorboard", "sklearn"}, marks=pytest.mark.slow),
    ],
)
def test_imports_stay_light(modules: str, heavy: set[str]) -> None:
    code = f"import sys; import {modules}; print(*sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(SOURCE)}, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
