"""`python src/train.py -m`: what the command line asks becomes studies."""

from __future__ import annotations

import itertools
import json
import math
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from signal import Signals
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from ratchet.commands.prefork import preload
from ratchet.compat.hydra import store_config
from ratchet.config.environment import with_references
from ratchet.config.hints import OverrideError
from ratchet.config.modules import is_lightning_module
from ratchet.config.non_numeric_settings import without_non_numeric
from ratchet.config.request import Request, plain_config, refuse_idle
from ratchet.config.schema import Config
from ratchet.config.sections import ObjectiveConfig
from ratchet.config.seeds import refuse_reserved
from ratchet.config.tables import is_described, table_name
from ratchet.config.validation import validate, whole
from ratchet.data.on_demand import is_missing, prepare_if_missing
from ratchet.data.prepared import Described, PreparedData, describe
from ratchet.errors import ConfigError, RatchetError
from ratchet.metrics import COSTS, Direction, find_metric
from ratchet.project import Project
from ratchet.runs.directory import RunDirectory
from ratchet.runs.record import RunRecord, note_the_end
from ratchet.search.processes.channel import current_trial
from ratchet.search.space.plan import FACTS, Earlier, TaskFacts
from ratchet.search.space.settings import Objective, SweepSettings
from ratchet.tasks.build import task_class
from ratchet.terminal.quiet import quiet_libraries
from ratchet.yaml_files import read_yaml

# of two studies, one of which may have found settings that are worth a try in the other
_ALIKE = (
    "task._target_", "data.layout", "data.target_kind", "model.name", "model._target_", "optimizer._target_",
    "scheduler.name", "trainer.one_batch", "trainer.overfit_one_batch",
)  # fmt: skip
_LOOKED_AT, _MEDIAN_OF = 50, 5  # runs, to say how long a training takes


@dataclass
class Ending:
    """How a sweep ended; Hydra's main returns nothing."""

    failed: int = 0
    early: Signals | None = None  # by which signal

    def tell(self, failed: int, early: Signals | None) -> None:
        """What the sweeper calls last."""
        self.failed, self.early = failed, early


@dataclass(frozen=True)
class SweptTraining:
    """Trains one trial of a sweep: the task function that Hydra's sweeper calls in each trial process."""

    project: Project
    typed: tuple[str, ...]  # what is trained
    asked: tuple[str, ...]  # how it is searched
    preload: tuple[str, ...] = ()
    request: Request | None = None  # of the whole command line; None in a trial, whose config has been checked
    ending: Ending = field(default_factory=Ending)

    def run(self, composed: DictConfig) -> dict[str, float]:
        """Train one config into the trial's directory. Returns what is searchable of it; raises what train() raises."""
        from ratchet.training.train import train

        config = _config(composed)
        refuse_reserved(config.seed)  # one from between the ends of a space
        run = RunDirectory(Path(HydraConfig.get().runtime.output_dir))
        trial = current_trial()
        assert trial is not None
        with quiet_libraries(run.log):
            record = train(
                config, run=run, project=self.project, command=["train.py", *self.typed],
                study=trial.study, trial=trial.number, wandb_id=trial.identity or None, report=trial.report,
            )  # fmt: skip
            return measured(config, record, project=self.project)

    @property
    def facts(self) -> TaskFacts:
        """What the search may know before it begins."""
        return TaskFacts(
            metrics=lambda composed: searchable(_whole(composed)),
            check=None if self.request is None else partial(_check, request=self.request),
            build=self._build,
            ready=self._make_ready,
            identity=_identity,
            called=_called,
            repeat=lambda k: [] if k == 0 else [f"seed={1000 + k}"],
            objective=lambda composed: Objective(**_whole(composed)["objective"]),
            typed=frozenset(text.partition("=")[0] for text in self.typed),
            asked=frozenset(text.partition("=")[0].lstrip("+") for text in self.asked),
            preload=self.preload,
            command="python src/train.py",
            follow_up=_follow_up,
            threads=lambda composed: int(composed.trainer.threads) * int(composed.trainer.devices),
            devices=lambda composed: int(composed.trainer.devices),
            trainings=_length,
            measured=lambda composed: measured_before(self.project.runs, _whole(composed)),
            resolution=self._resolution,
            earlier=Earlier(self.project.runs / "sweeps", _ALIKE, "data.name"),
            lost=note_the_end,
            ended=self.ending.tell,
        )

    def _build(self, composed: Sequence[DictConfig]) -> Sequence[str | None]:
        """What is wrong with each where it is built, for data as they are prepared, or as conf/data says."""
        from ratchet.search.processes.executors import apart

        described: dict[str, Described] = {}
        asked = []
        for config in map(_config, composed):
            key = config.data.model_dump_json()
            if key not in described:
                described[key] = describe(self.project.prepared(config.data.name), config.data)
            asked.append((config, described[key]))
        return apart(_complaints, asked) or []

    def _resolution(self, composed: DictConfig) -> str | None:
        from ratchet.evaluation.resolution import resolution

        return resolution(_config(composed), project=self.project)

    def _make_ready(self, composed: Sequence[DictConfig], dry_run: bool) -> None:
        """Every data set of the trials is there, and what they will open. Raises DataError."""
        configs = {each.model_dump_json(): each for each in (_config(each).data for each in composed)}
        for data in configs.values():
            if dry_run and is_missing(data, project=self.project):
                print(f"note: {data.name} is not prepared: it would be fetched and prepared first", file=sys.stderr)
                continue
            prepare_if_missing(data, project=self.project)
            if data.module is None:
                PreparedData.open(self.project.prepared(data.name), reader="train", config=data)


def _complaints(asked: Sequence[tuple[Config, Described]]) -> list[str | None]:
    from ratchet.training.buildable import Asked, complaints  # it brings torch

    return complaints([Asked(config, *found) for config, found in asked])


def searchable(plain: Mapping[str, Any]) -> dict[str, Direction] | None:
    """What a study of a config can have as its objective or bound, and which way is better.

    None of a LightningModule: what it logs shows when it trains.
    """
    if is_lightning_module(plain["model"]["_target_"]):
        return None
    task, objective = plain["task"], str((plain.get("objective") or {}).get("metric")).rpartition("/")[2]
    kind = task_class(task["_target_"])
    measured = [*kind.objectives, "loss", *(task.get("metrics") or {}), *({objective} & set(kind.on_request))]
    names = [*(f"validation/{name}" for name in measured), *COSTS]
    return {name: found.direction for name in names if (found := find_metric(name)) is not None}


def measured(config: Config, record: RunRecord, *, project: Project) -> dict[str, float]:
    """Return all that can be an objective or a bound: metrics of the best checkpoint, and costs of the model."""
    found, known = dict(record.best.metrics) if record.best is not None else {}, searchable(config.plain())
    seconds = record.timings.get("fit", math.nan)
    return {
        **{name: value for name, value in found.items() if known is None or name in known},
        "parameters": float(record.parameters),
        "seconds": seconds,
        "latency": latency(config, project=project),
    }


def latency(config: Config, *, project: Project, repeats: int = 30) -> float:
    """Milliseconds for one example on the processor, by the median; not a number where a module cannot predict."""
    import torch

    from ratchet.training.tasks import network_for, task_for

    if config.data.module is not None:
        return math.nan  # the shape of an example is not known
    shape, target, text = describe(project.prepared(config.data.name), config.data)
    assert shape is not None, "data that were trained on are prepared"
    example = torch.zeros(1, *shape, dtype=torch.int64 if text else None)
    try:
        network = network_for(config, task_for(config, target), shape=shape, text=text).eval()
        network(example)
    except Exception:
        if config.model.is_lightning:
            return math.nan  # it predicts nothing
        raise
    times = []
    with torch.inference_mode():
        for _ in range(repeats):
            began = time.perf_counter()
            network(example)
            times.append(time.perf_counter() - began)
    return 1000 * statistics.median(times)


def run_sweep(
    sweeps: Mapping[str, SweepSettings],
    request: Request,
    *,
    asked: Sequence[str],
    project: Project,
    run_hydra: Callable[..., None],
) -> Ending:
    """Hand everything to Hydra with our sweeper in it."""
    from hydra_plugins.ratchet_sweeper.sweeper import NODE

    node = {
        **NODE,
        "sweeps": {name: settings.model_dump() for name, settings in sweeps.items()},
        "nested": not any(text.startswith("hydra.sweep.dir=") for text in request.typed),
        "keep_returns": False,
    }
    training = SweptTraining(project, request.typed, tuple(asked), preload(request.overrides), request)
    with _as_sweeper(node, training.facts, otherwise=NODE):
        run_hydra(training.run)
    return training.ending


@contextmanager
def _as_sweeper(node: dict[str, Any], facts: TaskFacts, *, otherwise: dict[str, Any]) -> Iterator[None]:
    """What `hydra/sweeper=ratchet` means meanwhile; Hydra's store is one for the whole process."""
    known = FACTS.set(facts)
    store_config("hydra/sweeper", "ratchet", node)
    try:
        yield
    finally:
        store_config("hydra/sweeper", "ratchet", otherwise)
        FACTS.reset(known)


def measured_before(runs: Path, wanted: Mapping[str, Any]) -> tuple[float, str] | None:
    """The median seconds of the newest trainings of this model on this data for as long, and whose they are."""
    records = [*runs.glob("*/*/run.json"), *runs.glob("sweeps/*/*/run.json"), *runs.glob("sweeps/*/*/*/run.json")]
    newest = sorted(records, key=lambda path: path.stat().st_mtime, reverse=True)[:_LOOKED_AT]
    found = (_seconds_of_such(RunDirectory(path.parent), wanted) for path in newest)
    seconds = list(itertools.islice((each for each in found if each is not None), _MEDIAN_OF))
    if not seconds:
        return None
    count = f"{len(seconds)} earlier runs" if len(seconds) > 1 else "one earlier run"
    return statistics.median(seconds), f"the median of {count} of {wanted['model']['name']} on {wanted['data']['name']}"


def _seconds_of_such(run: RunDirectory, wanted: Mapping[str, Any]) -> float | None:
    try:
        record, config = RunRecord.read(run), read_yaml(run.config)
        if record.status != "completed" or record.data.get("name") != wanted["data"]["name"]:
            return None
        such = config["model"]["name"] == wanted["model"]["name"]
        as_long = all(config["trainer"].get(key) == wanted["trainer"][key] for key in ("max_epochs", "max_steps"))
    except (RatchetError, OSError, KeyError, TypeError, AttributeError):
        return None  # not a run of today's Ratchet
    return record.timings.get("fit") if such and as_long else None


def _follow_up(study: str, trial: int | None, run: str) -> list[str]:
    """What a person types after a study: which is better, is it really, and what is it worth?"""
    named = shlex.quote(f"study={study}")
    return [
        f"python src/compare.py {named}",
        f"python src/promote.py {named}{'' if trial is None else f' trial={trial}'}",
        f"python src/evaluate.py {shlex.quote(f'run={run}')}",
    ]


def _length(composed: DictConfig) -> str:
    whole = _whole(composed)
    told = [f"{count} {unit}" for unit in ("epochs", "steps") if (count := whole["trainer"][f"max_{unit}"]) is not None]
    return f"at most {' or '.join(told)} of {whole['data']['name']}"


def _check(composed: DictConfig, overrides: Sequence[str], *, request: Request) -> None:
    """Raises ConfigError for a trial that cannot train; `overrides` are all that its config was composed of."""
    try:
        config = _config(composed)
    except OverrideError:
        params = tuple(text for text in overrides if text in request.params and text not in request.typed)
        typed = tuple(text for text in overrides if text not in params)
        own = replace(request, params=params, typed=typed, multirun=False, line=None)
        config = own.checked(plain_config(composed))  # it says what to type
    refuse_idle(config, [text for text in overrides if text in request.typed or text not in request.params])
    refuse_reserved(config.seed)
    if config.trainer.train_on != "train":
        raise ConfigError(
            f"trainer.train_on={config.trainer.train_on}: a search decides on validation data, so it cannot train on "
            "them; allowed: train; type: trainer.train_on=train"
        )


def _whole(composed: DictConfig) -> dict[str, Any]:
    """All that a composed config says, and what follows from its data; not checked."""
    actual, references = whole(plain_config(composed))
    completed: dict[str, Any] = with_references(actual, references)
    return completed


@lru_cache(1024)
def _checked(plain: str) -> Config:
    return validate(json.loads(plain))


def _config(composed: DictConfig) -> Config:
    """A composed config, checked: once, whoever asks. Raises OverrideError."""
    return _checked(json.dumps(plain_config(composed)))


def _called(composed: DictConfig) -> dict[str, str]:
    """`data=table` is of every table, and data=folder of every folder: a study is called by the name of that."""
    data = plain_config(composed)["data"]
    return {"data": table_name(data)} if is_described(data) else {}


def _identity(composed: DictConfig) -> dict[str, Any]:
    kept = without_non_numeric(_whole(composed))
    if kept["trainer"].get("sampling") == "none":  # as in Config.plain()
        del kept["trainer"]["sampling"]
    kept["objective"] = ObjectiveConfig.model_validate(kept["objective"]).model_dump()
    return kept
