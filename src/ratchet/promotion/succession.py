"""The change from one champion to the next: written, reproduced, audited, recorded or, after a kill too, undone."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, model_validator

from ratchet.config.composition import load_config
from ratchet.config.validation import validate
from ratchet.errors import RatchetError
from ratchet.evidence.attempt import recorded
from ratchet.files import read_json_as, write_atomically
from ratchet.metrics import range_of
from ratchet.project import Project
from ratchet.promotion import pipeline
from ratchet.promotion.backup import Backup, digests, require_as_left
from ratchet.promotion.gate import audit
from ratchet.promotion.gate_runs import Configuration
from ratchet.promotion.history import Entry, append, read_history, reigns
from ratchet.promotion.promotion_paths import PromotionPaths
from ratchet.promotion.rewriting import Writing
from ratchet.runs import RunRecord

_STATE = "state.json"  # in the journal: what is to be finished; without it, what was begun is put back


@contextmanager
def alone(paths: PromotionPaths) -> Iterator[None]:
    """Hold the lock of promotion. After a kill the kernel lets go of it when the dvc that was started ends too."""
    paths.kept.mkdir(parents=True, exist_ok=True)
    with paths.lock.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RatchetError(
                "another promotion, or the dvc repro of one that was killed, is running in this project; wait for its "
                "end, then type the same again"
            ) from None
        os.set_inheritable(stream.fileno(), True)
        try:
            yield
        finally:
            fcntl.flock(stream, fcntl.LOCK_UN)  # also where a process that was left behind inherited it


def _journal(paths: PromotionPaths) -> Backup:
    return Backup(paths.journal / "files", paths.project)


def _forget(paths: PromotionPaths) -> None:
    """What was begun is done. The backup goes first: without the state it would be put back, over what was recorded."""
    _journal(paths).forget()
    shutil.rmtree(paths.journal, ignore_errors=True)


class _State(BaseModel):
    """What is to be finished: an undo of a champion's number, or a promotion."""

    undo: int | None = None
    entry: Entry | None = None
    first: list[Entry] = []
    config: dict[str, Any] | None = None  # what was promoted: conf/ may be edited before a cut-off promotion goes on

    @model_validator(mode="after")
    def _asks_something(self) -> _State:
        if (self.undo is None) == (self.entry is None):
            raise ValueError("either undo or entry is needed")
        return self


def _state(paths: PromotionPaths) -> _State:
    path = paths.journal / _STATE
    return read_json_as(path, _State, remedy=f"type: git status, to see what was written, then rm {path}")


def _note(paths: PromotionPaths, state: _State) -> None:
    paths.journal.mkdir(parents=True, exist_ok=True)
    write_atomically(paths.journal / _STATE, state.model_dump_json().encode())


@dataclass(frozen=True)
class Succession:
    """Makes a challenger the champion."""

    project: Project
    paths: PromotionPaths

    def go(self, writing: Writing, *, promise: RunRecord, entry: Entry, first: Sequence[Entry]) -> None:
        """Write, run the pipeline, compare, audit, record. Raises RatchetError, with files as before, for another
        number, or where somebody has written into the files since, or runs the pipeline just now.
        """
        writing.require_unchanged(self.project)
        pipeline.refuse_beside_dvc(self.project)
        ours = list(writing.found)
        changed = [*ours, "dvc.lock", "config.lock.yaml", ".dvc/watched.yaml"]
        _journal(self.paths).take([*changed, *pipeline.BESIDE])
        try:
            _journal(self.paths).note_writing(writing.contents)
            writing.put(self.project)
            print(f"written: {' and '.join(ours)}; dvc repro", flush=True)
            status = pipeline.repro(self.project)
            if status:
                raise RatchetError(
                    f"dvc repro ended with status {status}; nothing was promoted, files are as before; see above what "
                    "it said, then type the same command again"
                )
            pipeline.require_promised(promise, pipeline.pipeline_record(self.project))
        except BaseException:
            _restore(self.paths)
            raise
        made = pipeline.promised(promise)
        told = ", ".join(f"{name} {value:.4f}" for name, value in made.items() if name == entry.metric)
        print(f"the promised number came out again{f': {told}' if told else ''}", flush=True)
        entry = entry.model_copy(update={"reproduced": made, "files": digests(self.project, changed)})
        config = load_config(self.project).plain()
        state = _State(entry=entry, first=list(first), config=config)
        _note(self.paths, state)
        _finish(self.project)


def recover(project: Project) -> None:
    """Finish or put back what a kill cut off. Says so; silent where there was nothing."""
    paths = PromotionPaths(project)
    state = paths.journal / _STATE
    if state.is_file():
        if _state(paths).undo is not None:
            print("going on with --undo, which was cut off")
            _go_back(project)
        else:
            print("going on with the promotion that was cut off after its number had come out")
            _finish(project)
    elif _journal(paths).is_whole:
        _restore(paths)
        print("a promotion was cut off while it was written: files are as before it")
    _forget(paths)


def _restore(paths: PromotionPaths) -> None:
    """Put files and the champion's model back as they were, and forget the journal."""
    stayed = _bring_back(_journal(paths), paths.project, changes_too=False)
    _forget(paths)
    for name in stayed:
        print(f"note: {name} has changed since it was written, and stays as it is; type: git diff {name}")


def _bring_back(backup: Backup, project: Project, *, changes_too: bool = True) -> list[str]:
    stayed = backup.put_back(changes_too=changes_too)
    if not (project.root / "dvc.lock").is_file():
        shutil.rmtree(project.champion, ignore_errors=True)  # there was none
    elif not pipeline.checkout(project):
        print(
            "note: dvc checkout has not brought the champion's model back; type: dvc checkout --force train evaluate, "
            "and where it says that the cache lacks it: dvc repro"
        )
    return stayed


def _finish(project: Project) -> None:
    """Audit and record the champion that the journal names."""
    paths = PromotionPaths(project)
    state = _state(paths)
    entry = state.entry
    assert entry is not None
    known = [each for each in read_history(paths) if each.event == "promotion" and each.number == entry.number]
    if known:  # a kill came after the line, and perhaps before the plot
        entry = known[0]
        append(paths)
    else:
        config = load_config(project) if state.config is None else validate(state.config)
        print("audit: the new champion on fresh seeds; they alone set its number", flush=True)
        champion = Configuration.of("champion", config, data_hash=entry.data_hash, project=project)
        found, failed = audit(champion, project=project)
        if found:
            number = recorded(found, within=range_of(entry.metric))
            update = {"mean": number.mean, "low": number.low, "high": number.high, "runs": len(found)}
            entry = entry.model_copy(update=update)
        entry = entry.model_copy(update={"failed": len(failed)})
        _journal(paths).copy_to(paths.before(entry.number))
        append(paths, *state.first, entry)
    _forget(paths)
    _tell(entry)


def _tell(entry: Entry) -> None:
    interval = f" ({entry.low:.4f} to {entry.high:.4f})" if entry.low is not None and entry.high is not None else ""
    failed = f", {entry.failed} more diverged" if entry.failed else ""
    mean = (
        f"{entry.mean:.4f}{interval} over {entry.runs} audit runs{failed}"
        if entry.mean is not None
        else "unknown: no audit run trained"
    )
    metric = f"{entry.metric.removeprefix('validation/')} on confirm"
    print(f"champion {entry.number}: {entry.data} {entry.model}, {metric} {mean}")
    print(
        "recorded in champions.jsonl, drawn in champions.svg; to keep it, type: git add -A && git commit, then dvc push"
    )
    print("to go back, type: python src/promote.py --undo")


def undo(project: Project, *, allow_dirty: bool) -> None:
    """Go back one step: files, dvc.lock and the champion's model. Raises RatchetError where there is no step."""
    paths = PromotionPaths(project)
    reigning = reigns(read_history(paths))
    if not reigning or reigning[-1].event == "first":
        raise RatchetError("there is no promotion to take back; allowed: after one; type: python src/promote.py --help")
    last = reigning[-1]
    if not Backup(paths.before(last.number), project).is_whole:
        raise RatchetError(
            f"champion {last.number} was promoted on another machine or its runs/ is gone, and the files before it are "
            "kept there; type: git log, for its commit, git revert it, then dvc checkout"
        )
    if not allow_dirty:
        require_as_left(project, last.files)
    pipeline.refuse_beside_dvc(project)
    _note(paths, _State(undo=last.number))
    _go_back(project)


def _go_back(project: Project) -> None:
    paths = PromotionPaths(project)
    number = _state(paths).undo
    reigning, undone = reigns(read_history(paths)), list[Entry]()
    if reigning and reigning[-1].number == number:
        _bring_back(Backup(paths.before(number), project), project)
        last = reigning[-1]
        kept = last.model_dump(include={"number", "data", "model", "metric", "direction"})
        undone = [Entry(event="undo", at=datetime.now(UTC).isoformat(timespec="seconds"), **kept)]
    append(paths, *undone)
    _forget(paths)
    before = reigns(read_history(paths))[-1]
    print(
        f"champion {number} was taken back; the champion is {before.data} {before.model} again, number {before.number}"
    )
    print("recorded in champions.jsonl; to keep it, type: git add -A && git commit")
