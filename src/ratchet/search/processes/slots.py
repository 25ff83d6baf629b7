"""Slots: how many trials run at once, and what of the machine each may use."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class Slot:
    """A slot in which one trial runs at a time, with its share of threads and devices."""

    number: int
    threads: int
    gpu: str | None = None  # or several, as CUDA_VISIBLE_DEVICES has them

    @property
    def environment(self) -> tuple[tuple[str, str], ...]:
        """What its processes see of the machine."""
        seen = [(name, str(self.threads)) for name in _THREADS]
        return (*seen, ("CUDA_VISIBLE_DEVICES", self.gpu)) if self.gpu is not None else tuple(seen)


def make_slots(n_jobs: int | None, *, threads: int = 1, devices: int = 1, tickets: int | None = None) -> list[Slot]:
    """Make slots for `n_jobs` trials at once; None: as many as cores and GPUs allow.

    threads: of all processes of a trial. devices: GPUs that a trial uses where there are GPUs. tickets: trials to run.
    """
    gpus = visible_gpus()
    if n_jobs is None:
        n_jobs = max(1, cores() // threads)
        n_jobs = min(n_jobs, max(1, len(gpus) // devices)) if gpus else n_jobs
    n_jobs = min(n_jobs, tickets) if tickets else n_jobs
    share = max(1, cores() // n_jobs)
    groups = [",".join(gpus[at : at + devices]) for at in range(0, max(1, len(gpus) - devices + 1), devices)]
    return [Slot(number, share, groups[number % len(groups)] if gpus else None) for number in range(n_jobs)]


def cores() -> int:
    """Cores that this process may use: of the machine, of its affinity, of its control group."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        return max(1, min(count, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):
        return count


def visible_gpus() -> list[str]:
    """NVIDIA GPUs by index, without loading anything that would claim one."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [name for name in chosen.split(",") if name and name != "-1"]
    return [str(index) for index, _ in enumerate(sorted(Path("/proc/driver/nvidia/gpus").glob("*")))]
