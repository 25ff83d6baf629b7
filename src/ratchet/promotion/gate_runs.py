"""Runs of the gate: a configuration on given seeds, several at once, each kept and never run twice."""

from __future__ import annotations

import hashlib
import json
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ratchet.config.composition import config_hash
from ratchet.config.schema import Config
from ratchet.config.validation import validate
from ratchet.errors import Interrupted, NonFiniteLossError, RatchetError
from ratchet.project import Project
from ratchet.promotion.display import GateDisplay
from ratchet.promotion.promotion_paths import PromotionPaths
from ratchet.promotion.scores import FILE
from ratchet.runs import RunDirectory, RunRecord
from ratchet.runs.provenance import versions
from ratchet.runs.record import note_the_end
from ratchet.search.processes.channel import Report
from ratchet.search.processes.executors import ForkedExecutor
from ratchet.search.processes.outcomes import FailureClass, Outcome
from ratchet.search.processes.pool import Active, Pool
from ratchet.search.processes.slots import make_slots
from ratchet.search.processes.trial_process import Job
from ratchet.terminal.quiet import quiet_libraries

CODE = (
    "src/own", "src/ratchet/compat/lightning.py", "src/ratchet/models", "src/ratchet/training",
    "src/ratchet/data/prepared.py", "src/ratchet/data/folds.py", "src/ratchet/data/strata.py",
    "src/ratchet/evidence/jackknife.py", "src/ratchet/promotion/scores.py", "src/ratchet/tasks",
    "src/ratchet/texts",
)  # fmt: skip
_KEYED_PACKAGES = ("python", "torch", "pytorch-lightning", "torchmetrics", "numpy")
_OF_TEXTS = ("tokenizers", "transformers", "peft")
_PRELOAD = (
    "ratchet.runs.imported_code", "torch._dynamo", "pytorch_lightning", "ratchet.training.train",
    "ratchet.promotion.gate_runs",
)  # fmt: skip
DIVERGED: FailureClass = "non-finite loss"
_ATTEMPTS = 2  # of a run whose process is killed


@dataclass(frozen=True)
class Configuration:
    """A configuration whatever its seed, and where its runs are kept: apart for each data, code and versions."""

    role: str  # champion, challenger, or the trial it comes from
    config: Config
    key: str
    folder: Path

    @classmethod
    def of(cls, role: str, config: Config, *, data_hash: str, project: Project) -> Configuration:
        """`data_hash`: of the prepared arrays."""
        keyed = (*_KEYED_PACKAGES, *(_OF_TEXTS if config.data.layout == "text" else ()))
        decide = {name: version for name, version in versions().items() if name in keyed}
        parts = [seedless_hash(config), data_hash, code_hash(project), decide]
        key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]
        name = f"{config.data.name}_{config.model.name}_{key}"
        return cls(role, config, key, PromotionPaths(project).kept / name)

    def on(self, seed: int) -> GateRun:
        """Return the configuration with one seed."""
        return GateRun(self, seed)


@dataclass(frozen=True)
class GateRun:
    """One run that the gate needs."""

    of: Configuration
    seed: int

    @property
    def folder(self) -> Path:
        """Where its attempts are kept, each in a directory named by its number."""
        return self.of.folder / f"seed{self.seed}"

    @property
    def config(self) -> Config:
        """Config that is trained."""
        return self.of.config.model_copy(update={"seed": self.seed})

    @property
    def run(self) -> RunDirectory | None:
        """The whole run, once there is one."""
        found = sorted((path.parent for path in self.folder.glob(f"[0-9]*/{FILE}")), key=lambda path: int(path.name))
        return RunDirectory(found[0]) if found else None

    @property
    def record(self) -> RunRecord:
        """Record of the run."""
        run = self.run
        assert run is not None
        return RunRecord.read(run)

    @property
    def divergence(self) -> Failed | None:
        """Its failure, where an attempt has diverged: the next one would, as it computes the same."""
        for path in self.folder.glob("[0-9]*/run.json"):
            with suppress(RatchetError):  # it is not whole, and so says nothing
                error = RunRecord.read(RunDirectory(path.parent)).error or {}
                if error.get("class") == NonFiniteLossError.__name__:
                    return Failed(self, DIVERGED, error["message"])
        return None

    def next_attempt(self) -> int:
        """Number of an attempt that has no directory yet."""
        return 1 + max((int(path.name) for path in self.folder.glob("[0-9]*") if path.name.isdigit()), default=-1)


@dataclass(frozen=True)
class Failed:
    """A run that came to nothing."""

    seeded: GateRun
    failure: str  # its class
    error: str

    @property
    def diverged(self) -> bool:
        """Whether the configuration is to blame, not the machine."""
        return self.failure == DIVERGED


@dataclass(frozen=True)
class Trained:
    """What a batch of runs came to."""

    spent: int  # runs that were trained now; the others were kept
    failed: tuple[Failed, ...]


@dataclass(frozen=True)
class GateTraining:
    """The task of a run of the gate: train into a directory, and score the confirm split."""

    project: Project

    def enter(self) -> None:
        """Do nothing: a new process lacks nothing."""

    def __call__(self, given: tuple[dict[str, Any], Path, str]) -> Outcome:
        """Train the config into the directory, of a configuration's key. Raises what train() raises, and RatchetError
        where code or data are not those of the key any more: the scores would be kept as theirs.
        """
        from ratchet.promotion.scores import score_confirm
        from ratchet.training.train import train

        plain, directory, key = given
        config, run = validate(plain), RunDirectory(directory)
        run.path.mkdir(parents=True, exist_ok=True)
        with quiet_libraries(run.log):
            record = train(
                config, run=run, project=self.project, command=["promote.py"],
                study=directory.parents[1].name, trial=int(directory.name),  # whatever the seed: one study on record
            )  # fmt: skip
            if Configuration.of("", config, data_hash=record.data["hash"], project=self.project).key != key:
                raise RatchetError(
                    "code or data have changed since the gate began; type the same command again: it begins with them"
                )
            score_confirm(run, project=self.project)
        return Outcome("complete", metrics=dict(record.best.metrics) if record.best is not None else {})


@dataclass(kw_only=True, eq=False)
class ActiveRun(Active):
    """A run of the gate in its slot."""

    seeded: GateRun
    attempt: int
    directory: Path


def train_missing(wanted: Sequence[GateRun], *, project: Project) -> Trained:
    """Train what is not kept yet, as many at once as there are cores. Raises KeyboardInterrupt for Ctrl-C."""
    missing = [seeded for seeded in wanted if seeded.run is None]
    diverged = tuple(known for seeded in missing if (known := seeded.divergence) is not None)
    missing = [seeded for seeded in missing if seeded.divergence is None]
    if not missing:
        return Trained(0, diverged)
    trainers = [seeded.config.trainer for seeded in missing]
    slots = make_slots(
        None, threads=max(each.threads * each.devices for each in trainers),
        devices=max(each.devices for each in trainers), tickets=len(missing),
    )  # fmt: skip
    with GateDisplay(len(missing)) as display:
        pool: Pool[ActiveRun] = Pool(ForkedExecutor(_PRELOAD), slots, say=display.say, jobs="runs")
        failed = _train(missing, pool, GateTraining(project), display)
    if pool.ended_by is not None:
        raise Interrupted(pool.ended_by)
    return Trained(len(missing), (*diverged, *failed))


def _train(
    missing: Sequence[GateRun], pool: Pool[ActiveRun], task: GateTraining, display: GateDisplay
) -> tuple[Failed, ...]:
    """Train each, those whose process is killed once more. Returns those that came to nothing."""
    waiting, failed = deque((seeded, 1) for seeded in missing), []
    with pool.handling_signals():
        pool.executor.warm_up()
        while pool.active or (waiting and not pool.interrupts):
            while waiting and pool.has_room:
                pool.add(_started(*waiting.popleft(), pool, task))
            ended = []
            for active in pool.ready(0.5):
                message = pool.receive(active)
                if isinstance(message, Report):
                    pool.answer(active, "go")
                else:
                    ended.append((active, message))
            for active, outcome in [*ended, *pool.end_overdue()]:
                pool.release(active)
                note_the_end(active.directory, outcome.failure or outcome.state, said=outcome.error)
                killed, whole = outcome.failure == "killed", active.seeded.run is not None
                again = not whole and (outcome.failure == "interrupted" or (killed and active.attempt < _ATTEMPTS))
                if again:
                    waiting.append((active.seeded, active.attempt + killed))
                elif not whole:
                    failed.append(
                        Failed(active.seeded, outcome.failure or "killed", outcome.error or "it left no scores")
                    )
                display.ended(active.seeded, outcome, time.monotonic() - active.began, again=again)
            display.refresh(pool.active, stopping=pool.ended_by is not None)
    return tuple(failed)


def _started(seeded: GateRun, attempt: int, pool: Pool[ActiveRun], task: GateTraining) -> ActiveRun:
    slot, number = pool.take_slot(), seeded.next_attempt()
    directory = seeded.folder / str(number)
    given = seeded.config.plain(), directory, seeded.of.key
    study, environment = seeded.of.folder.name, slot.environment
    job = Job(task, given, study=study, number=number, directory=directory, environment=environment)
    running = pool.start(job)
    return ActiveRun(
        seeded=seeded, attempt=attempt, directory=directory, slot=slot, running=running, began=time.monotonic()
    )


def seedless_hash(config: Config) -> str:
    """A configuration whatever its seed: two with the same are no challenger to each other."""
    return config_hash(config.model_copy(update={"seed": 0}))


def code_hash(project: Project) -> str:
    """Sha256 (hex) of the source files that a training and its scores are made of."""
    digest = hashlib.sha256()
    for place in CODE:
        path = project.root / place
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            if file.is_file():
                digest.update(file.relative_to(project.root).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
