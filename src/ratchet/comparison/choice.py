"""Which runs a person means, and by which keys their rows are made."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from ratchet.comparison.gather import Gathered, Run, gather, oldest_first
from ratchet.comparison.settings import what_matters
from ratchet.config.hints import named, to_type
from ratchet.errors import RatchetError
from ratchet.names import nearest, suggestion
from ratchet.project import Project


def runs_named(project: Project, names: Sequence[str]) -> Gathered:
    """Runs by directory, by a folder of runs, by a pattern or by id, oldest first.

    Raises RatchetError for what names none.
    """
    found: list[Run] = []
    unread: list[str] = []
    everything: Gathered | None = None
    for name in names:
        folders = _folders(project, name)
        if folders:
            gathered = gather(project, folders)
            more, damaged = list(gathered.runs), gathered.unread
        else:
            everything = everything or gather(project)
            more, damaged = [run for run in everything.runs if run.id == name], ()
        if not more and not damaged:
            known = [run.id for run in everything.runs] if everything else []
            close = nearest(name, known)
            told = suggestion(name, known, allowed="run directories, folders of them and ids")
            raise RatchetError(
                f"runs={name}: there is no run; {told}; "
                f"type: {to_type(named('runs', close[0])) if close else 'python src/compare.py, to see them all'}"
            )
        found += more
        unread += damaged
    distinct = {run.directory.path: run for run in found}
    return Gathered(oldest_first(distinct.values()), tuple(dict.fromkeys(unread)))


def _folders(project: Project, name: str) -> list[Path]:
    for base in (Path.cwd(), project.root):
        found = [Path(path) for path in sorted(glob.glob(str(base / name))) if Path(path).is_dir()]  # noqa: PTH207
        if found:
            return found
    return []


def of(runs: Sequence[Run], key: Literal["study", "dataset"], name: str) -> list[Run]:
    """The trials of a study, or the runs of a data set. Raises RatchetError where there is none of the name."""
    found = [run for run in runs if getattr(run, key) == name]
    if not found:
        word, known = key.removesuffix("set"), sorted({getattr(run, key) for run in runs if getattr(run, key)})
        typed = [to_type(named(word, each)) for each in nearest(name, known)] + [
            "python src/compare.py, to see them all"
        ]
        typed = typed if known else ["python src/train.py -m model=cnn,mlp, to make one"]
        raise RatchetError(f"{word}={name}: no run is of it; {suggestion(name, known)}; type: {typed[0]}")
    return found


def keys_named(runs: Sequence[Run], names: Sequence[str]) -> list[str]:
    """Config keys to make rows by: `model` is model.name. Raises RatchetError for one that no run has, and for seed."""
    known = {key for run in runs for key in run.config} | {"study"}
    return [_key(name, known) for name in names]


def _key(name: str, known: set[str]) -> str:
    if name == "seed":
        raise RatchetError(
            "group_by=seed: seeds are what a row is the mean of; allowed: any other key; type: group_by=model"
        )
    for key in (name, f"{name}.name", f"{name}._target_"):
        if key in known and not what_matters({key: None}):
            raise RatchetError(
                f"group_by={name}: it makes no difference between runs here; allowed: a key that can change a number; "
                "type: group_by=model"
            )
        if key in known:
            return key
    leaves = sorted(key for key in known if key.endswith(f".{name}"))
    sections = {key.partition(".")[0] for key in known}
    inside = sorted(key for key in known if key.startswith(f"{name}."))[:3] if name in sections else []
    close = leaves[:3] or inside or nearest(name, sorted(known | {"model", "optimizer", "scheduler"})) or ["model"]
    raise RatchetError(
        f"group_by={name}: no run's config has that key; nearest: {', '.join(close)}; allowed: any key of config.yaml; "
        f"type: group_by={close[0]}"
    )
