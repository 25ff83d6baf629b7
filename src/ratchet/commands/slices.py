"""`python src/slices.py`: its command line, two tables, slices.json."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from ratchet.commands.predict import chosen_run
from ratchet.config.hints import names_in
from ratchet.data.folds import Fold
from ratchet.data.prepared import PreparedData
from ratchet.deployment.predictor import Predictor
from ratchet.deployment.slicing import Slice, groups, rows_of, worst_slices
from ratchet.errors import ConfigError
from ratchet.files import shown, write_atomically
from ratchet.names import suggestion
from ratchet.project import Project
from ratchet.terminal.keys import typed_keys
from ratchet.training.checkpoint import read_checkpoint, require_same_data


def main(arguments: Sequence[str]) -> None:
    """Show groups and slices. Raises RatchetError."""
    given = typed_keys(arguments, ("run", "by", "output"), script="slices")
    project = Project.find()
    run = chosen_run(given.get("run"), project)
    predictor = Predictor.load(run, project=project)
    config, table = predictor.config, predictor.transform.table
    data = PreparedData.open(
        project.prepared(config.data.name), reader="evaluate", config=config.data, fold=Fold.asked(config)
    )
    require_same_data(read_checkpoint(run.best_checkpoint), data.data_hash, run.best_checkpoint)
    test = rows_of(predictor, data, "test")
    assert table is not None
    by, columns = names_in(given.get("by", "")), [rule.column.name for rule in table.rules]
    if wrong := [name for name in by if name not in columns]:
        raise ConfigError(f"by: there is no column {wrong[0]}; {suggestion(wrong[0], columns)}; type: by=[<column>]")
    if config.trainer.train_on != "train":
        print("note: slices are not searched for: the run was trained on the validation split too", file=sys.stderr)
    searched = config.trainer.train_on == "train"
    worst = worst_slices(rows_of(predictor, data, "validation"), test, table, seed=config.seed) if searched else []
    named, metric = groups(test, table, by), "mean error" if predictor.task.target.kind == "number" else "wrong"
    parts = {"groups": named, "worst_slices": worst}
    content = {
        **predictor.provenance, "metric": metric, "rows": len(test.mistakes), "all": float(test.mistakes.mean()),
        **{name: [{**asdict(each), "told": each.told} for each in part] for name, part in parts.items()},
    }  # fmt: skip
    output = Path(given.get("output", "slices.json"))
    write_atomically(output, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())
    if by:
        _show(f"Groups of {', '.join(by)}, on test", named, metric)
    _show("The worst slices of validation, on test", worst, metric)
    told = sum(each.told for each in (*named, *worst))
    total = f"{content['all']:.4g} {metric} of {len(test.mistakes):,} test rows"
    print(f"{total}; {told} of {len(named) + len(worst)} are told from all others; {shown(output)}")


def _show(title: str, found: Sequence[Slice], metric: str) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    if not found:
        return
    table = Table("rows that are", "rows", metric, "interval", "elsewhere", "on validation", "p", "", title=title)
    for each in found:
        interval = "" if each.low is None else f"{each.low:.4g} to {each.high:.4g}"
        before = "" if each.found is None else f"{each.found:.4g}"
        cells = (escape(each.name), f"{each.rows:,}", f"{each.wrong:.4g}", interval, f"{each.elsewhere:.4g}", before)
        table.add_row(*cells, f"{each.p:.4f}", "told" if each.told else "")
    Console(width=None if sys.stdout.isatty() else 140).print(table)
