"""What every room's tests share: a small project in a temporary folder, and a process left as it was found."""

from __future__ import annotations

import logging
import os
import random
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig

from ratchet.project import Project
from ratchet.tasks.multiclass import MulticlassPredictions

REPOSITORY = Path(__file__).parents[1]
os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: tests share the cores, and a number hangs on the threads
for _number in (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
):  # as in a terminal, also under nohup or in the background
    signal.signal(_number, signal.default_int_handler if _number == signal.SIGINT else signal.SIG_DFL)
LONGEST = [  # begun first, so that no worker is left alone with one of them at the end
    "test_promote", "test_faults", "test_sweep_command", "test_repro", "test_hints", "test_dashboard", "test_online",
    "test_ended_by_a_signal", "test_readme", "test_launchers", "test_ranks", "test_comparison_page",
    "test_train_command", "test_lightning_module", "test_table", "test_sweep_agent", "test_secrets",
    "test_watch",
]  # fmt: skip
PARAMS = "data: digits\nmodel: cnn\nlogger: csv\nseed: 0\noverrides: {}\n"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files in the order in which xdist is to hand them out: `--dist loadfile --no-loadscope-reorder`."""
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(LONGEST)))


@pytest.fixture
def project(tmp_path: Path, digits: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A copy of conf/ and sweeps/ with digits prepared, and the working directory; params.yaml: digits, cnn, csv.

    conf/tuned/ stays behind: a test must not hang on what was promoted last.
    """
    root = tmp_path / "project"
    shutil.copytree(REPOSITORY / "conf", root / "conf", ignore=shutil.ignore_patterns("tuned"))
    shutil.copytree(REPOSITORY / "sweeps", root / "sweeps")
    shutil.copytree(digits, root / "data")
    (root / "params.yaml").write_text(PARAMS, encoding="utf-8")
    monkeypatch.chdir(root)
    monkeypatch.delenv("RATCHET_RUNS", raising=False)
    return Project(root)


@pytest.fixture
def write_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Writes own/<name>.py, which is imported in place of src/own's, and returns the folder that holds own/."""
    package = tmp_path / "project" / "elsewhere" / "own"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("", encoding="utf-8")
    monkeypatch.syspath_prepend(str(package.parent))
    for name in [name for name in sys.modules if name.partition(".")[0] == "own"]:
        monkeypatch.delitem(sys.modules, name)

    def write(name: str, code: str) -> Path:
        (package / f"{name}.py").write_text(code, encoding="utf-8")
        return package.parent

    return write


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data/ folder of a project in which digits is fetched and prepared. Copy it, do not write into it."""
    from ratchet.config.composition import load_config
    from ratchet.data.fetch import fetch
    from ratchet.data.prepare import prepare

    project = Project(tmp_path_factory.mktemp("digits"))
    shutil.copytree(REPOSITORY / "conf", project.conf)
    config = load_config(project, ["data=digits"]).data
    fetch(config, project=project)
    prepare(config, project=project)
    return project.root / "data"


@pytest.fixture(autouse=True)
def _process_as_it_was() -> Iterator[None]:
    """Hydra's singletons, sys.argv, working directory, environment, logging, signals, threads and generators."""
    restores = [_argv(), _surroundings(), _logging(), _generators(), _torch()]
    yield
    GlobalHydra.instance().clear()
    HydraConfig.instance().cfg = None  # Hydra's plugins stay: finding them takes longer than most tests
    for restore in restores:
        restore()


def _argv() -> Callable[[], None]:
    argv, path = list(sys.argv), list(sys.path)

    def restore() -> None:
        sys.argv, sys.path[:] = argv, path

    return restore


def _surroundings() -> Callable[[], None]:
    folder, environment, handlers = (
        Path.cwd(),
        dict(os.environ),
        {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)},
    )

    def restore() -> None:
        os.chdir(folder)
        for name in os.environ.keys() - environment.keys():
            del os.environ[name]
        os.environ.update({name: value for name, value in environment.items() if os.environ.get(name) != value})
        for number, handler in handlers.items():
            signal.signal(number, handler)

    return restore


def _logging() -> Callable[[], None]:
    root, disabled = logging.getLogger(), logging.root.manager.disable
    named = [logger for logger in logging.root.manager.loggerDict.values() if isinstance(logger, logging.Logger)]
    before = [(each, each.level, list(each.handlers), each.propagate, each.disabled) for each in [root, *named]]

    def restore() -> None:
        logging.captureWarnings(capture=False)
        logging.disable(disabled)
        for logger, level, handlers, propagate, off in before:
            logger.setLevel(level)
            logger.handlers, logger.propagate, logger.disabled = handlers, propagate, off

    return restore


def _generators() -> Callable[[], None]:
    python, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002 - libraries draw from it

    def restore() -> None:
        random.setstate(python)
        np.random.set_state(legacy)  # noqa: NPY002

    return restore


def _torch() -> Callable[[], None]:
    threads, deterministic, warn_only, benchmark, cudnn = int(os.environ["OMP_NUM_THREADS"]), False, False, False, False
    generator = None
    if "torch" in sys.modules:
        import torch

        threads, generator = torch.get_num_threads(), torch.get_rng_state()
        deterministic = torch.are_deterministic_algorithms_enabled()
        warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
        benchmark, cudnn = torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic

    def restore() -> None:
        if "torch" not in sys.modules:
            return
        import torch

        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
        torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = benchmark, cudnn
        if generator is not None:
            torch.set_rng_state(generator)

    return restore


@pytest.fixture(scope="session")
def draw() -> Callable[..., MulticlassPredictions]:
    """Predictions of a model of some skill on n drawn examples."""

    def draw(
        n: int, *, classes: int = 4, skill: float = 1.5, seed: int = 0, digits: int | None = None
    ) -> MulticlassPredictions:
        rng = np.random.default_rng(seed)
        labels = rng.integers(0, classes, n)
        logits = rng.normal(size=(n, classes))
        logits[np.arange(n), labels] += skill
        if digits is not None:
            logits = np.round(logits, digits)  # so that there are ties
        log_probabilities = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return MulticlassPredictions(labels, log_probabilities, tuple("abcdefghij"[:classes]))

    return draw


@pytest.fixture(scope="session")
def of_probabilities() -> Callable[..., MulticlassPredictions]:
    def of_probabilities(labels: Any, probabilities: Any, classes: Any = "ab") -> MulticlassPredictions:
        return MulticlassPredictions(np.array(labels), np.log(np.array(probabilities, dtype=float)), tuple(classes))

    return of_probabilities
