"""The model card of an export: its data, its quality, its limits, where it comes from (Mitchell et al. 2019)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ratchet.deployment.predictor import Predictor
from ratchet.errors import FileError
from ratchet.files import read_json
from ratchet.names import listed, short

_CHARACTERS = str.maketrans({"|": "\\|", "<": "&lt;", "\n": " "})  # of names, in a table of Markdown


def model_card(
    predictor: Predictor,
    card: Mapping[str, Any],
    facts: Mapping[str, Any],
    metrics: Path,
    *,
    measured: Mapping[str, float | None],
) -> str:
    """Return the card as Markdown. card: of the prepared data.

    metrics: what evaluate wrote of the run; it may be missing, or of another model than the one `measured` on test.
    """
    parts = [
        [f"# {_name(card['name'])}: {predictor.config.model.name}"],
        _data(predictor, card),
        _quality(metrics, measured),
        _limits(predictor, card),
        _provenance(facts),
    ]
    return "\n".join(line for part in parts for line in part) + "\n"


def _data(predictor: Predictor, card: Mapping[str, Any]) -> Iterator[str]:
    target = predictor.task.target
    counts = ", ".join(f"{name} {counts['total']:,}" for name, counts in card["counts"].items())
    removed = sum(finding["removed"] for finding in card["findings"])
    yield from ("", "## Data", "", f"- Examples: {counts}; {removed:,} left out in cleaning.")
    kinds = {"class": "one of the classes", "labels": "any of the labels", "number": "the number"}
    yield f"- Predicted: {kinds[target.kind]} {_name(listed(map(short, target.names)))}."
    if target.kind == "number":
        yield f"- In training its mean is {target.mean:.6g}, its standard deviation {target.std:.6g}."
    if predictor.transform.table is not None:
        columns = [f"{short(rule.column.name)} ({rule.column.kind})" for rule in predictor.transform.table.rules]
        yield f"- Input: a row of a table with the columns {_name(', '.join(columns))}."
    else:
        yield f"- Input: an array {list(predictor.transform.shape or ())}."
    yield f"- sha256 of the prepared arrays: `{card['data_hash']}`"


def _agree(one: object, other: float | None) -> bool:
    """Whether a metric that evaluate wrote can be this one. None: it cannot be measured."""
    if not isinstance(one, int | float) or other is None:
        return one is None or other is None
    return math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-6)


def _quality(metrics: Path, measured: Mapping[str, float | None]) -> Iterator[str]:
    yield from ("", "## Quality on the test split", "")
    try:
        found = read_json(metrics)
        intervals = found["intervals"]
        if not all(_agree(found.get(name), value) for name, value in measured.items()):
            yield "Not measured: what evaluate wrote is of another model; run it again, then export."
            return
    except (OSError, FileError, KeyError, TypeError):
        yield "Not measured: evaluate has not been run, or what it wrote is damaged."
        return
    yield from ("| metric | value | interval |", "|---|---:|---:|")
    for name, interval in intervals.items():
        value = found.get(name)
        within = "–" if interval is None else f"{interval[0]:.4g} to {interval[1]:.4g}"
        yield f"| {name.replace('_', ' ')} | {'–' if value is None else f'{value:.4g}'} | {within} |"
    yield from ("", *(f"- {_name(note)}" for note in [f"Verdict: {found.get('verdict')}", *found.get("notes", ())]))


def _limits(predictor: Predictor, card: Mapping[str, Any]) -> Iterator[str]:
    yield from ("", "## Limits", "")
    yield "- Measured on rows of the same kind as the training rows; nothing is known of others."
    counts = card["counts"]["train"].get("per_class") or {}
    if rare := [name for name, count in counts.items() if count < 50]:
        yield f"- Fewer than 50 training examples each: {_name(listed(map(short, rare)))}."
    if decides := predictor.decides_by:
        yield f"- Says yes from a probability of {decides['probability']:.4g} on ({decides['from']})."
    if sets := predictor.conformal:
        yield (
            f"- Sets of classes with a probability of {1 - sets.threshold:.4g} at least hold the true one in "
            f"{sets.coverage:.0%} of cases (split-conformal, {sets.examples:,} examples of validation)."
        )
    if predictor.transform.table is not None:
        yield "- A category that the data did not have counts as `other`; an empty cell as the training rows' median."


def _provenance(facts: Mapping[str, Any]) -> Iterator[str]:
    parity, checkpoint = facts["parity"], facts["checkpoint"]
    yield from ("", "## Provenance", "")
    yield f"- Run {facts['run']['id']}, seed {facts['seed']}, `{checkpoint['path']}`, sha256 `{checkpoint['sha256']}`"
    yield (
        f"- model.onnx beside that checkpoint on {parity['examples']:,} test examples: "
        f"{parity['different_decisions']} decisions differ, outputs by {parity['largest_difference']:.1e} at most."
    )
    settings = ", ".join(
        f"{name} {value}" for name, value in facts["model"].items() if name not in {"name", "_target_"}
    )
    yield f"- `{facts['model'].get('_target_')}`{f': {_name(settings)}' if settings else ''}"


def _name(text: str) -> str:
    return text.translate(_CHARACTERS)
