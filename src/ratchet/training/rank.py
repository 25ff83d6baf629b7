"""`python -m ratchet.training.rank RUN [--resume]`: one further rank of a data-parallel run.

RankLauncher starts it. It trains on the config that rank 0 wrote into the run directory and reports nothing.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ratchet.project import Project
from ratchet.runs.directory import RunDirectory
from ratchet.terminal.quiet import quiet_libraries
from ratchet.training.checkpoint import read_config
from ratchet.training.fit import Fit


def main(path: str, *, resume: bool) -> None:
    """Train beside rank 0."""
    run = RunDirectory(Path(path))
    config = read_config(run)
    silent = config.trainer.model_copy(update={"progress": "none", "profile": False})
    fit = Fit.assemble(config.model_copy(update={"trainer": silent}), project=Project.find(), run=run)
    with quiet_libraries(run.log):
        fit.go(fit.trainer([]), resume=resume)


if __name__ == "__main__":
    main(sys.argv[1], resume="--resume" in sys.argv[2:])
