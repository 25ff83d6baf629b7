"""A sweep of the project's configuration with a task that does nothing much: what the search itself costs.

bench/search.py runs this file once for each case, so that memory starts from nothing; it prints JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hydra._internal.callbacks import Callbacks
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig

import ratchet.config.tuned  # noqa: F401 - it registers what conf/ resolves by
from ratchet.project import Project
from ratchet.search.processes.executors import ForkedExecutor
from ratchet.search.processes.slots import Slot
from ratchet.search.space.composer import Composer
from ratchet.search.space.plan import TaskFacts, plan_studies
from ratchet.search.space.settings import SweepSettings
from ratchet.search.worker.display import Display
from ratchet.search.worker.worker import Worker

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from threads import ThreadExecutor

SPACE = {
    "optimizer.lr": "tag(log, interval(1e-4, 1e-1))",
    "optimizer.weight_decay": "tag(log, interval(1e-5, 1e-1))",
    "model.width": "range(8, 65, 8)",
    "model.dropout": "interval(0.0, 0.5)",
}


class Spent:
    """Seconds inside of some methods, calls of one inside of another counted once."""

    def __init__(self) -> None:
        self.seconds, self._depth = 0.0, 0

    def count(self, of: object) -> None:
        """Count every public method of an object from now on."""
        for name in dir(type(of)):
            if not name.startswith("_") and callable(getattr(type(of), name)):
                setattr(of, name, self._counted(getattr(of, name)))

    def _counted(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*given: Any, **named: Any) -> Any:
            began, self._depth = time.perf_counter(), self._depth + 1
            try:
                return method(*given, **named)
            finally:
                self._depth -= 1
                self.seconds += 0 if self._depth else time.perf_counter() - began

        return counted


class Stopwatch(Display):
    """Notes when each trial ended, and how large the worker was then."""

    def __init__(self) -> None:
        self.ended: list[float] = []
        self.cpu: list[float] = []
        self.megabytes: list[float] = []

    def finished(self, *_: Any, **__: Any) -> None:
        """A trial ended."""
        self.ended.append(time.perf_counter())
        self.cpu.append(time.process_time())
        self.megabytes.append(resident())


def resident() -> float:
    """Megabytes of this process."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 2**20


def trivial(config: DictConfig) -> float:
    """An objective."""
    return -((float(config.model.dropout) - 0.3) ** 2)


def sleeping(config: DictConfig) -> float:
    """Equal lengths that no processor bounds."""
    time.sleep(1.0)
    return trivial(config)


def computing(config: DictConfig) -> float:
    """Equal lengths of arithmetic."""
    total = 0
    for number in range(12_000_000):
        total += number
    return trivial(config) + 0 * total


TASKS = {"trivial": trivial, "sleeping": sleeping, "computing": computing}


def sweep(*, trials: int, slots: int, executor: str, task: str, sampler: str) -> dict[str, Any]:
    """Run it in a temporary directory; seconds of each trial's end, and megabytes."""
    root = Project.find().root
    path = create_config_search_path(str(root / "conf"))
    hydra = Hydra.create_main_hydra2("bench", path)
    with tempfile.TemporaryDirectory() as folder:
        overrides = [f"hydra.sweep.dir={folder}", "logger=none"]
        master = hydra.compose_config("config", overrides, RunMode.MULTIRUN, with_log_configuration=False)
        context = HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks())
        composer = Composer(context.config_loader, master)
        settings = SweepSettings.model_validate({
            "n_trials": trials, "space": SPACE, "champion_first": False,
            "sampler": {"_target_": f"optuna.samplers.{sampler}"},
            "objectives": [{"metric": "value", "direction": "maximize"}],
        })  # fmt: skip
        facts = TaskFacts()
        (plan,), _ = plan_studies({"bench": settings}, ["logger=none"], composer=composer, facts=facts)
        plan = type(plan)(**{**vars(plan), "directory": Path(folder)})
        watch = Stopwatch()
        worker = Worker(
            [plan], task=TASKS[task], context=context, composer=composer,
            executor=ForkedExecutor() if executor == "process" else ThreadExecutor(),
            slots=[Slot(number, 1) for number in range(slots)], display=watch, facts=facts,
        )  # fmt: skip
        storage, sampled = Spent(), Spent()
        storage.count(worker.studies[0].study._storage)
        sampled.count(worker.studies[0].study.sampler)
        worker.run()
    return {
        "ended": watch.ended, "cpu": watch.cpu, "megabytes": watch.megabytes,
        "storage": storage.seconds, "sampler": sampled.seconds,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, required=True)
    parser.add_argument("--slots", type=int, default=1)
    parser.add_argument("--executor", choices=["process", "thread"], required=True)
    parser.add_argument("--task", choices=list(TASKS), default="trivial")
    parser.add_argument("--sampler", default="RandomSampler")
    print(json.dumps(sweep(**vars(parser.parse_args()))))


if __name__ == "__main__":
    main()
