"""How long does a comparison of 2,000 runs take, and how soon is its page open?

The runs are made up: four searches of 500 trials each, files as training writes them. Every figure is the median of
several processes, each with its imports; the page is opened by a headless Chromium without network, until it is drawn.
The processor's seconds stand beside the wall's: on a busy machine only they say something.

    python bench/comparing.py
    python bench/comparing.py runs=200 repeats=3
"""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from made_runs import make_study

REPOSITORY = Path(__file__).parents[1]
MODELS = ("logistic", "mlp", "cnn", "gru")
AIMS = {"the table": 2.0, "the table and the page": None, "opening the page": 3.0}


def seconds(action: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Median wall time and median processor time of the children."""
    walls, busy = [], []
    for _ in range(repeats):
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        action()
        walls.append(time.perf_counter() - began)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        busy.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(walls), statistics.median(busy)


def compare(root: Path, *arguments: str) -> None:
    environment = {**os.environ, "RATCHET_RUNS": str(root / "runs"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(REPOSITORY / "src/compare.py"), f"output={root / 'comparison'}", *arguments]
    subprocess.run(command, check=True, capture_output=True, env=environment, cwd=REPOSITORY)


def open_page(chromium: str, root: Path) -> None:
    page = (root / "comparison/page.html").as_uri()
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND", "--dump-dom"]
    profile = f"--user-data-dir={root / 'profile'}"
    done = subprocess.run([chromium, *flags, profile, page], check=True, capture_output=True, text=True)
    if " runs.</output>" not in done.stdout:
        raise SystemExit("the page did not draw its table")


def main(arguments: list[str]) -> None:
    settings = {"runs": 2000, "repeats": 5} | {
        key: int(value) for key, _, value in (a.partition("=") for a in arguments)
    }
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    table = Table("", "seconds", "of the processor", "aim", title=f"{settings['runs']:,} runs")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for number, model in enumerate(MODELS):
            make_study(root / "runs", f"full_{model}", settings["runs"] // len(MODELS), seed=number, model=model)
        parts: dict[str, Callable[[], object]] = {
            "the table": lambda: compare(root),
            "the table and the page": lambda: compare(root, "--html"),
        }
        if chromium is not None:
            parts["opening the page"] = lambda: open_page(chromium, root)
        for name, action in parts.items():
            wall, busy = seconds(action, settings["repeats"])
            aim = AIMS[name]
            table.add_row(name, f"{wall:.2f}", f"{busy:.2f}", f"< {aim:g}" if aim else "")
        page = root / "comparison/page.html"
        table.caption = f"the page: {page.stat().st_size / 1e6:.1f} MB; opening includes the start of the browser"
    Console().print(table)


if __name__ == "__main__":
    main(sys.argv[1:])
