"""New rows through a run: predictions.csv, and beside it predictions.json, which says what made them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ratchet import __version__
from ratchet.csv_files import csv_line
from ratchet.data.staging import scratch_beside, storage_errors
from ratchet.deployment.inputs import Inputs, open_inputs
from ratchet.deployment.predictor import Predictor
from ratchet.errors import RatchetError
from ratchet.files import shown
from ratchet.project import Project
from ratchet.runs.directory import RunDirectory
from ratchet.tasks import Predictions

_SHOWN = 8


@dataclass(frozen=True)
class Predicted:
    """What was written. counts: how many rows each decision has, of classes; blank ones are called ''."""

    csv: Path
    record: Path
    rows: int
    counts: dict[str, int] | None
    notes: tuple[str, ...]

    def in_words(self) -> str:
        """One line for a person."""
        most = sorted((self.counts or {}).items(), key=lambda each: -each[1])
        told = ", ".join(f"{name or 'blank'} {count:,}" for name, count in most[:_SHOWN])
        more = f" and {len(most) - _SHOWN} more" if len(most) > _SHOWN else ""
        of_each = f" ({told}{more})" if told else ""
        return f"{shown(self.csv)}: {_rows(self.rows)}{of_each}; {shown(self.record)} says what made them"


def predict(
    run: RunDirectory, given: str, *, output: Path, project: Project, coverage: float | None = None
) -> Predicted:
    """Predict every row of the file `given`, in its order; write `output` and, with .json, what made it.

    coverage: rows whose conformal set of this coverage holds several classes have no decision, and the sets are
    written too; None: every row has one. Both files are written whole or not at all. Raises RatchetError.
    """
    record = output.with_suffix(".json")
    if output.is_dir() or output == record or given in {str(output), str(record)}:
        raise RatchetError(f"output={output}: allowed: a file .csv that is not the input; type: output=predictions.csv")
    predictor = Predictor.load(run, project=project, coverage=coverage)
    with (
        open_inputs(given, predictor.config, predictor.transform) as inputs,
        storage_errors(output, command="the same command again"),
        scratch_beside(output) as scratch,
    ):
        counts: Counter[str] = Counter()
        new = scratch / "predictions.csv"
        with new.open("w", encoding="utf-8", newline="") as file:
            file.writelines(_lines(predictor, inputs, counts))
        notes = tuple(f"{said} ({_rows(count)})" if count else said for said, count in inputs.notes.items())
        content = _record(predictor, given, sum(counts.values()), counts[""], notes)
        (scratch / record.name).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        new.replace(output)
        (scratch / record.name).replace(record)
    classes = dict(counts) if predictor.task.target.kind == "class" else None
    return Predicted(output, record, sum(counts.values()), classes, notes)


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def _lines(predictor: Predictor, inputs: Inputs, counts: Counter[str]) -> Iterator[str]:
    """The lines of predictions.csv; `counts` of decisions are filled on the way."""
    with closing(inputs.batches()) as batches:
        for number, (ids, x) in enumerate(batches):
            header, rows = _table(predictor, predictor.predict(x))
            if not number:
                yield csv_line(["id", *header])
            decided = header.index("predicted") if "predicted" in header else 0
            for name, row in zip(ids, rows, strict=True):
                counts[str(row[decided])] += 1
                yield csv_line([name, *row])


def _table(predictor: Predictor, said: Predictions) -> tuple[list[str], Iterable[Sequence[Any]]]:
    """What evaluate's predictions.csv has, but for the label, which nobody knows; and sets where they are asked."""
    header, rows = said.table()
    kept = [place for place, name in enumerate(header) if name != "label"]
    table = ([row[place] for place in kept] for row in rows)
    columns = [header[place] for place in kept]
    if predictor.conformal is None:
        return columns, table
    names = said.classes  # type: ignore[attr-defined] # of tasks that have sets
    sets = predictor.conformal.sets(said)

    def abstaining() -> Iterator[Sequence[Any]]:
        for (decision, *rest), among in zip(table, sets, strict=True):
            yield [
                decision if among.sum() == 1 else "",
                "|".join(name for name, within in zip(names, among, strict=True) if within),
                *rest,
            ]

    return [columns[0], "set", *columns[1:]], abstaining()


def _record(predictor: Predictor, given: str, rows: int, blank: int, notes: Sequence[str]) -> dict[str, Any]:
    sets = predictor.conformal
    return {
        "input": "standard input" if given == "-" else given,
        "rows": rows,
        **predictor.provenance,
        "model": predictor.config.model.name,
        "threshold": predictor.decides_by,
        "conformal": sets and {**asdict(sets), "from": "validation", "blank": blank},
        "notes": list(notes),
        "ratchet": __version__,
    }
