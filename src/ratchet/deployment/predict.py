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
from ratchet.config.grammar import assignment
from ratchet.config.hints import to_type
from ratchet.csv_files import csv_line
from ratchet.data.staging import scratch_beside, storage_errors
from ratchet.deployment.inputs import Inputs, open_inputs
from ratchet.deployment.predictor import Predictor
from ratchet.errors import FileError, RatchetError
from ratchet.files import read_json, shown
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
    _refuse(output, record, given)
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
        notes = predictor.notes + tuple(
            f"{said} ({_rows(count)})" if count else said for said, count in inputs.notes.items()
        )
        content = _record(predictor, given, counts.total(), counts[""], notes)
        (scratch / record.name).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        (scratch / record.name).replace(record)
        new.replace(output)
    classes = dict(counts) if predictor.task.target.kind == "class" else None
    return Predicted(output, record, counts.total(), classes, notes)


def _refuse(output: Path, record: Path, given: str) -> None:
    """Raise RatchetError where something would be lost that is no earlier prediction."""
    written = {output.resolve(), record.resolve()}
    if output.suffix != ".csv" or output.is_dir() or (given != "-" and Path(given).resolve() in written):
        another = output.with_name(f"{output.stem}_predicted.csv")
        raise RatchetError(f"output={output}: allowed: a file .csv that is not the input; {_to_type_output(another)}")
    try:
        before = read_json(record) if record.exists() or record.is_symlink() else None
    except (OSError, FileError):
        before = ()
    if before is not None and not (isinstance(before, dict) and {"input", "rows", "checkpoint"} <= before.keys()):
        another = output.with_name(f"{output.stem}_predicted.csv")
        raise RatchetError(
            f"{record} is there and is no record of a prediction; it would be lost; {_to_type_output(another)}"
        )


def _to_type_output(path: Path) -> str:
    """What to type for another output."""
    return f"type: {to_type(assignment('output', str(path)))}"


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def _lines(predictor: Predictor, inputs: Inputs, counts: Counter[str]) -> Iterator[str]:
    """The lines of predictions.csv; `counts` of decisions are filled on the way, of classes by their names."""
    of_classes = predictor.task.target.kind == "class"
    with closing(inputs.batches()) as batches:
        for number, (ids, x) in enumerate(batches):
            header, rows = _table(predictor, predictor.predict(x))
            if not number:
                yield csv_line(["id", *header])
            decided = header.index("predicted") if "predicted" in header else 0
            for name, row in zip(ids, rows, strict=True):
                counts[str(row[decided]) if of_classes else "rows"] += 1
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
