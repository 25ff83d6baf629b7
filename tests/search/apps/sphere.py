"""An application as it is written for the official Optuna plugin of Hydra."""

from __future__ import annotations

import multiprocessing
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from optuna import Trial

from ratchet import report
from ratchet.compat.hydra import VERSION_BASE


def configure(config: DictConfig, trial: Trial) -> None:
    """A custom search space: z lies near x, and w is not in the config."""
    x = trial.params["x"]
    trial.suggest_float("z", x - config.reach, x + config.reach)
    trial.suggest_categorical("+w", ["a b", "c"])


def torch_loop(config: DictConfig) -> float:
    import torch

    weight = torch.nn.Parameter(torch.tensor(float(config.x)))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    for step in range(1, config.steps + 1):
        optimizer.zero_grad()
        loss = weight**2
        loss.backward()
        optimizer.step()
        report(loss, step, of=config.steps)
    return float(loss)


@hydra.main(**VERSION_BASE, config_path="conf", config_name="sphere")
def main(config: DictConfig) -> Any:
    value = float(config.x) ** 2 + float(config.y) ** 2
    print(f"printed {HydraConfig.get().job.num}")
    if config.mood == "raise" and HydraConfig.get().job.num % 2:
        raise RuntimeError("it does not go")
    if config.mood == "fork":
        child = multiprocessing.get_context("fork").Process(target=report, args=(value, 1))
        child.start()
        child.join(20)
        return float(child.exitcode != 0)
    if config.mood == "torch":
        return torch_loop(config)
    for step in range(1, config.steps + 1):
        report(value, step)
    returned = {
        "float": value, "tuple": (value, config.x), "dict": {"loss": value, "size": 3}, "text": "good",
        "broken": float("nan"), "nothing": None,
    }  # fmt: skip
    return returned.get(config.mood, value)


if __name__ == "__main__":
    main()
