"""How much slower is a full training run than a bare torch loop that does the same arithmetic?

Both train the same network from the same prepared arrays with the same batch size, optimizer and schedule, validate
once an epoch, in one process at the same number of threads, in turn: bare, Ratchet, bare, Ratchet, ... Ratchet's run is
whole: run.json, metrics.csv, checkpoints, display. The ratio is of the medians; Ratchet's time begins before the data
is opened and ends when run.json is written.

    python bench/training.py                 both data sets (prepared already: src/fetch.py, src/prepare.py)
    python bench/training.py data=mnist1d    one
"""

from __future__ import annotations

import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch.nn import functional

from ratchet.config.composition import load_config
from ratchet.config.schema import Config
from ratchet.data.prepared import PreparedData
from ratchet.models import build_model
from ratchet.project import Project
from ratchet.runs import RunDirectory
from ratchet.terminal.quiet import quiet_libraries
from ratchet.training.batches import EvaluationBatches, as_tensors
from ratchet.training.optimizers import build_optimizer
from ratchet.training.train import train

CASES = {
    "mnist1d": ["data=mnist1d", "model=cnn", "trainer.max_epochs=30", "trainer.batch_size=100"],
    "fashion_mnist": ["data=fashion_mnist", "model=cnn", "trainer.max_epochs=1", "trainer.max_steps=120"],
}
PLAIN = [  # what the bare loop leaves out
    *(f"augmentation.{name}=0" for name in ("shift", "flip", "rotate", "scale", "noise", "cutout", "mixup")),
    *("loss.label_smoothing=0", "scheduler=one_cycle", "logger=csv", "trainer.progress=none"),
]
ALLOWED = {"mnist1d": 1.4, "fashion_mnist": 1.05}


def bare(config: Config, project: Project) -> float:
    """Seconds of the loop that a person would write by hand."""
    began = time.perf_counter()
    torch.set_num_threads(config.trainer.threads)
    data = PreparedData.open(project.prepared(config.data.name), reader="train", config=config.data)
    (x, y), validation = as_tensors(data.split("train")), as_tensors(data.split("validation"))
    torch.manual_seed(config.seed)
    network = build_model(config.model, input_shape=tuple(data.shape), n_classes=len(data.classes))
    optimizer = build_optimizer(config.optimizer, network.parameters())
    steps, size = 0, config.trainer.batch_size
    total = min(config.trainer.max_steps or 10**9, (config.trainer.max_epochs or 1) * -(-len(x) // size))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.optimizer.lr, total_steps=total + 1)
    while steps < total:
        order = torch.randperm(len(x))
        network.train()
        for start in range(0, len(x), size):
            chosen = order[start : start + size]
            loss = functional.cross_entropy(network(x[chosen]), y[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            steps += 1
            if steps == total:
                break
        network.eval()
        with torch.inference_mode():
            logits = torch.cat([network(part) for part, _ in EvaluationBatches(*validation)])
            functional.cross_entropy(logits, validation[1]).item()
            (logits.argmax(1) == validation[1]).float().mean().item()
    return time.perf_counter() - began


def whole(config: Config, project: Project) -> float:
    """Seconds of Ratchet's run, the run directory included."""
    with tempfile.TemporaryDirectory() as folder:
        run = RunDirectory(Path(folder) / "run")
        run.path.mkdir()
        began = time.perf_counter()
        with quiet_libraries(run.log):
            train(config, run=run, project=project)
        return time.perf_counter() - began


def main() -> None:
    project = Project.find()
    wanted = [argument.removeprefix("data=") for argument in sys.argv[1:] if argument.startswith("data=")]
    repeats = 5
    table = Table(title="a full run against a bare torch loop, one process, equal threads")
    for column in ("data", "bare s", "Ratchet s", "ratio", "pairwise", "aim", "peak MB"):
        table.add_column(column, justify="right")
    for name in wanted or CASES:
        config = load_config(project, ["params=null", *CASES[name], *PLAIN])
        bare(config, project), whole(config, project)  # the first of each pays for imports
        pairs = [(bare(config, project), whole(config, project)) for _ in range(repeats)]
        ratios = sorted(ours / theirs for theirs, ours in pairs)
        theirs, ours = (statistics.median(column) for column in zip(*pairs, strict=True))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        spread = f"{ratios[0]:.2f} to {ratios[-1]:.2f}"
        row = (f"{theirs:.2f}", f"{ours:.2f}", f"{ours / theirs:.2f}", spread, f"{ALLOWED[name]:.2f}", f"{peak:.0f}")
        table.add_row(name, *row)
    Console().print(table)


if __name__ == "__main__":
    main()
