"""A Hydra application with a trivial objective; what it does besides is chosen by `mood`."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from ratchet.compat.hydra import VERSION_BASE
from ratchet.errors import TrialPruned
from ratchet.search.processes.channel import TrialContext, current_trial


@hydra.main(**VERSION_BASE, config_path="conf", config_name="quadratic")
def main(config: DictConfig) -> float:
    value = -((config.x - 0.3) ** 2)
    Path(HydraConfig.get().runtime.output_dir, "ran").touch()
    trial = current_trial()
    for step in range(1, config.steps + 1):
        time.sleep(config.seconds / config.steps)
        if trial is not None:
            report(trial, step, value)
    act(str(config.mood))
    return math.nan if str(config.mood) == "nan" else value


def report(trial: TrialContext, step: int, value: float) -> None:
    try:
        trial.report(step, value)
    except TrialPruned:
        Path(HydraConfig.get().runtime.output_dir, "pruned").write_text(f"{os.getpid()} {time.monotonic()}")
        raise


def act(mood: str) -> None:
    """The ways a training can go wrong."""
    if mood == "raise":
        raise ValueError("it does not go")
    if mood == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if mood == "parent":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        Path(HydraConfig.get().runtime.output_dir, "child").write_text(str(child.pid))
    if mood in {"hang", "deaf", "parent"}:
        if mood == "deaf":
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            time.sleep(600)
        except KeyboardInterrupt as error:
            Path(HydraConfig.get().runtime.output_dir, "ended_by").write_text(type(error).__name__)
            raise
    if mood == "memory":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
        bytearray(2**31)
    if mood == "disk":
        with Path("/dev/full").open("wb", buffering=0) as full:
            full.write(b"x")
    if mood == "exit":
        sys.exit(3)


if __name__ == "__main__":
    main()
