"""An application with config groups: what its conf/ says, what its models can vary, and its task."""

from __future__ import annotations

from omegaconf import DictConfig

ZOO = {
    "config.yaml": (
        "defaults: [_self_, {model: cnn}, {optimizer: adam}, {override hydra/sweeper: ratchet},"
        " {override hydra/job_logging: none}, {override hydra/hydra_logging: none}]\n"
        "seed: 0\nlr: 0.1\nobjective: {metric: accuracy, direction: maximize}\nhydra: {output_subdir: null}\n"
    ),
    "model/cnn.yaml": "name: cnn\nwidth: 8\nkernel: 3\n",
    "model/gru.yaml": "name: gru\nwidth: 16\ndepth: 1\n",
    "model/mlp.yaml": "name: mlp\nwidth: 32\n",
    "optimizer/adam.yaml": "name: adam\n",
    "optimizer/sgd.yaml": "name: sgd\nmomentum: 0.9\n",
}
SPACES = {  # what each model of the zoo can vary
    "cnn": {"model.width": "range(4,17,4)", "model.kernel": "choice(3,5)"},
    "gru": {"model.width": "range(8,33,8)", "model.depth": "int(interval(1,3))"},
}


def animal(config: DictConfig) -> dict[str, float]:
    """Wider is better, and larger."""
    return {"accuracy": config.model.width / 100 - config.lr, "parameters": float(config.model.width**2)}
