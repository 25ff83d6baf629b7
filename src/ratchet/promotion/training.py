"""Runs of the gate: a configuration on given seeds, by the search's worker, each kept and never run twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra._internal.callbacks import Callbacks
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig, OmegaConf

from ratchet.config.composition import config_hash
from ratchet.config.request import plain_config
from ratchet.config.schema import Config
from ratchet.config.validation import validate
from ratchet.errors import Interrupted
from ratchet.project import Project
from ratchet.promotion.display import GateDisplay
from ratchet.promotion.promotion_paths import PromotionPaths
from ratchet.promotion.scores import FILE
from ratchet.runs import RunDirectory, RunRecord
from ratchet.runs.provenance import versions
from ratchet.search.processes.channel import current_trial
from ratchet.search.processes.executors import ForkedExecutor
from ratchet.search.processes.slots import make_slots
from ratchet.search.space.composer import Composer
from ratchet.search.space.plan import StudyPlan, TaskFacts
from ratchet.search.space.settings import Objective, SweepSettings
from ratchet.search.space.space import SearchSpace
from ratchet.search.storage.ledger import RESULT, is_over
from ratchet.search.worker.progress import OpenStudy
from ratchet.search.worker.worker import Worker
from ratchet.terminal.quiet import quiet_libraries

CODE = (
    "src/own", "src/ratchet/models", "src/ratchet/training", "src/ratchet/data/prepared.py",
    "src/ratchet/data/folds.py", "src/ratchet/data/strata.py", "src/ratchet/evidence/jackknife.py",
    "src/ratchet/promotion/scores.py", "src/ratchet/tasks",
)  # fmt: skip
_DECIDE = ("python", "torch", "pytorch-lightning", "torchmetrics", "numpy")
_PRELOAD = ("torch._dynamo", "pytorch_lightning", "ratchet.training.train", "ratchet.promotion.training")


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
        decide = {name: version for name, version in versions().items() if name in _DECIDE}
        parts = [seedless_hash(config), data_hash, code_hash(project), decide]
        key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]
        name = f"{config.data.name}_{config.model.name}_{key}"
        return cls(role, config, key, PromotionPaths(project).kept / name)

    def on(self, seed: int) -> Seeded:
        """Return the configuration with one seed."""
        return Seeded(self, seed)


@dataclass(frozen=True)
class Seeded:
    """One run that the gate needs."""

    of: Configuration
    seed: int

    @property
    def folder(self) -> Path:
        """Directory of the configuration's study; each run is in a subdirectory named by its trial's number."""
        return self.of.folder / f"seed{self.seed}"

    @property
    def config(self) -> Config:
        """Config that is trained."""
        return self.of.config.model_copy(update={"seed": self.seed})

    @property
    def run(self) -> RunDirectory | None:
        """The whole run, once there is one."""
        found = sorted(path.parent for path in self.folder.glob(f"[0-9]*/{FILE}"))
        return RunDirectory(found[0]) if found else None

    @property
    def record(self) -> RunRecord:
        """Record of the run."""
        run = self.run
        assert run is not None
        return RunRecord.read(run)

    @property
    def plan(self) -> StudyPlan:
        """A study of this run alone."""
        validates = self.config.trainer.train_on == "train"
        objective = self.config.objective.model_dump() if validates else _UNVALIDATED
        return StudyPlan(
            name=f"{self.of.folder.name}_seed{self.seed}",
            settings=SweepSettings(objectives=[Objective(**objective)], champion_first=False),
            fixed=(), space=SearchSpace(), cells=((f"{_KEY}={self.of.key}", f"seed={self.seed}"),), chosen={},
            objectives=(Objective(**objective),), identity={"key": self.of.key}, directory=self.folder,
        )  # fmt: skip


_KEY = "configuration"
_UNVALIDATED = {"metric": "seconds", "direction": "minimize"}  # a run without validation has no other number to tell


@dataclass(frozen=True)
class Failed:
    """A run that came to nothing."""

    seeded: Seeded
    failure: str  # its class
    error: str

    @property
    def by_itself(self) -> bool:
        """Whether the configuration is to blame, not the machine."""
        return self.failure == "non-finite loss"


@dataclass(frozen=True)
class Trained:
    """What a batch of runs came to."""

    spent: int  # runs that were trained now; the others were kept
    failed: tuple[Failed, ...]


@dataclass(frozen=True)
class GateTraining:
    """The task of a run of the gate."""

    project: Project

    def run(self, composed: DictConfig) -> dict[str, float]:
        """Train into the trial's directory, and score the confirm split. Raises what train() raises.

        The runs of a configuration are on record as of one study, whatever their seeds.
        """
        from ratchet.promotion.scores import score_confirm
        from ratchet.training.train import train

        config = validate(plain_config(composed))
        run = RunDirectory(Path(HydraConfig.get().runtime.output_dir))
        trial = current_trial()
        assert trial is not None
        with quiet_libraries(run.log):
            record = train(
                config, run=run, project=self.project, command=["promote.py"], study=run.path.parents[1].name,
                trial=trial.number,
            )  # fmt: skip
            score_confirm(run, project=self.project)
        found = dict(record.best.metrics) if record.best is not None else {}
        return {**found, "seconds": record.timings.get("fit", 0.0)}


def train_missing(wanted: Sequence[Seeded], *, project: Project) -> Trained:
    """Train what is not kept yet, as many at once as there are cores. Raises KeyboardInterrupt for Ctrl-C."""
    missing = [seeded for seeded in wanted if seeded.run is None]
    if not missing:
        return Trained(0, ())
    configs = {seeded.of.key: seeded.of.config for seeded in missing}
    loader, context = _hydra(project)
    master = loader.load_configuration("config", [], run_mode=RunMode.MULTIRUN)
    for seeded in missing:
        seeded.folder.mkdir(parents=True, exist_ok=True)
    threads = max(config.trainer.threads for config in configs.values())
    with GateDisplay({seeded.plan.name: f"{seeded.of.role} seed {seeded.seed}" for seeded in missing}) as display:
        worker = Worker(
            [seeded.plan for seeded in missing], task=GateTraining(project).run, context=context,
            composer=_Given(loader, master, configs), executor=ForkedExecutor(_PRELOAD),
            slots=make_slots(None, threads=threads, tickets=len(missing)), display=display,
            facts=TaskFacts(preload=_PRELOAD),
        )  # fmt: skip
        worker.run()
    if worker.ended_by is not None:
        raise Interrupted(worker.ended_by)
    ended = zip(missing, worker.studies, strict=True)
    failed = tuple(_failure(seeded, study) for seeded, study in ended if seeded.run is None)
    return Trained(len(display.seen), failed)


def _failure(seeded: Seeded, study: OpenStudy) -> Failed:
    over = [trial for trial in study.study.get_trials(deepcopy=False) if is_over(trial)]
    result: Mapping[str, Any] = over[-1].user_attrs.get(RESULT, {}) if over else {}
    return Failed(seeded, str(result.get("failure") or "killed"), str(result.get("error") or "it left no scores"))


def _hydra(project: Project) -> tuple[Any, HydraContext]:
    GlobalHydra.instance().clear()
    hydra = Hydra.create_main_hydra2("promote", create_config_search_path(str(project.conf.resolve())))
    return hydra.config_loader, HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks())


class _Given(Composer):
    """Configs that are resolved already, as the jobs of a search."""

    def __init__(self, loader: Any, master: DictConfig, configs: Mapping[str, Config]) -> None:
        super().__init__(loader, master)
        self._configs = configs

    def compose(self, overrides: Sequence[str], *, number: int = 0, directory: str | None = None) -> DictConfig:
        """Return the config of a job, which the overrides `configuration=<key> seed=<seed>` name."""
        given = dict(text.split("=", 1) for text in overrides)
        composed = super().compose([], number=number, directory=directory)
        config = self._configs[given[_KEY]].model_copy(update={"seed": int(given["seed"])})
        OmegaConf.set_struct(composed, False)
        for key in [str(key) for key in composed if key != "hydra"]:
            del composed[key]
        for key, value in config.plain().items():
            composed[key] = value
        return composed


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
