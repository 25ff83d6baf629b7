"""Ctrl-C at random moments of a sweep and of a training: does each end at once, with one line, leaving nothing behind?

python scripts/check_interrupts.py                          200 of them, half of a sweep and half of a training
python scripts/check_interrupts.py count=20 at_once=2 seed=1 signal=SIGTERM

The signal goes to the command's process group, as a terminal sends it. The moments are drawn from the whole life of the
command, every second one from its beginning, where most is set up. One that comes when all is done, or before Python
runs the script's first line (it then says so itself, in words of its own), is counted apart and drawn again.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
TRAINING = ["data=digits", "model=mlp", "logger=csv", "trainer.max_epochs=40"]
COMMANDS = {
    "sweep": ["-m", "sweep=learning_rate", "sweep.n_trials=4", "sweep.n_jobs=2", *TRAINING],
    "training": TRAINING,
}
OURS = ("note: ", "study ", "[", "interrupted", "ended by ")  # how lines on stderr begin
MARK = "RATCHET_CHECK"  # an environment variable by which what a command left behind is known
BEGINNING = 3.0  # seconds
PROMPT = 30.0  # seconds from the signal to the end: a sweep's running trials, which take a second, may finish
GONE = 5.0  # seconds that what was killed has to disappear


@dataclass
class Seen:
    """What one signal came to: `wrong` names each thing that should not be."""

    moment: float
    seconds: float
    status: int | None
    output: str
    wrong: list[str] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """One word for the table: what counts is right or wrong."""
        if self.status == 0:
            return "too late"
        if self.status not in {None, 0} and self.moment < BEGINNING and not _is_ours(self.output):
            return "too early"
        return "wrong" if self.wrong else "right"


def _is_ours(output: str) -> bool:
    """Whether the script had begun: it said something, or a traceback has a line of it."""
    return f"{ROOT}/src/" in output or any(line.startswith(OURS) for line in output.splitlines())


def typed(what: str, folder: Path) -> list[str]:
    """The command, with a directory of its own."""
    place = "hydra.sweep.dir" if what == "sweep" else "hydra.run.dir"
    return [sys.executable, str(ROOT / "src" / "train.py"), *COMMANDS[what], f"{place}={folder}/{uuid.uuid4().hex}"]


def begin(what: str, folder: Path, mark: str) -> subprocess.Popen[bytes]:
    """Start it in a session of its own."""
    return subprocess.Popen(
        typed(what, folder), cwd=ROOT, env={**os.environ, MARK: mark}, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=(folder / mark).open("wb"),
    )  # fmt: skip


def interrupt(what: str, moment: float, *, number: signal.Signals, folder: Path) -> Seen:
    """Start the command, wait, signal, and look at what came of it."""
    mark = uuid.uuid4().hex
    process = begin(what, folder, mark)
    time.sleep(moment)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
    began = time.monotonic()
    with suppress(subprocess.TimeoutExpired):
        process.wait(PROMPT)
    seconds, status = time.monotonic() - began, process.poll()
    left = left_behind(mark)
    for pid in left:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()
    seen = Seen(moment, seconds, status, (folder / mark).read_text(errors="replace"))
    said = "interrupted" if number == signal.SIGINT else f"ended by {number.name}"
    lines = seen.output.splitlines()
    ends = [line for line in lines if line.partition(";")[0] == said]
    checks = {
        "not prompt": status is None, f"status {status}": status not in {None, 128 + number},
        "a traceback": "Traceback" in seen.output, f"{len(ends)} lines of its end": len(ends) != 1,
        "something else": any(not line.startswith(OURS) for line in lines),
        f"{len(left)} processes left": bool(left) and status is not None,
    }  # fmt: skip
    seen.wrong = [what for what, is_so in checks.items() if is_so]
    return seen


def left_behind(mark: str) -> list[int]:
    """The processes that still carry the mark, once those that are ending have had the time for it."""
    deadline = time.monotonic() + GONE
    while (found := _marked(mark)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def _marked(mark: str) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            is_dead = (entry / "stat").read_text().rpartition(")")[2].split()[0] in "ZX"
            if not is_dead and f"{MARK}={mark}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found


def life(what: str, folder: Path) -> float:
    """Seconds that the command takes when nobody ends it. Exits where it fails."""
    began = time.monotonic()
    process = begin(what, folder, f"whole_{what}")
    if process.wait() != 0:
        sys.exit(f"the {what} fails by itself: {(folder / f'whole_{what}').read_text(errors='replace')}")
    return time.monotonic() - began


def check(what: str, count: int, *, number: signal.Signals, seed: int, at_once: int, folder: Path) -> list[Seen]:
    """So many that count, and those that came too early or too late."""
    draw, seconds = random.Random(f"{what} {seed}"), life(what, folder)
    found: list[Seen] = []
    with ThreadPoolExecutor(at_once) as pool:
        while missing := count - sum(seen.kind in {"right", "wrong"} for seen in found):
            ends = [seconds if k % 2 else min(BEGINNING, seconds) for k in range(len(found), len(found) + missing)]
            moments = [draw.uniform(0, end) for end in ends]
            found += pool.map(lambda moment: interrupt(what, moment, number=number, folder=folder), moments)
    return found


def table(results: Mapping[str, Sequence[Seen]], number: signal.Signals) -> Table:
    """A row for each command."""
    made = Table(title=f"{number.name} at random moments")
    for column in ("of a", "right", "wrong", "too early", "too late", "seconds to the end, median", "longest"):
        made.add_column(column, justify="left" if column == "of a" else "right")
    for what, seen in results.items():
        kinds = Counter(each.kind for each in seen)
        seconds = sorted(each.seconds for each in seen if each.kind in {"right", "wrong"})
        shown = (kinds[kind] for kind in ("right", "wrong", "too early", "too late"))
        made.add_row(what, *map(str, shown), f"{seconds[len(seconds) // 2]:.1f}", f"{seconds[-1]:.1f}")
    return made


def main(given: Mapping[str, str]) -> int:
    """Print the table, and each that was wrong. Returns the exit status."""
    number = signal.Signals[given.get("signal", "SIGINT")]
    count, seed, at_once = (int(given.get(key, usual)) for key, usual in (("count", 200), ("seed", 0), ("at_once", 1)))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # in a background job it is ignored, by what it starts too
    with tempfile.TemporaryDirectory() as name:
        for stage in ("fetch", "prepare"):
            subprocess.run([sys.executable, f"src/{stage}.py", "data=digits"], cwd=ROOT, check=True)
        results = {
            what: check(what, count // 2, number=number, seed=seed, at_once=at_once, folder=Path(name))
            for what in COMMANDS
        }
    Console(width=130).print(table(results, number))
    wrong = [(what, seen) for what, found in results.items() for seen in found if seen.kind == "wrong"]
    for what, seen in wrong:
        print(f"a {what} after {seen.moment:.2f} s: {', '.join(seen.wrong)}\n{seen.output}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(dict(argument.split("=", 1) for argument in sys.argv[1:])))
