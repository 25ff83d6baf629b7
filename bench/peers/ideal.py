"""The ideal: a bare torch loop with metrics and checkpoints in two preloaded processes, TPE and our pruner in memory.

$STEPS, $TRIALS and $FOLDER say how.
"""

from __future__ import annotations

import csv
import multiprocessing
import os
import statistics
import sys
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import optuna
import torch
from template import BATCH, arrays, network, note
from torch.nn import functional
from torch.optim.lr_scheduler import OneCycleLR

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))
from ratchet.search.halving import LENGTH, HalvingPruner

STEPS, TRIALS = int(os.environ["STEPS"]), int(os.environ["TRIALS"])


def loop(config: dict[str, Any], folder: Path, pipe: Connection) -> float:
    """What a person would write by hand. Returns the best accuracy of validation."""
    note()
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    (x, y), validation = arrays("train"), arrays("validation")
    net = network(config["width"], config["dropout"])
    optimizer = torch.optim.AdamW(net.parameters(), lr=config["lr"], weight_decay=config["weight_decay"])
    schedule = OneCycleLR(optimizer, config["lr"], total_steps=STEPS, pct_start=0.2)
    best, losses, order = 0.0, [], torch.randperm(len(x))
    with (folder / "metrics.csv").open("w") as stream:
        rows = csv.writer(stream)
        for step in range(1, STEPS + 1):
            start = (step - 1) * BATCH % len(x)
            order = torch.randperm(len(x)) if start == 0 else order
            chosen = order[start : start + BATCH]
            loss = functional.cross_entropy(net(x[chosen]), y[chosen])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            losses.append(loss.detach())
            if step % 100 and step < STEPS:
                continue
            accuracy = evaluate(net, *validation)
            rows.writerow([step, statistics.fmean(map(float, losses)), accuracy])
            losses.clear()
            torch.save([net.state_dict(), optimizer.state_dict()], folder / "last.ckpt")
            if accuracy > best:
                best = accuracy
                torch.save(net.state_dict(), folder / "best.ckpt")
            pipe.send((step // 100, accuracy))
            if pipe.recv() == "prune":
                break
    return best


def evaluate(net: torch.nn.Module, x: torch.Tensor, y: torch.Tensor) -> float:
    """Accuracy."""
    net.eval()
    with torch.inference_mode():
        accuracy = float((net(x).argmax(1) == y).float().mean())
    net.train()
    return accuracy


def serve(pipe: Connection) -> None:
    """Run one trial after another in this process."""
    torch.set_num_threads(1)
    while (given := pipe.recv()) is not None:
        config, folder = given
        pipe.send(loop(config, folder, pipe))


def ask(study: optuna.Study, pipe: Connection) -> optuna.Trial:
    """Send a new trial to a free process."""
    trial = study.ask()
    trial.set_user_attr(LENGTH, STEPS // 100)
    config = {
        "lr": trial.suggest_float("lr", 1e-4, 1e-1, log=True),
        "weight_decay": trial.suggest_float("weight_decay", 1e-5, 1e-1, log=True),
        "width": trial.suggest_int("width", 8, 48),
        "dropout": trial.suggest_float("dropout", 0.0, 0.5),
    }
    pipe.send((config, Path(os.environ["FOLDER"]) / str(trial.number)))
    return trial


def main() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.TPESampler(seed=0)
    study = optuna.create_study(direction="maximize", sampler=sampler, pruner=HalvingPruner())
    pairs = [multiprocessing.Pipe() for _ in range(2)]
    for _, theirs in pairs:
        multiprocessing.Process(target=serve, args=(theirs,), daemon=True).start()
    running = {ours: ask(study, ours) for ours, _ in pairs}
    pruned: set[int] = set()
    while running:
        for pipe in wait(list(running)):
            assert isinstance(pipe, Connection)
            trial, message = running[pipe], pipe.recv()
            if isinstance(message, tuple):
                trial.report(message[1], message[0])
                if trial.should_prune():
                    pruned.add(trial.number)
                pipe.send("prune" if trial.number in pruned else "go")
                continue
            over = trial.number in pruned
            state = optuna.trial.TrialState.PRUNED if over else optuna.trial.TrialState.COMPLETE
            study.tell(trial, None if over else message, state=state)
            del running[pipe]
            if len(study.trials) < TRIALS:
                running[pipe] = ask(study, pipe)
            else:
                pipe.send(None)
    print(study.best_value)


if __name__ == "__main__":
    main()
