"""The tables of docs/results.md, what is reached on test splits: train each recipe on each seed, evaluate, print.

    python scripts/accuracy_table.py                   everything; runs that are complete are not trained again
    python scripts/accuracy_table.py mnist1d           one data set
    python scripts/accuracy_table.py tables            all data sets that are tables, beside boosted trees
    python scripts/accuracy_table.py --write           also put the tables into docs/results.md
    python scripts/accuracy_table.py --minutes         only the minutes: each recipe once, alone

A recipe is `data=<data> model=<model>` with the values of conf/tuned/, which were chosen on validation data, and with
nothing of params.yaml. The test split is opened once for each finished run, by evaluate.
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ratchet.config.composition import config_hash, load_config
from ratchet.project import Project
from ratchet.runs import RunDirectory, RunRecord

ALONE = "params=null"
BEGIN, END = "<!-- accuracy table: begin -->", "<!-- accuracy table: end -->"


@dataclass(frozen=True)
class Recipe:
    """One row of the table."""

    data: str
    model: str
    published: str
    seeds: int
    at_once: int  # runs side by side on two cores
    metric: str = "accuracy"
    more: tuple[str, ...] = ()  # to type

    @property
    def overrides(self) -> list[str]:
        """What is typed after `python src/train.py`: conf/ alone, whatever params.yaml says."""
        return [ALONE, f"data={self.data}", f"model={self.model}", *self.more]


RECIPES = [
    Recipe("mnist1d", "logistic", "32", 5, 2),
    Recipe("mnist1d", "mlp", "68", 5, 2),
    Recipe("mnist1d", "cnn", "94", 5, 2),
    Recipe("mnist1d", "gru", "91", 5, 2),
    Recipe("mnist1d", "transformer", "", 5, 2),
    Recipe("fashion_mnist", "logistic", "", 1, 1),
    Recipe("fashion_mnist", "cnn", "", 1, 1),
    Recipe("fashion_mnist", "resnet", "", 1, 1),
]

MEASURED = {
    "credit": "auroc", "lending_club": "auroc", "hpc": "accuracy", "movielens": "average_precision", "ames": "r2",
    "concrete": "r2", "bikeshare": "r2",
}  # fmt: skip
NETS = ("mlp", "tabm")
TABLES = [
    Recipe(data, model, "", 5, 2, metric, (f"objective.metric=validation/{metric}", "trainer.max_epochs=30"))
    for data, metric in MEASURED.items()
    for model in NETS
]
TABLES_BEGIN, TABLES_END = "<!-- tables: begin -->", "<!-- tables: end -->"


def main() -> None:
    """Measure what is missing, and print the tables."""
    project = Project.find()
    names = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    everything = [recipe for recipe in [*RECIPES, *TABLES] if not names or recipe.data in names]
    chosen = TABLES if names == ["tables"] else everything
    for data in dict.fromkeys(recipe.data for recipe in chosen):
        for stage in ("fetch", "prepare"):
            subprocess.run([sys.executable, f"src/{stage}.py", ALONE, f"data={data}"], cwd=project.root, check=True)
    if "--minutes" in sys.argv:
        measure_minutes(project, chosen)
        return
    for recipe in chosen:
        missing = [seed for seed in range(recipe.seeds) if not is_measured(project, recipe, seed)]
        with ThreadPoolExecutor(recipe.at_once) as pool:
            list(pool.map(lambda seed, recipe=recipe: measure(project, recipe, seed), missing))
    ours = [recipe for recipe in chosen if recipe in TABLES]
    others = [recipe for recipe in chosen if recipe not in TABLES]
    for recipes, rows, begin, end in ((others, table, BEGIN, END), (ours, beside_trees, TABLES_BEGIN, TABLES_END)):
        if not recipes:
            continue
        text = "\n".join(rows(project, recipes))
        print(text)
        if "--write" in sys.argv:
            page = project.root / "docs" / "results.md"
            before, _, rest = page.read_text(encoding="utf-8").partition(begin)
            after = rest.partition(end)[2]
            page.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


def directory(project: Project, recipe: Recipe, seed: int) -> RunDirectory:
    """Where the run of one recipe and seed lies."""
    return RunDirectory(project.runs / "accuracy" / f"{recipe.data}_{recipe.model}" / f"seed{seed}")


def settings(recipe: Recipe, seed: int) -> list[str]:
    """What is typed after `python src/train.py` for one seed."""
    return [*recipe.overrides, f"seed={seed}", "logger=csv", "trainer.progress=none"]


def is_measured(project: Project, recipe: Recipe, seed: int) -> bool:
    """Whether a run with this very config was trained and evaluated before."""
    run = directory(project, recipe, seed)
    if not (run.evaluation / "metrics.json").is_file():
        return False
    record = RunRecord.read(run)
    same = record.config_hash == config_hash(load_config(project, settings(recipe, seed)))
    return same and record.status == "completed"


def measure(project: Project, recipe: Recipe, seed: int) -> None:
    """Train and evaluate one run."""
    run = directory(project, recipe, seed)
    print(f"training {recipe.data} {recipe.model} seed {seed}", file=sys.stderr, flush=True)
    train = [sys.executable, "src/train.py", *settings(recipe, seed), f"hydra.run.dir={run.path}"]
    for command in (train, [sys.executable, "src/evaluate.py", ALONE, f"run={run.path}"]):
        subprocess.run(command, cwd=project.root, check=True, stdout=subprocess.DEVNULL)


def measure_minutes(project: Project, recipes: list[Recipe]) -> None:
    """Train one seed of each recipe, one after another and nothing beside it, and write its minutes into the table."""
    page = project.root / "docs" / "results.md"
    for recipe in recipes:
        with tempfile.TemporaryDirectory() as folder:
            run = RunDirectory(Path(folder) / "run")
            train = [sys.executable, "src/train.py", *settings(recipe, 0), f"hydra.run.dir={run.path}"]
            subprocess.run(train, cwd=project.root, check=True, stdout=subprocess.DEVNULL)
            minutes = RunRecord.read(run).timings["fit"] / 60
        print(f"{recipe.data} {recipe.model}: {minutes:.2f} minutes", flush=True)
        text = with_minutes(page.read_text(encoding="utf-8"), recipe, minutes)
        page.write_text(text, encoding="utf-8")


def with_minutes(text: str, recipe: Recipe, minutes: float) -> str:
    """The page with other minutes, the last column, in the row of a recipe."""
    row = re.escape(f"| {recipe.data} | {recipe.model} |")
    return re.sub(rf"^({row}.*\|) [\d.]+ \|$", rf"\g<1> {minutes:.1f} |", text, flags=re.MULTILINE)


def table(project: Project, recipes: list[Recipe]) -> Iterator[str]:
    """The rows, in Markdown. Spread: the standard deviation over seeds. No validation figure: refitted on it too."""
    yield "| data | model | parameters | seeds | validation % | test % | published % | minutes a run |"
    yield "|---|---|---:|---:|---:|---:|---:|---:|"
    for recipe in recipes:
        runs = [directory(project, recipe, seed) for seed in range(recipe.seeds)]
        records = [RunRecord.read(run) for run in runs]
        test = [100 * read_metric(run, recipe) for run in runs]
        validation = [100 * record.best.value for record in records if record.best is not None]
        minutes = statistics.median(record.timings["fit"] for record in records) / 60
        yield (
            f"| {recipe.data} | {recipe.model} | {records[0].parameters:,} | {recipe.seeds} | {spread(validation)} "
            f"| {spread(test)} | {recipe.published or '–'} | {minutes:.1f} |"
        )


def beside_trees(project: Project, recipes: list[Recipe]) -> Iterator[str]:
    """A row for each table: the baselines of evaluate and the nets on the same test split; the spread is over seeds."""
    yield f"| data | metric | linear | boosted trees | {' | '.join(NETS)} |"
    yield f"|---|---|---:|---:|{'---:|' * len(NETS)}"
    for data in dict.fromkeys(recipe.data for recipe in recipes):
        rows = [recipe for recipe in recipes if recipe.data == data]
        runs = {recipe.model: [directory(project, recipe, seed) for seed in range(recipe.seeds)] for recipe in rows}
        first = json.loads((next(iter(runs.values()))[0].evaluation / "metrics.json").read_text(encoding="utf-8"))
        simple = {each["name"]: each[rows[0].metric] for each in first["baselines"]}
        linear = next(value for name, value in simple.items() if name.endswith("regression"))
        nets = [spread([read_metric(run, recipe) for run in runs[recipe.model]], digits=3) for recipe in rows]
        cells = [data, rows[0].metric, f"{linear:.3f}", f"{simple['gradient boosting']:.3f}", *nets]
        yield f"| {' | '.join(cells)} |"


def read_metric(run: RunDirectory, recipe: Recipe) -> float:
    """A recipe's metric on the test split, as one evaluation found it."""
    return float(json.loads((run.evaluation / "metrics.json").read_text(encoding="utf-8"))[recipe.metric])


def spread(values: list[float], *, digits: int = 1) -> str:
    """Mean and standard deviation, where there is more than one value."""
    if not values:
        return "–"
    mean = f"{statistics.mean(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ± {statistics.stdev(values):.{digits}f}"


if __name__ == "__main__":
    main()
