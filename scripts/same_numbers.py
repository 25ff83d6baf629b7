"""Do two working trees give the same numbers?

python scripts/same_numbers.py <the other tree> [case ...]

Each case is prepared, trained and evaluated in both trees, by the Python that runs this, and every number of
metrics.json is compared bit for bit. Prints a table; the exit status is 1 where a number differs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parents[1]
CASES = {
    "mnist1d-cnn": ["data=mnist1d", "model=cnn", "trainer.max_epochs=10"],
    "mnist1d-gru": ["data=mnist1d", "model=gru", "trainer.max_epochs=2"],
    "digits-mlp": ["data=digits", "model=mlp", "loss.class_weights=balanced", "augmentation.mixup=0.2"],
    "digits-logistic": ["data=digits", "model=logistic", "loss.label_smoothing=0.1", "trainer.max_epochs=20"],
    "fashion_mnist-cnn": ["data=fashion_mnist", "model=cnn", "trainer.max_epochs=1"],
}


def metrics_of(tree: Path, arguments: list[str]) -> dict[str, Any]:
    """Prepare, train and evaluate in a tree; what its metrics.json says."""
    environment = {**os.environ, "PYTHONPATH": str(tree / "src")}
    with tempfile.TemporaryDirectory() as folder:
        data, run = arguments[0], f"{folder}/run"
        commands = [
            ["fetch.py", data],
            ["prepare.py", data],
            ["train.py", *arguments, "logger=csv", "trainer.progress=none", f"hydra.run.dir={run}"],
            ["evaluate.py", f"run={run}"],
        ]
        for script, *words in commands:
            command = [sys.executable, str(tree / "src" / script), "params=null", *words]
            done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(f"{' '.join(command)} failed in {tree}:\n{done.stderr}")
        found: dict[str, Any] = json.loads(next(Path(run).rglob("evaluat*/metrics.json")).read_text(encoding="utf-8"))
        return found


def numbers(content: Any, at: str = "") -> Iterator[tuple[str, float]]:
    """Every number of nested lists and mappings, and where it is."""
    if isinstance(content, dict):
        for key, inner in content.items():
            yield from numbers(inner, f"{at}.{key}" if at else key)
    elif isinstance(content, list):
        for index, inner in enumerate(content):
            yield from numbers(inner, f"{at}[{index}]")
    elif isinstance(content, int | float):
        yield at, content


def main(arguments: list[str]) -> int:
    """Print a line for each case, and the numbers that differ."""
    if not arguments or unknown_cases(arguments[1:]):
        print(f"{__doc__}\ncases: {', '.join(CASES)}")
        return 2
    other, differing = Path(arguments[0]).resolve(), 0
    for case in arguments[1:] or CASES:
        here, there = (dict(numbers(metrics_of(tree, CASES[case]))) for tree in (HERE, other))
        wrong = [key for key in here.keys() | there.keys() if here.get(key) != there.get(key)]
        differing += len(wrong)
        print(f"{case:20} {len(here)} numbers, accuracy {here['accuracy']:.4f}, {len(wrong)} differ", flush=True)
        for key in sorted(wrong):
            print(f"    {key}: {here.get(key)} here, {there.get(key)} there")
    return 1 if differing else 0


def unknown_cases(names: list[str]) -> list[str]:
    """Names that are no case."""
    return [name for name in names if name not in CASES]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
