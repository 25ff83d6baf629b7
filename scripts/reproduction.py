"""Whether `dvc repro` made what git has on record: dvc.lock is the proof, and else each number that differs.

python scripts/reproduction.py        what `make repro` ends with; nothing where there is no commit with a dvc.lock
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from rich import box
from rich.console import Console
from rich.table import Table

LOCK = "dvc.lock"
METRICS = ("champion/train/metrics.json", "champion/evaluate/metrics.json")


def committed(name: str) -> str | None:
    """The content of a file in the commit that is checked out; None where there is none."""
    done = subprocess.run(["git", "show", f"HEAD:./{name}"], capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else None


def numbers(text: str) -> dict[str, float]:
    """What is at the top of a metrics.json."""
    return {name: value for name, value in json.loads(text).items() if isinstance(value, int | float)}


def differing_numbers() -> Iterator[tuple[str, str, float | None, float | None]]:
    """File, name, committed and present value of each number that differs."""
    for file in METRICS:
        before, now = (numbers(text) if text else {} for text in (committed(file), Path(file).read_text("utf-8")))
        for name in dict.fromkeys([*before, *now]):
            if before.get(name) != now.get(name):
                yield file, name, before.get(name), now.get(name)


def hashes(text: str) -> dict[str, Any]:
    """Of every file that a dvc.lock names as a dependency or an output."""
    stages = yaml.safe_load(text)["stages"].values()
    return {each["path"]: each.get("md5") for stage in stages for each in [*stage.get("deps", []), *stage["outs"]]}


def main() -> None:
    """Say it."""
    then = committed(LOCK)
    if then is None:
        return
    now = Path(LOCK).read_text(encoding="utf-8")
    if then == now:
        print("reproduced: every file that the pipeline made has the bytes that the committed dvc.lock names")
        return
    was, is_now = hashes(then), hashes(now)
    changed = [path for path, digest in is_now.items() if was.get(path) != digest]
    print(f"dvc.lock differs from the committed one in {', '.join(changed) or 'settings'}")
    table = Table("number", "committed", "here", "difference", box=box.SIMPLE_HEAD, pad_edge=False)
    for file, name, before, value in differing_numbers():
        both = before is not None and value is not None
        difference = f"{value - before:+.3g}" if both and value is not None and before is not None else ""
        table.add_row(f"{file.split('/')[1]}: {name}", _shown(before), _shown(value), difference)
    Console().print(table if table.row_count else "every number of metrics.json is the committed one")


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.6g}"


if __name__ == "__main__":
    main()
