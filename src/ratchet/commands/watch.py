"""`python src/watch.py`: its command line, the table in the terminal, and the files."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from ratchet.config.hints import names_in
from ratchet.deployment.exported import ExportedModel
from ratchet.deployment.kept import labels_of, read_kept, since_when
from ratchet.deployment.watch_page import watch_page
from ratchet.deployment.watching import ALPHA, Watched, read_reference, watch
from ratchet.errors import ConfigError
from ratchet.files import shown, write_atomically
from ratchet.names import suggestion
from ratchet.project import Project
from ratchet.terminal.keys import typed_keys

_KEYS = ("requests", "model", "labels", "since", "ignore", "alpha", "output")
_SHOWN = 20  # findings in the terminal


def main(arguments: Sequence[str]) -> int:
    """Check kept requests; 1 where something has drifted. Raises RatchetError."""
    given = typed_keys(arguments, _KEYS, script="watch")
    if "requests" not in given:
        raise ConfigError("watch needs what serve kept; type: python src/watch.py requests=<folder>")
    alpha, since = _alpha(given.get("alpha")), since_when(given.get("since"))
    project = Project.find()
    directory = Path(given["model"]) if "model" in given else project.champion / "export"
    model = ExportedModel.load(directory)
    reference = read_reference(directory, model)
    ignored = names_in(given.get("ignore", ""))
    names = [each.name for each in (*reference.columns, *reference.predictions)]
    if wrong := [name for name in ignored if name not in names]:
        raise ConfigError(f"ignore: there is no {wrong[0]}; {suggestion(wrong[0], names)}; type: ignore=[<column>]")
    kept = read_kept(Path(given["requests"]), model=model.manifest["checkpoint"]["sha256"], since=since)
    labels, notes = None, list[str]()
    if "labels" in given:
        if model.target.kind == "labels":
            raise ConfigError("labels= is for models that decide for a class or a number; leave it out")
        classes = model.target.names if model.target.kind == "class" else None
        labels, notes = labels_of(Path(given["labels"]), kept, classes=classes)
    found = watch(kept, model, reference, labels=labels, ignore=ignored, alpha=alpha, notes=notes)
    _write(found, Path(given.get("output", "watch")), name=model.manifest["data"]["name"], cache=project.cache)
    return 1 if found.drifted else 0


def _alpha(text: str | None) -> float:
    try:
        alpha = ALPHA if text is None else float(text)
    except ValueError:
        alpha = 0.0
    if not 0 < alpha < 1:
        raise ConfigError(f"alpha={text}; allowed: a number between 0 and 1; type: alpha={ALPHA}")
    return alpha


def _write(found: Watched, folder: Path, *, name: str, cache: Path | None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(found.as_json(), indent=1, ensure_ascii=False) + "\n"
    write_atomically(folder / "watch.json", text.encode("utf-8", "backslashreplace"))
    write_atomically(folder / "watch.html", watch_page(found, name=name, cache=cache).encode())
    _show(found)
    for note in found.notes:
        print(f"note: {note}", file=sys.stderr)
    many = len(found.drifted)
    verdict = f"{many} of {len(found.findings)} tests say drift" if many else "no drift is told"
    print(f"rows {found.rows:,}, requests {found.requests:,}: {verdict}; {shown(folder / 'watch.html')}, watch.json")


def _show(found: Watched) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("what", "of it", "reference", "requests", "stability", "p", "")
    for each in found.findings[:_SHOWN]:
        size = "" if each.stability is None else f"{each.stability:.2f}"
        p = "< 0.0001" if each.p < 0.0001 else f"{each.p:.4f}"
        cells = (each.name, each.what, each.before, each.now, size, p, "drifted" if each.drifted else "")
        table.add_row(*map(escape, cells))
    if found.findings:
        Console(width=None if sys.stdout.isatty() else 120).print(table)
    if (beyond := len(found.findings) - _SHOWN) > 0:
        print(f"and {beyond} more, none of which differs as much, on the page")
    if (quality := found.quality) is not None:
        interval = "" if quality.low is None else f" ({quality.low:.4g} to {quality.high:.4g})"
        print(f"{quality.metric} by {quality.labels:,} labels: {quality.value:.4g}{interval}, "
              f"{quality.before:.4g} on the test split")  # fmt: skip
    times = ", ".join(f"{value:g} ms at {percent} %" for percent, value in found.milliseconds.items())
    print(f"a request: {times}, without the network; most memory {found.memory_mb:,.0f} MB")
