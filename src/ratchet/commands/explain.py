"""`python src/explain.py`: its command line, explanations.csv, the page."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ratchet.commands.predict import chosen_run
from ratchet.csv_files import csv_text
from ratchet.data.folds import Fold
from ratchet.data.prepared import PreparedData
from ratchet.deployment.explain_page import explain_page
from ratchet.deployment.explaining import (
    Explained,
    Importance,
    by_column,
    columns_of,
    explain,
    importances,
    what_is_scored,
)  # fmt: skip
from ratchet.deployment.inputs import open_inputs
from ratchet.deployment.predictor import Predictor
from ratchet.errors import ConfigError, RatchetError
from ratchet.files import shown, write_atomically
from ratchet.project import Project
from ratchet.terminal.keys import typed_keys
from ratchet.training.checkpoint import read_checkpoint, require_same_data

_KEYS = ("input", "run", "rows", "output")
_ROWS = 100
_GAP = 0.02  # from which on attributions do not add up to the score
_ALIKE = 0.7  # from which on a map says little of what was learnt


def main(arguments: Sequence[str]) -> None:
    """Explain. Raises RatchetError."""
    given = typed_keys(arguments, _KEYS, script="explain")
    if "input" not in given:
        raise ConfigError("explain has no rows to explain; type: python src/explain.py input=<file>")
    rows = given.get("rows", str(_ROWS))
    if not rows.isdecimal() or not 0 < int(rows) <= 10_000:
        raise ConfigError(f"rows={rows}; allowed: 1 to 10000, the first ones of input; type: rows={_ROWS}")
    project = Project.find()
    predictor = Predictor.load(chosen_run(given.get("run"), project), project=project)
    if predictor.transform.text is not None:
        raise ConfigError("explain reads numbers, and this run was trained on texts; allowed: runs on tables, arrays")
    ids, x = _first(given["input"], predictor, int(rows))
    found = explain(predictor, x)
    notes = list(_notes(found))
    important = _importances(predictor, project, notes)
    _write(Path(given.get("output", "explanation")), predictor, ids, found, important=important, notes=notes,
           cache=project.cache)  # fmt: skip


def _first(given: str, predictor: Predictor, rows: int) -> tuple[list[Any], np.ndarray]:
    ids, parts = list[Any](), list[np.ndarray]()
    with open_inputs(given, predictor.config, predictor.transform) as inputs, closing(inputs.batches()) as batches:
        for names, x in batches:
            ids, parts = ids + list(names), [*parts, np.asarray(x)]
            if len(ids) >= rows:
                break
    return ids[:rows], np.concatenate(parts)[:rows]


def _notes(found: Explained) -> list[str]:
    notes = []
    if found.gap > _GAP:
        notes.append(f"attributions miss the score by up to {100 * found.gap:.0f} % of its spread: take them roughly")
    if found.alike is not None and found.alike > _ALIKE:
        notes.append(
            f"with mixed weights the map is nearly the same (rank correlation {found.alike:.2f}): it tells of the "
            "input, not of what was learnt"
        )
    return notes


def _importances(predictor: Predictor, project: Project, notes: list[str]) -> list[Importance]:
    """On the validation split; none where it is not there, was trained on, or has no columns."""
    config = predictor.config
    if not columns_of(predictor):
        return []
    if config.trainer.train_on != "train":
        notes.append("no importances: the run was trained on the validation split too")
        return []
    try:
        directory = project.prepared(config.data.name)
        data = PreparedData.open(directory, reader="train", config=config.data, fold=Fold.asked(config))
        require_same_data(read_checkpoint(predictor.run.best_checkpoint), data.data_hash, predictor.run.best_checkpoint)
    except RatchetError as error:
        notes.append(f"no importances: {error}")
        return []
    split = data.split("validation")
    return importances(predictor, np.asarray(split.x), np.asarray(split.y))


def _write(
    folder: Path, predictor: Predictor, ids: list[Any], found: Explained, *, important: list[Importance],
    notes: list[str], cache: Path | None,
) -> None:  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    columns = columns_of(predictor)
    files = ["explanation.html", "explanation.json"]
    if columns:
        files.append("explanations.csv")
        told = zip(ids, found.chosen, found.scores, found.baseline, by_column(found.attributions, columns), strict=True)
        lines = ([name, what_is_scored(predictor.task, int(place)), f"{score:.6g}", f"{base:.6g}",
                  *(f"{each:.6g}" for each in row)] for name, place, score, base, row in told)  # fmt: skip
        text = csv_text(["id", "explained", "score", "baseline", *columns], lines)
        write_atomically(folder / files[-1], text.encode())
    else:
        files.append("attributions.npy")
        with (folder / files[-1]).open("wb") as file:
            np.save(file, found.attributions.astype(np.float32))
    content = {
        **predictor.provenance,
        "rows": len(ids),
        "gap": found.gap,
        "alike_with_mixed_weights": found.alike,
        "importances": [{"column": each.name, **asdict(each.growth), "told": each.told} for each in important],
        "notes": notes,
    }
    write_atomically(folder / files[1], (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())
    page = explain_page(predictor, ids, found, important, notes=notes, cache=cache)
    write_atomically(folder / files[0], page.encode())
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    best = ", ".join(f"{each.name} {each.growth.mean:.3g}" for each in important[:5] if each.told)
    print(f"{len(ids):,} explained{best and f'; the loss grows most without {best}'}; "
          f"{shown(folder / files[0])}, {', '.join(files[1:])}")  # fmt: skip
