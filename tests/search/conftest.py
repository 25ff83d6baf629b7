"""Searches in this process, and the quadratic application in processes of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from hydra import initialize_config_dir
from hydra._internal.callbacks import Callbacks
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.global_hydra import GlobalHydra
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig
from optuna.trial import FrozenTrial

from ratchet.project import Project
from ratchet.search.processes.slots import Slot
from ratchet.search.space.composer import Composer
from ratchet.search.space.plan import StudyPlan, TaskFacts, plan_studies
from ratchet.search.space.settings import SweepSettings
from ratchet.search.storage.studies import open_storage
from ratchet.search.worker.display import Display
from ratchet.search.worker.worker import Worker
from search.zoo import ZOO, animal
from threads import ThreadExecutor

APPS = Path(__file__).parent / "apps"
QUADRATIC = APPS / "quadratic.py"


@dataclass(frozen=True)
class Loaded:
    """An application's config loader, and its config without what is swept."""

    loader: Any
    master: DictConfig

    @property
    def composer(self) -> Composer:
        return Composer(self.loader, self.master)

    @property
    def context(self) -> HydraContext:
        return HydraContext(config_loader=self.loader, callbacks=Callbacks())


def load(directory: Path, name: str) -> Loaded:
    """A config directory as `-m` loads it."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(directory.resolve()), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        return Loaded(loader, loader.load_configuration(name, [], run_mode=RunMode.MULTIRUN))


@pytest.fixture(scope="session")
def loaded() -> Loaded:
    """The quadratic application."""
    return load(APPS / "conf", "quadratic")


@dataclass
class Bench:
    """Plans and runs studies of an application in this process."""

    loaded: Loaded
    directory: Path
    task: Callable[[DictConfig], Any]
    facts: TaskFacts = field(default_factory=TaskFacts)

    def plans(self, *arguments: str, **settings: Any) -> list[StudyPlan]:
        sweeps = {"search": SweepSettings.model_validate(settings)}
        plans, _ = plan_studies(sweeps, arguments, composer=self.loaded.composer, facts=self.facts)
        return [replace(plan, directory=self.directory / plan.name) for plan in plans]

    def plan(self, *arguments: str, **settings: Any) -> StudyPlan:
        (plan,) = self.plans(*arguments, **settings)
        return plan

    def worker(self, plan: StudyPlan, *, slots: int = 1) -> Worker:
        plan.directory.mkdir(parents=True, exist_ok=True)
        return Worker(
            [plan], task=self.task, context=self.loaded.context, composer=self.loaded.composer,
            executor=ThreadExecutor(), slots=[Slot(k, 1) for k in range(slots)], display=Display(),
            facts=self.facts,
        )  # fmt: skip

    def run(self, plan: StudyPlan, *, slots: int = 1) -> Worker:
        worker = self.worker(plan, slots=slots)
        worker.run()
        return worker


@pytest.fixture
def bench(loaded: Loaded, tmp_path: Path) -> Bench:
    """Of the quadratic application: its best is 0 at x = 0.3."""
    return Bench(loaded, tmp_path, quadratic)


def quadratic(config: DictConfig) -> float:
    from ratchet.search.processes.channel import current_trial

    value = -((float(config.x) - 0.3) ** 2)
    trial = current_trial()
    assert trial is not None
    for step in range(1, config.steps + 1):
        trial.report(step, value)
    return value


@dataclass(frozen=True)
class Application:
    """quadratic.py as a person runs it."""

    directory: Path  # hydra.sweep.dir, where its study is
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def command(self, *arguments: str, **settings: Any) -> list[str]:
        given = [f"+hydra.sweeper.sweeps.grid.{key}={value}" for key, value in settings.items()]
        return [sys.executable, str(QUADRATIC), "-m", *arguments, f"hydra.sweep.dir={self.directory}", *given]

    def start(self, *arguments: str, before: Sequence[str] = (), **settings: Any) -> subprocess.Popen[str]:
        """In a process group of its own; `before`: a command that takes another one to run as its arguments."""
        command = [*before, *self.command(*arguments, **settings)]
        process = subprocess.Popen(
            command, cwd=self.directory.parent, env=dict(os.environ), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        self.started.append(process)
        return process

    def end(self) -> None:
        """Leave nothing running, also where a test failed."""
        for process in self.started:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # of its group: what it left behind holds its pipes open
            process.communicate()

    def run(self, *arguments: str, **settings: Any) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments, **settings)
        out, err = process.communicate(timeout=300)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    @property
    def journal(self) -> Path:
        return self.directory / "study.journal"

    @property
    def study(self) -> optuna.Study:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        return optuna.load_study(storage=open_storage(str(self.journal)), study_name=None)

    @property
    def trials(self) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False)


@pytest.fixture
def application(tmp_path: Path) -> Iterator[Application]:
    application = Application(tmp_path / "sweep")
    yield application
    application.end()


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    """With a study that has an answer."""
    application = Application(tmp_path_factory.mktemp("asked") / "sweep")
    assert application.run("x=interval(-1,1)", "steps=2", n_trials=2, study="mine").returncode == 0
    yield application
    application.end()


@pytest.fixture(scope="session")
def zoo_loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    directory = tmp_path_factory.mktemp("zoo")
    for name, text in ZOO.items():
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_text(text, encoding="utf-8")
    return load(directory, "config")


@pytest.fixture
def zoo(zoo_loaded: Loaded, tmp_path: Path) -> Bench:
    """An application with config groups."""
    return Bench(
        zoo_loaded, tmp_path, animal, TaskFacts(metrics=lambda _: {"accuracy": "maximize", "parameters": "minimize"})
    )


@pytest.fixture(scope="module")
def context() -> HydraContext:
    import ratchet.config.tuned  # noqa: F401 - it registers what conf/ resolves by

    hydra = Hydra.create_main_hydra2("test", create_config_search_path(str(Project.find().conf)))
    return HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks())


@pytest.fixture(scope="module")
def composer(context: HydraContext) -> Composer:
    master = context.config_loader.load_configuration("config", ["hydra.sweep.dir=/tmp"], RunMode.MULTIRUN)
    return Composer(context.config_loader, master)
