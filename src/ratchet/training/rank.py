"""`python -m ratchet.training.rank RUN PROJECT [--resume]`: one further rank of a data-parallel run.

RankLauncher starts it. It trains on the config that rank 0 wrote into the run directory. On its standard output it says
that it is ready and, in one line, what failed; the rest is in the run's log.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from ratchet.project import Project
from ratchet.runs.directory import RunDirectory
from ratchet.runs.record import read_config
from ratchet.terminal.command import one_line
from ratchet.terminal.quiet import quiet_libraries
from ratchet.training.fit import Fit
from ratchet.training.ranks import READY, STATUSES, out_of_touch
from ratchet.training.train import explained


def main(run: RunDirectory, project: Project, *, resume: bool, tell: Callable[[str], None]) -> None:
    """Train beside rank 0."""
    config = read_config(run)
    silent = config.trainer.model_copy(update={"progress": "none", "profile": False})
    with quiet_libraries(run.log), explained(config):
        fit = Fit.assemble(config.model_copy(update={"trainer": silent}), project=project, run=run)
        tell(READY)
        fit.go(fit.trainer([]), resume=resume)


def _channel() -> Callable[[str], None]:
    """The standard output, for rank 0 alone: what else is printed goes to the log."""
    output = os.dup(1)
    os.dup2(2, 1)

    def tell(line: str) -> None:
        os.write(output, f"{line}\n".encode())

    return tell


def _words(error: Exception, run: RunDirectory) -> str:
    line = one_line(error) or f"{' '.join(f'{type(error).__name__}: {error}'.split())}; see {os.path.relpath(run.log)}"
    return line[:2000]  # a pipe takes that much, whether or not it is read


if __name__ == "__main__":
    directory, tell = RunDirectory(Path(sys.argv[1])), _channel()
    try:
        main(directory, Project(Path(sys.argv[2])), resume="--resume" in sys.argv[3:], tell=tell)
    except Exception as error:  # noqa: BLE001 - rank 0 reports it
        traceback.print_exc()
        if not out_of_touch(error):
            tell(_words(error, directory))
        sys.exit(STATUSES.get(type(error), 1))  # type: ignore[arg-type] # most are of other classes
