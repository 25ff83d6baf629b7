"""What a pruner loses and saves, in hundreds of orders of trainings that were recorded once.

python bench/search.py pruner pruners=none seeds=10 kept=<folder>   records them: searches that nothing was pruned of
python bench/orders.py kept=<folder>                                replays them: orders=200 pruners=halving,median

A replay draws trials from the searches, each at about the place that it had in its own, so that a sampler's progress
stays; two run at once. The paces of trainings differ by a third, and on a busy machine those of single reports by the
factor 3 besides. What a pruner ended cannot be the best: the loss is the difference to the best of all that were drawn.
"""

from __future__ import annotations

import csv
import heapq
import math
import random
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

import optuna
import yaml
from optuna.trial import TrialState
from rich.console import Console
from rich.table import Table

from ratchet.search.halving import LENGTH
from ratchet.search.space.samplers import build_pruner
from ratchet.search.space.settings import SweepSettings

ROOT = Path(__file__).resolve().parents[1]
Curve = tuple[float, ...]  # the objective at each validation
NEAR = 2  # places by which a drawn trial may be off its own
SIZES, AT_ONCE = (6, 12, 24), 2


def recorded(kept: Path) -> list[list[Curve]]:
    """The searches, each with the learning curves of its trials in their order."""
    searches = [folder for folder in sorted(kept.glob("none_*/study")) if (folder / "trials.csv").is_file()]
    return [found for folder in searches if len(found := _curves(folder)) >= max(SIZES)]


def _curves(folder: Path) -> list[Curve]:
    with (folder / "trials.csv").open(encoding="utf-8") as stream:
        numbers = sorted(int(row["number"]) for row in csv.DictReader(stream) if row["state"] == "complete")
    return [_curve(folder / str(number) / "metrics.csv") for number in numbers]


def _curve(file: Path) -> Curve:
    with file.open(encoding="utf-8") as stream:
        values = [row["validation/accuracy"] for row in csv.DictReader(stream)]
    return tuple(float(value) for value in values if value)


def drawn(searches: Sequence[Sequence[Curve]], count: int, draw: random.Random) -> list[Curve]:
    """So many trials, none twice."""
    left = [(place, curve) for search in searches for place, curve in enumerate(search)]
    chosen = []
    for place in range(count):
        near = [index for index, (own, _) in enumerate(left) if abs(own - place) <= NEAR]
        chosen.append(left.pop(draw.choice(near or range(len(left))))[1])
    return chosen


def replay(curves: Sequence[Curve], study: optuna.Study, draw: random.Random, *, busy: bool) -> tuple[float, float]:
    """What the best that is left lacks, and the share of all reports that were made."""
    pace = [math.exp(draw.gauss(0, 0.3)) for _ in curves]
    reports: list[tuple[float, int, int]] = []  # when, of which trial, which of its reports
    trials: list[optuna.Trial] = []
    made, best = 0, -math.inf

    def next_report(now: float, number: int, step: int) -> None:
        took = pace[number] / len(curves[number]) * math.exp(draw.gauss(0, 1.1 if busy else 0.1))
        heapq.heappush(reports, (now + took, number, step))

    def start(now: float) -> None:
        if len(trials) < len(curves):
            trials.append(study.ask())
            trials[-1].set_user_attr(LENGTH, len(curves[trials[-1].number]))
            next_report(now, trials[-1].number, 1)

    for _ in range(AT_ONCE):
        start(0.0)
    while reports:
        now, number, step = heapq.heappop(reports)
        curve, made = curves[number], made + 1
        trials[number].report(curve[step - 1], step)
        pruned = trials[number].should_prune()
        if pruned:
            study.tell(trials[number], state=TrialState.PRUNED)
        elif step == len(curve):
            best = max(best, *curve)
            study.tell(trials[number], max(curve))
        else:
            next_report(now, number, step + 1)
            continue
        start(now)
    return max(max(curve) for curve in curves) - best, made / sum(map(len, curves))


def replays(
    searches: Sequence[Sequence[Curve]], pruner: str, count: int, orders: int, *, busy: bool
) -> list[tuple[float, float]]:
    """What so many orders give. The same draws for every pruner."""
    settings = yaml.safe_load((ROOT / "sweeps" / "pruner" / f"{pruner}.yaml").read_text(encoding="utf-8"))
    found = []
    for order in range(orders):
        draw = random.Random(f"{count} {order}")
        study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
        study.pruner = build_pruner(SweepSettings(pruner=settings), objectives=1)
        found.append(replay(drawn(searches, count, draw), study, draw, busy=busy))
    return found


def main() -> None:
    given = dict(argument.split("=", 1) for argument in sys.argv[1:])
    if "kept" not in given:
        sys.exit(__doc__)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    searches, orders = recorded(Path(given["kept"])), int(given.get("orders", 200))
    if not searches:
        sys.exit(f"{given['kept']} has no search of {max(SIZES)} trials; the first line above says how to record some")
    made = Table(title=f"{orders} orders of the trials of {len(searches)} searches, {AT_ONCE} at a time")
    for column in ("pruner", "machine", "trials", "loss", "±", "worse by 0.01", "share of the reports"):
        made.add_column(column, justify="left" if column in {"pruner", "machine"} else "right")
    for pruner in given.get("pruners", "halving").split(","):
        for busy in (False, True):
            for count in SIZES:
                losses, shares = zip(*replays(searches, pruner, count, orders, busy=busy), strict=True)
                error = statistics.stdev(losses) / math.sqrt(orders)
                much = sum(loss > 0.0099 for loss in losses) / orders
                numbers = (f"{statistics.fmean(losses):.4f}", f"{error:.4f}", f"{much:.2f}")
                machine = "busy" if busy else "quiet"
                made.add_row(pruner, machine, str(count), *numbers, f"{statistics.fmean(shares):.2f}")
    Console(width=110).print(made)


if __name__ == "__main__":
    main()
