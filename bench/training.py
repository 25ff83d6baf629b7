"""How much slower is a full training run than a bare torch loop that does the same arithmetic?

Both train the same network from the same prepared arrays with the same batch size, optimizer and learning rate at
every step, and validate once an epoch, in one process at the same number of threads. They take turns at going first:
bare, Ratchet; Ratchet, bare; ... Ratchet's run is whole: run.json, metrics.csv, checkpoints. Not in it: W&B
(logger=csv) and the display (trainer.progress=none). The ratio is the median of the pairs' ratios; Ratchet's time
begins before the data is opened and ends when run.json is written.

    python bench/training.py                 both data sets
    python bench/training.py data=mnist1d    one
    python bench/training.py repeats=1 trainer.max_epochs=1    fewer pairs than 5; any setting, for both
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch
from environments import prepare
from rich.console import Console
from rich.table import Table
from torch.nn import functional
from torch.optim import Optimizer
from torch.optim.lr_scheduler import OneCycleLR

from ratchet.config.composition import load_config
from ratchet.config.schema import Config
from ratchet.config.sections import OneCycleSchedule
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
    network = build_model(config.model, input_shape=tuple(data.shape), n_outputs=len(data.classes))
    optimizer = build_optimizer(config.optimizer, network.parameters())
    steps, size = 0, config.trainer.batch_size
    total = min(config.trainer.max_steps or 10**9, (config.trainer.max_epochs or 1) * -(-len(x) // size))
    schedule = one_cycle(config, optimizer, total)
    while steps < total:
        order = torch.randperm(len(x))
        network.train()
        for start in range(0, len(x), size):
            chosen = order[start : start + size]
            loss = functional.cross_entropy(network(x[chosen]), y[chosen])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
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


def one_cycle(config: Config, optimizer: Optimizer, total: int) -> OneCycleLR:
    """torch's own, as conf/scheduler/one_cycle.yaml is: it moves the rate alone, not momentum or betas."""
    assert isinstance(config.scheduler, OneCycleSchedule)
    return OneCycleLR(
        optimizer,
        config.optimizer.lr,
        total_steps=total,
        pct_start=config.scheduler.warmup,
        div_factor=config.scheduler.start_divisor,
        final_div_factor=config.scheduler.final_divisor,
        cycle_momentum=False,
    )


def whole(config: Config, project: Project) -> float:
    """Seconds of Ratchet's run, the run directory included."""
    with tempfile.TemporaryDirectory() as folder:
        run = RunDirectory(Path(folder) / "run")
        run.path.mkdir()
        began = time.perf_counter()
        with quiet_libraries(run.log):
            train(config, run=run, project=project)
        return time.perf_counter() - began


def pair(config: Config, project: Project, *, bare_first: bool) -> tuple[float, float]:
    """Seconds of one bare and one whole training, one after the other."""
    if bare_first:
        return bare(config, project), whole(config, project)
    ours = whole(config, project)
    return bare(config, project), ours


def main() -> None:
    project = Project.find()
    given = dict(argument.split("=", 1) for argument in sys.argv[1:])
    names, repeats = [given.pop("data")] if "data" in given else list(CASES), int(given.pop("repeats", 5))
    settings = [f"{key}={value}" for key, value in given.items()]
    prepare(*names)
    table = Table(title="a full run against a bare torch loop, one process, equal threads")
    for column in ("data", "bare s", "Ratchet s", "ratio", "pairs", "aim"):
        table.add_column(column, justify="right")
    for name in names:
        config = load_config(project, ["params=null", *CASES[name], *PLAIN, *settings])
        pair(config, project, bare_first=True)  # the first of each pays for imports
        pairs = [pair(config, project, bare_first=turn % 2 == 0) for turn in range(repeats)]
        ratios = [ours / theirs for theirs, ours in pairs]
        theirs, ours = (statistics.median(column) for column in zip(*pairs, strict=True))
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        row = (f"{theirs:.2f}", f"{ours:.2f}", f"{statistics.median(ratios):.2f}", spread, f"{ALLOWED[name]:.2f}")
        table.add_row(name, *row)
    Console().print(table)


if __name__ == "__main__":
    main()
