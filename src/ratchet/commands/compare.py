"""`python src/compare.py`: arguments, then gather, judge, show, write."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ratchet.config.hints import named, names_in, to_type, unquoted
from ratchet.errors import RatchetError
from ratchet.names import nearest, suggestion
from ratchet.project import Project

_KEYS = ("study", "runs", "data", "group_by", "metric", "direction", "output", "push")
_FOLDER = "comparison"
_PAGE = "page.html"


@dataclass(frozen=True)
class Arguments:
    """What was typed after compare.py."""

    study: str | None = None
    runs: tuple[str, ...] = ()
    data: str | None = None
    group_by: tuple[str, ...] = ()
    metric: str | None = None
    direction: str | None = None
    output: str | None = None
    push: bool | None = None  # None: where the runs were online
    html: str | None = None  # empty: the usual file

    @classmethod
    def parse(cls, arguments: Sequence[str]) -> Arguments:
        """Raises RatchetError for what compare does not know, and for a key without a value."""
        given: dict[str, Any] = {}
        for text in arguments:
            key, equals, value = text.partition("=")
            if key == "--html":
                given["html"] = value
                continue
            if key not in _KEYS or not equals:
                raise RatchetError(_unknown(text))
            if not value:
                raise RatchetError(
                    f"{text} names nothing; allowed: {key}= and a value; type: python src/compare.py --help"
                )
            given[key] = _value(key, value)
        return cls(**given)


def _value(key: str, value: str) -> Any:
    if key in {"runs", "group_by"}:
        return tuple(names_in(value))
    if key == "push":
        if value.lower() not in {"true", "false"}:
            raise RatchetError(f"push={value}; allowed: true, false; type: push=true")
        return value.lower() == "true"
    if key == "direction" and value not in {"maximize", "minimize"}:
        close = (nearest(value, ["maximize", "minimize"]) or ["maximize"])[0]
        raise RatchetError(f"direction={value}; allowed: maximize, minimize; type: direction={close}")
    return unquoted(value)


def _unknown(text: str) -> str:
    key, _, value = unquoted(text).partition("=")
    if Path(text).is_dir():
        return f"{text}: a folder is named by its key; type: {to_type(named('runs', text))}"
    known = {name: f"{name}=" for name in _KEYS} | {"--html": "--html"}
    close = nearest(key, known)
    told = suggestion(key, known, allowed=", ".join([f"{name}=" for name in _KEYS] + ["--html", "--html=<file>"]))
    typed = "python src/compare.py --help"
    if close and (value or close[0] not in _KEYS):
        right = known[close[0]] + (value if close[0] in _KEYS else "")
        typed = to_type(right if unquoted(text) == text else named(close[0], value))
    return f"{text}: compare does not know it; {told}; type: {typed}"


def main(arguments: Sequence[str]) -> None:
    """Compare runs. Raises RatchetError for a mistake, and where there is nothing to compare."""
    typed = Arguments.parse(arguments)
    project = Project.find()

    from ratchet.comparison.baselines import with_baselines
    from ratchet.comparison.choice import keys_named, of, runs_named
    from ratchet.comparison.gather import gather
    from ratchet.comparison.measures import declare_metrics, require_metric
    from ratchet.comparison.tables import tables_of

    gathered = runs_named(project, typed.runs) if typed.runs else gather(project)
    for line in gathered.unread:
        print(f"note: cannot be read: {line}", file=sys.stderr)
    runs: Sequence[Any] = gathered.runs
    if not runs:
        raise RatchetError("there is no run to compare yet; type: python src/train.py -m model=logistic,cnn")
    if typed.study is not None:
        runs = of(runs, "study", typed.study)
    if typed.data is not None:
        runs = of(runs, "dataset", typed.data)
    declare_metrics(runs)
    if typed.metric is not None:
        require_metric(typed.metric, runs)
    keys = keys_named(runs, typed.group_by)
    direction: Any = typed.direction
    tables = tables_of(runs, metric=typed.metric, direction=direction, group_by=keys)
    if not tables:
        raise RatchetError(
            f"of the {len(runs)} runs each only tried something out ({runs[0].debugging}), and there is nothing to "
            "compare; type: the training again without debug="
        )
    _tell([with_baselines(table, project=project) for table in tables], typed, project)


def _tell(tables: Sequence[Any], typed: Arguments, project: Project) -> None:
    from rich.console import Console

    from ratchet.comparison.display import show
    from ratchet.comparison.files import write_files

    console = Console() if sys.stdout.isatty() or "COLUMNS" in os.environ else Console(width=140)
    show(tables, console)
    folder = Path(typed.output) if typed.output else project.root / _FOLDER
    written = write_files(tables, folder)
    if typed.html is not None:
        from ratchet.comparison.page import write_page

        page = Path(typed.html) if typed.html else folder / _PAGE
        write_page(tables, page, cache=project.cache)
        print(f"page: {os.path.relpath(page)}")
    print(f"files: {', '.join(os.path.relpath(path) for path in written)}")
    from ratchet.comparison.push import push, wanted

    if wanted(tables, typed.push):
        said = push(tables, project)
        if said:
            print(said)
