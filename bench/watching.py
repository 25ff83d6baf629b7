"""A command, watched: how long it took, when its jobs started, how much memory all of its processes held at most."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

EVERY = 0.1  # seconds between two looks for the first job
MEMORY_EVERY = 1.0  # seconds between two looks at memory, which cost milliseconds for each process


@dataclass(frozen=True)
class Watched:
    """What was seen."""

    seconds: float
    first_start: float  # seconds from the command to the start of its first job
    peak: float  # megabytes: the largest sum of proportional set sizes over its processes
    notes: tuple[float, ...]  # seconds since the command of each line in $NOTES
    output: str


def watch(
    command: Sequence[str], *, folder: Path, environment: Mapping[str, str] | None = None, jobs: str | None = None
) -> Watched:
    """Run a command that must succeed. Its jobs start when they write to $NOTES, or when files like `jobs` appear."""
    mark, notes = uuid.uuid4().hex, folder / "notes"
    environment = {**os.environ, **(environment or {}), "BENCH_MARK": mark, "NOTES": str(notes)}
    peak, first, over = [0.0], [0.0], threading.Event()
    began, clock = time.perf_counter(), time.time()

    def look() -> None:
        looked = 0.0
        while not over.wait(EVERY):
            if time.perf_counter() - looked > MEMORY_EVERY:
                peak[0], looked = max(peak[0], held(mark)), time.perf_counter()
            if jobs is not None and not first[0] and any(folder.glob(jobs)):
                first[0] = time.perf_counter() - began

    looking = threading.Thread(target=look)
    looking.start()
    try:
        with (folder / "printed").open("w", encoding="utf-8") as stream:  # a pipe would wait for servers left behind
            done = subprocess.run(
                command, env=environment, cwd=folder, stdout=stream, stderr=subprocess.STDOUT, check=False
            )
        seconds = time.perf_counter() - began
    finally:
        over.set()
        looking.join()
    output = (folder / "printed").read_text(encoding="utf-8")
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{output[-3000:]}")
    print(f"{seconds:7.1f} s  {' '.join(command[1:])[:110]}", file=sys.stderr, flush=True)
    noted = tuple(float(line) - clock for line in notes.read_text().splitlines()) if notes.exists() else ()
    return Watched(seconds, first[0] or min(noted, default=0.0), peak[0], noted, output)


def held(mark: str) -> float:
    """Megabytes of all processes with this mark in their environment, pages that are shared counted once."""
    kilobytes = 0
    for directory in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark.encode() in (directory / "environ").read_bytes():
                lines = (directory / "smaps_rollup").read_text(encoding="ascii").splitlines()
                kilobytes += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return kilobytes / 1024
