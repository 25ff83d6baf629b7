"""The peer: Ray Tune with OptunaSearch and ASHA, two trials at once. $STEPS, $TRIALS, $REUSE and $FOLDER say how."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search import ConcurrencyLimiter
from ray.tune.search.optuna import OptunaSearch

STEPS, TRIALS = int(os.environ["STEPS"]), int(os.environ["TRIALS"])
HERE = str(Path(__file__).parent)


def objective(config: dict[str, Any]) -> None:
    """One trial."""
    sys.path.insert(0, HERE)
    from template import train

    folder = Path(tune.get_context().get_trial_dir())

    def report(step: int, accuracy: float) -> None:
        tune.report({"accuracy": accuracy, "validation": step // 100})

    train({**config, "steps": STEPS}, folder, report)


def main() -> None:
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    space = {
        "lr": tune.loguniform(1e-4, 1e-1), "weight_decay": tune.loguniform(1e-5, 1e-1),
        "width": tune.randint(8, 49), "dropout": tune.uniform(0.0, 0.5),
    }  # fmt: skip
    asha = ASHAScheduler(time_attr="validation", max_t=STEPS // 100, grace_period=3, reduction_factor=3)
    settings = tune.TuneConfig(
        metric="accuracy", mode="max", num_samples=TRIALS, scheduler=asha,
        search_alg=ConcurrencyLimiter(OptunaSearch(seed=0), max_concurrent=2),
        reuse_actors=os.environ["REUSE"] == "1",
    )  # fmt: skip
    run = tune.RunConfig(storage_path=os.environ["FOLDER"], verbose=0)
    results = tune.Tuner(objective, param_space=space, tune_config=settings, run_config=run).fit()
    print(results.get_best_result().metrics["accuracy"])


if __name__ == "__main__":
    main()
