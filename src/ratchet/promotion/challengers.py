"""Who challenges: the configs of a study's trials, or of one run, as far as they may."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from ratchet.comparison.settings import differing, written_out
from ratchet.config.hints import named as to_name
from ratchet.config.hints import to_type
from ratchet.config.non_numeric_settings import with_non_numeric_of
from ratchet.config.schema import Config
from ratchet.config.tree import leaves
from ratchet.config.validation import validate
from ratchet.data.prepared import PreparedData
from ratchet.errors import DataError, RatchetError
from ratchet.evidence.attempt import shortlist
from ratchet.files import read_json
from ratchet.names import nearest, suggestion
from ratchet.project import Project
from ratchet.promotion.promotion_paths import PromotionPaths
from ratchet.promotion.scores import require_predictions
from ratchet.runs import RunDirectory, RunRecord
from ratchet.runs.directory import run_directories
from ratchet.runs.record import Status, read_config
from ratchet.runs.trials import FEASIBLE, FRONT, NO, YES, ended_as, read_trials, study_directory
from ratchet.tasks.build import definition
from ratchet.yaml_files import flow


@dataclass(frozen=True)
class Champion:
    """What `dvc repro` trains now, and the data that it trains on."""

    config: Config
    project: Project

    @cached_property
    def data_hash(self) -> str:
        """Raises DataError where its data is not prepared; so it is asked once a challenger has nothing else wrong."""
        prepared = self.project.prepared(self.config.data.name)
        return PreparedData.open(prepared, reader="promote", config=self.config.data).data_hash


@dataclass(frozen=True)
class Candidate:
    """A config that may challenge."""

    config: Config  # what does not change a number is the champion's: loggers, reports, sources
    origin: Mapping[str, Any]  # study, trial, run, value, seeds, git
    value: float  # of the objective on validation, the mean where it was trained on several seeds
    beyond: bool = False  # a constraint of its study

    @property
    def name(self) -> str:
        """Name of the challenger for display."""
        study, trial = self.origin.get("study"), self.origin.get("trial")
        return f"trial {trial} of study {study}" if study is not None else f"run {self.origin['run']}"


@dataclass(frozen=True)
class _Found:
    run: RunDirectory
    record: RunRecord


def from_run(named: str, champion: Champion, *, paths: PromotionPaths) -> Candidate:
    """The config of a run, named by its id or its directory. Raises RatchetError where it may not challenge."""
    path = next((p for p in (Path(named), paths.project.root / named) if RunDirectory(p).is_one), None)
    run = RunDirectory(path.resolve()) if path else _by_id(named, paths)
    trial = RunRecord.read(run).trial
    rows = read_trials(study_directory(run.path)) if trial is not None else {}
    status = _told(run.path, trial, rows) if trial is not None else None
    made = _candidate([_find(run, status)], champion, what=f"run {named}", paths=paths)
    return replace(made, beyond=trial is not None and _is_beyond(rows, trial))


def from_trial(study: str, trial: int, champion: Champion, *, paths: PromotionPaths) -> Candidate:
    """The config of a trial. Raises RatchetError where it may not challenge."""
    trials = _trials(study, paths)
    if trial not in trials:
        raise RatchetError(
            f"trial={trial}: study {study} has no run of it, or it failed before training began; allowed: "
            f"{_some(sorted(trials))}; type: {to_type(to_name('study', study))}, for its best"
        )
    made = _candidate(trials[trial], champion, what=f"trial {trial} of study {study}", paths=paths)
    return replace(made, beyond=_is_beyond(read_trials(paths.sweeps / study), trial))


def of_study(study: str, champion: Champion, *, paths: PromotionPaths) -> Iterator[Candidate]:
    """Each trial that completed, best validation first; configs are read as they are asked for.

    Raises RatchetError where there is none, and EvidenceError where none has a number.
    """
    trials, rows = _trials(study, paths), read_trials(paths.sweeps / study)
    complete = {k: found for k, found in trials.items() if all(f.record.status == "completed" for f in found)}
    if not complete:
        raise RatchetError(
            f"study {study}: none of its {len(trials)} trials completed; allowed: a study with a completed trial; "
            f"type: {to_type('ls', str(paths.sweeps))}"
        )
    _require_one_best(study, paths, rows)
    kept = {k: found for k, found in complete.items() if not _is_beyond(rows, k)}
    if not kept:
        raise RatchetError(
            f"study {study}: none of its {len(complete)} completed trials keeps to its constraints; allowed all the "
            f"same: one that you name; type: {to_type(to_name('study', study), f'trial={min(complete)}')}"
        )
    name = champion.config.data.name
    of_it = {k: found for k, found in kept.items() if found[0].record.data.get("name") == name}
    complete = of_it or kept  # a grid over data sets is of several; of none of the champion's, the first is refused
    values = {number: _value(found) for number, found in complete.items()}
    direction = read_config(next(iter(complete.values()))[0].run).objective.direction
    mode: Literal["max", "min"] = "max" if direction == "maximize" else "min"
    for number in shortlist(values, mode=mode, top=len(values)):
        yield _candidate(complete[number], champion, what=f"trial {number} of study {study}", paths=paths)


def _is_beyond(rows: Mapping[int, Mapping[str, str]], trial: int) -> bool:
    return rows.get(trial, {}).get(FEASIBLE) == NO


def _require_one_best(study: str, paths: PromotionPaths, rows: Mapping[int, Mapping[str, str]]) -> None:
    """Raises RatchetError for a study of several objectives: which of its front is wanted, a person has to say."""
    front = [number for number, row in rows.items() if row.get(FRONT) == YES and not _is_beyond(rows, number)]
    if any(FRONT in row for row in rows.values()):
        raise RatchetError(
            f"study {study} has several objectives, so it has no single best; allowed: one of its front, trials "
            f"{_some(front) or 'none'}; type: "
            + (to_type(to_name("study", study), f"trial={front[0]}") if front else to_type("ls", str(paths.sweeps)))
        )


def _value(found: Sequence[_Found]) -> float:
    values = [each.record.best.value for each in found if each.record.best is not None]
    return fmean(values) if values else math.nan


def _trials(study: str, paths: PromotionPaths) -> dict[int, list[_Found]]:
    """Each trial's runs: one, or one for each repeat."""
    home = paths.sweeps / study
    if not study or not home.is_dir():
        names = sorted(path.name for path in paths.sweeps.iterdir() if path.is_dir()) if paths.sweeps.is_dir() else []
        best = [to_type(to_name("study", name)) for name in nearest(study, names)[:1]]
        raise RatchetError(
            f"study={study}: there is no such study; {suggestion(study, names)}; "
            f"type: {best[0] if best else to_type('ls', str(paths.sweeps))}"
            if names else f"study={study}: there is no study yet; type: python src/train.py -m sweep=learning_rate"
        )  # fmt: skip
    trials: dict[int, list[_Found]] = {}
    rows = read_trials(home)
    for file in sorted([*home.glob("[0-9]*/run.json"), *home.glob("[0-9]*/repeat*/run.json")]):
        number = file.relative_to(home).parts[0]
        if number.isdecimal():
            found = _find(RunDirectory(file.parent), _told(file.parent, int(number), rows))
            trials.setdefault(int(number), []).append(found)
    if not trials:
        raise RatchetError(f"study={study}: it has no run in {home}; run the sweep's command again, to go on")
    return trials


def _told(run: Path, trial: int, rows: Mapping[int, Mapping[str, str]]) -> Status | None:
    """What the study knows better than run.json: that the trial still runs, between two repeats or before it is told
    of; after a kill too.
    """
    if trial in rows and rows[trial].get("state") != "running":
        return ended_as(rows[trial])
    return "running" if rows or run.name.startswith("repeat") else None


def _by_id(named: str, paths: PromotionPaths) -> RunDirectory:
    ids: dict[str, Path] = {}
    for place in [*run_directories(paths.runs), *run_directories(paths.project.champion_run)]:
        if paths.kept not in place.parents and (identifier := _id_of(RunDirectory(place).record)):
            ids[identifier] = place
    if named not in ids:
        told = suggestion(named, ids, allowed="the id of a run.json, or a run directory")
        raise RatchetError(f"run={named}: there is no such run; {told}; type: find runs -name run.json")
    return RunDirectory(ids[named])


def _id_of(file: Path) -> str | None:
    try:
        return str(read_json(file)["id"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _find(run: RunDirectory, status: Status | None) -> _Found:
    """`status`: what the study knows better."""
    record = RunRecord.read(run)
    return _Found(run, record.model_copy(update={"status": status}) if status is not None else record)


def _candidate(found: Sequence[_Found], champion: Champion, *, what: str, paths: PromotionPaths) -> Candidate:
    """Return the candidate that the runs of one configuration make."""
    for reason in (reason for each in found for reason in _refusals(each, champion, what=what)):
        raise reason
    first = found[0]
    config = read_config(first.run)
    if tried := next((tried for each in found if (tried := each.record.debugging(dict(leaves(config.plain()))))), None):
        raise RatchetError(
            f"{what} only tried something out ({tried}), and its number is no measurement; allowed: a run without "
            "debug=; type: the training again without it"
        )
    ours, theirs = champion.config.judged_by, config.judged_by
    if theirs != ours:
        raise RatchetError(
            f"{what} was judged by {theirs.metric}, the champion by {ours.metric}: they cannot be compared; train it "
            f"again with: objective.metric={ours.metric} objective.direction={ours.direction}"
        )
    _require_one_quantity(ours.metric, champion.config, config, what=what)
    if config.model.is_lightning:
        require_predictions(first.run, project=paths.project)
    value, record = _value(found), first.record
    origin = {
        "study": record.study, "trial": record.trial, "run": record.id, "seeds": [each.record.seed for each in found],
        "value": None if math.isnan(value) else value, "git": record.git,
    }  # fmt: skip
    return Candidate(_as_of(champion, config), origin, value)


def _require_one_quantity(metric: str, champion: Config, config: Config, *, what: str) -> None:
    """Raises RatchetError where one name stands for two quantities, such as the F1 of another class."""
    ours, theirs = (definition(metric, dict(leaves(each.plain()))) for each in (champion, config))
    keys = differing([ours, theirs])
    if keys:
        raise RatchetError(
            f"{what} means something else by {metric}: {written_out(theirs, keys)}, the champion: "
            f"{written_out(ours, keys)}; they cannot be compared; type: its training again without task= and task.* of "
            "its own, params.yaml has the champion's"
        )


def _as_of(champion: Champion, config: Config) -> Config:
    """Return the config with the champion's seed and its settings wherever they change no number."""
    now = champion.config
    return validate(with_non_numeric_of(config.plain(), now.plain())).model_copy(update={"seed": now.seed})


def _refusals(found: _Found, champion: Champion, *, what: str) -> Iterator[RatchetError]:
    record, name = found.record, champion.config.data.name
    if record.status != "completed":
        why = f": {record.error['message']}" if record.error and record.status == "failed" else ""
        is_now = f"is {record.status}" if record.status in {"running", "pruned"} else f"was {record.status}"
        is_now = "failed" if record.status == "failed" else is_now
        yield RatchetError(
            f"{what} {is_now}{why}; allowed: one that completed; type: find runs -name run.json, to see them"
        )
    if found.run.config.is_file() and read_config(found.run).data.module is not None:
        yield DataError(
            f"{what} is of {record.data.get('name')}, your own data module: it has no confirm split, which promotion "
            f"alone reads; allowed: a run on prepared data; type: {to_type(to_name('data', name))} with its training"
        )
    if found.run.config.is_file() and read_config(found.run).split.name != "holdout":
        yield DataError(
            f"{what} is cross-validated: its model saw only a part of what the champion trains on; allowed: a run "
            "without split=kfold; type: the same training without it"
        )
    if record.data.get("name") != name:
        data = read_config(found.run).data if found.run.config.is_file() else None
        said = {f"data.{key}": value for key, value in data.described().items()} if data else {}
        lines = {"data": data.option, **said} if data and said else {}
        write = ", ".join(
            f"{key}: {flow(value)}" for key, value in (lines or {"data": record.data.get("name")}).items()
        )
        yield DataError(
            f"{what} is of {record.data.get('name')}, the champion of {name}: they cannot be compared; "
            f"write: {write} into params.yaml, type: dvc repro, then the same again"
        )
    if record.data.get("hash") != champion.data_hash:
        yield DataError(
            f"{what} was trained on an earlier state of the data (hash {str(record.data.get('hash'))[:12]}, now "
            f"{champion.data_hash[:12]}); allowed: a run on the data as they are; type: dvc checkout, to bring "
            "that data back, or train it again"
        )
    if not found.run.config.is_file():
        yield RatchetError(f"{what} has no {found.run.config.name}; type: find runs -name run.json, to see others")


def _some(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:10]))
    return f"{shown}, ... {numbers[-1]}" if len(numbers) > 10 else shown
