"""A Hydra application under the project's configuration whose task does nothing but note when it ran.

    python bench/apps/empty.py -m hydra/sweeper=ratchet 'seed=range(0,200)' hydra.sweep.dir=<dir>
    python bench/apps/empty.py -m hydra/sweeper=basic 'seed=range(0,200)' hydra.sweep.dir=<dir>

The first line of $NOTES is the end of its imports, each other line a job's start; seconds of the system's clock.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import hydra
from omegaconf import DictConfig

CONF = Path(__file__).resolve().parents[2] / "conf"


def note() -> None:
    """Append the time. One write of a short line is whole, whoever else writes."""
    descriptor = os.open(os.environ["NOTES"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, f"{time.time():.4f}\n".encode())
    os.close(descriptor)


def task(_: DictConfig) -> float:
    """An empty job."""
    note()
    return 0.0


if __name__ == "__main__":
    note()
    hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")(task)()
