"""The peer: hydra-optuna-sweeper, with a template-style train function. $STEPS, $TRIALS and $LAUNCHER say how."""

from __future__ import annotations

import os
from pathlib import Path

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

STEPS, TRIALS = int(os.environ["STEPS"]), int(os.environ["TRIALS"])
NODE = {
    "defaults": ["_self_", {"override hydra/sweeper": "optuna"}, {"override hydra/launcher": os.environ["LAUNCHER"]}],
    "lr": 0.01, "weight_decay": 0.01, "width": 32, "dropout": 0.0, "steps": STEPS,
    "hydra": {"sweeper": {
        "sampler": {"seed": 0}, "direction": "maximize", "n_trials": TRIALS, "n_jobs": 2,
        "params": {
            "lr": "tag(log, interval(1e-4, 1e-1))", "weight_decay": "tag(log, interval(1e-5, 1e-1))",
            "width": "int(interval(8, 48))", "dropout": "interval(0.0, 0.5)",
        },
    }},
}  # fmt: skip
if os.environ["LAUNCHER"] == "joblib":
    NODE["hydra"]["launcher"] = {"n_jobs": 2}  # type: ignore[index]
ConfigStore.instance().store(name="peer", node=NODE)


@hydra.main(version_base="1.3", config_path=None, config_name="peer")
def main(config: DictConfig) -> float:
    from template import train

    settings = {str(key): value for key, value in config.items()}
    return train(settings, Path(HydraConfig.get().runtime.output_dir))


if __name__ == "__main__":
    main()
