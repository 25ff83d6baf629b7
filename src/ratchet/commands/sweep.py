"""`python src/train.py -m`: what the command line asks becomes studies."""

from __future__ import annotations

import math
import re
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import IntervalSweep
from omegaconf import DictConfig, OmegaConf

from ratchet.config.command_line import is_for_a_sweep
from ratchet.config.composition import Request, plain_config
from ratchet.config.explanation import explain
from ratchet.config.grammar import parse_override, values_of
from ratchet.config.names import nearest, suggestion
from ratchet.config.schema import Config
from ratchet.config.seeds import refuse_reserved
from ratchet.config.validation import validate
from ratchet.errors import ConfigError
from ratchet.project import Project
from ratchet.runs.directory import RunDirectory
from ratchet.runs.record import RunRecord, Status
from ratchet.search.channel import current_trial
from ratchet.search.plan import TaskFacts
from ratchet.search.settings import SweepSettings
from ratchet.search.sweeper import read_settings
from ratchet.terminal.quiet import quiet_libraries

METRICS = (
    "validation/accuracy", "validation/balanced_accuracy", "validation/f1", "validation/loss",
    "parameters", "latency", "seconds",
)  # fmt: skip
_NO_IDENTITY = {"logger", "evaluation"}  # sections that change no number
_PRELOAD = ("torch._dynamo", "pytorch_lightning", "ratchet.training.train", "ratchet.commands.sweep")


@dataclass
class Ending:
    """How a sweep ended; Hydra's main returns nothing."""

    failed: int = 0
    interrupted: bool = False

    def tell(self, failed: int, interrupted: bool) -> None:
        """What the sweeper calls last."""
        self.failed, self.interrupted = failed, interrupted


@dataclass(frozen=True)
class SweptTraining:
    """The task of a trial."""

    project: Project
    typed: tuple[str, ...]
    ending: Ending = field(default_factory=Ending)

    def run(self, composed: DictConfig) -> dict[str, float]:
        """Train one config into the trial's directory. Returns METRICS; raises what train() raises."""
        from ratchet.training.train import train

        config = validate(plain_config(composed))
        refuse_reserved(config.seed)  # one from between the ends of a space
        run = RunDirectory(Path(HydraConfig.get().runtime.output_dir))
        trial = current_trial()
        assert trial is not None
        with quiet_libraries(run.log):
            record = train(
                config, run=run, project=self.project, command=["train.py", *self.typed],
                study=trial.study, trial=trial.number, report=trial.report,
            )  # fmt: skip
            return measured(config, record)

    @property
    def facts(self) -> TaskFacts:
        """What the search may know before it begins."""
        return TaskFacts(
            metrics=METRICS,
            check=_check,
            identity=_identity,
            repeat=lambda k: [] if k == 0 else [f"seed={1000 + k}"],
            typed=frozenset(text.partition("=")[0] for text in self.typed),
            preload=_PRELOAD,
            command="python src/train.py",
            evaluate="python src/evaluate.py run=",
            threads=lambda composed: int(composed.trainer.threads),
            trainings=_length,
            lost=note_the_end,
            ended=self.ending.tell,
        )


def measured(config: Config, record: RunRecord) -> dict[str, float]:
    """Everything that a study can have as its objective or bound: of the best checkpoint, and of the model."""
    found = dict(record.best.metrics) if record.best is not None else {}
    seconds = record.timings.get("fit", math.nan)
    return {
        **{name: value for name, value in found.items() if name in METRICS},
        "parameters": float(record.parameters),
        "seconds": seconds,
        "latency": latency(config),
    }


def note_the_end(directory: Path, how: str) -> None:
    """A training whose process was ended left a run.json that says it is running."""
    run = RunDirectory(directory)
    if not run.record.is_file():
        return
    record = RunRecord.read(run)
    if record.status == "running":
        statuses: dict[str, Status] = {"pruned": "pruned", "interrupted": "interrupted"}
        record.status = statuses.get(how, "failed")
        if record.status == "failed":
            record.error = {"class": how, "message": "its process was ended"}
        record.write(run)


def latency(config: Config, *, repeats: int = 30) -> float:
    """Milliseconds for one example on the processor, by the median."""
    import torch

    from ratchet.models import build_model

    shape, classes = tuple(config.data.shape), len(config.data.classes)
    network = build_model(config.model, input_shape=shape, n_classes=classes).eval()
    example = torch.zeros(1, *shape)
    times = []
    with torch.inference_mode():
        for _ in range(repeats):
            began = time.perf_counter()
            network(example)
            times.append(time.perf_counter() - began)
    return 1000 * statistics.median(times)


def sweep_settings(project: Project, request: Request) -> tuple[dict[str, SweepSettings], Request]:
    """The sweeps that the command line names, composed from sweeps/, and the request without them.

    `sweep=<file>` chooses, several with commas; `sweep.<key>=` sets a value in it, `sweep/<group>=` an option of
    it. Without sweep= typed intervals are searched, and anything else is a grid. Raises ConfigError.
    """
    ours = [text for text in request.typed if is_for_a_sweep(text)]
    rest = tuple(text for text in request.typed if not is_for_a_sweep(text))
    named = [text for text in ours if text.partition("=")[0] == "sweep"]
    inner = [re.sub(r"^(\+*)sweep[./]", r"\1", text) for text in ours if text not in named]
    directory = project.root / "sweeps"
    if named:
        names = [str(value) for value in values_of(parse_override(named[-1]))]
    else:
        searched = any(isinstance(parse_override(text).value(), IntervalSweep) for text in request.overrides)
        names = ["search" if searched else "grid"]
    composed = {name: read_settings(name, _compose(directory, name, inner)) for name in names}
    return composed, Request(request.directory, request.params, rest, request.multirun, request.notices)


def _compose(directory: Path, name: str, overrides: Sequence[str]) -> dict[str, Any]:
    known = sorted(path.stem for path in directory.glob("*.yaml") if path.stem != "base")
    if not known:
        raise ConfigError(
            f"there are no sweeps in {directory}, and -m reads its settings there; type: git checkout sweeps"
        )
    if name not in known:
        raise ConfigError(
            f"sweep={name}: there is no such sweep; {suggestion(name, known)}; "
            f"type: sweep={[*nearest(name, known), *known][0]}"
        )
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(directory.resolve()), version_base="1.3"):
            plain = OmegaConf.to_container(hydra_compose(name, overrides=list(overrides)), resolve=True)
    except Exception as error:
        explained = explain(error, directory=directory)
        if explained is None:
            raise
        text = str(explained).partition("; mend that")[0]
        told = "" if "allowed:" in text else f"; allowed: {', '.join(SweepSettings.model_fields)}"
        raise ConfigError(f"sweep={name}: {text}{told}") from error
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def run_sweep(
    sweeps: Mapping[str, SweepSettings], request: Request, *, project: Project, run_hydra: Callable[..., None]
) -> Ending:
    """Hand everything to Hydra with our sweeper in it."""
    from hydra_plugins.ratchet_sweeper.sweeper import NODE

    node = {
        **NODE,
        "sweeps": {name: settings.model_dump() for name, settings in sweeps.items()},
        "nested": not any(text.startswith("hydra.sweep.dir=") for text in request.typed),
        "keep_returns": False,
    }
    ConfigStore.instance().store(group="hydra/sweeper", name="ratchet", node=node, provider="ratchet")
    training = SweptTraining(project, request.typed)
    run_hydra(training.run)
    return training.ending


def _length(composed: DictConfig) -> str:
    trainer = composed.trainer
    told = [f"{trainer.max_epochs} epochs"] if trainer.max_epochs is not None else []
    told += [f"{trainer.max_steps} steps"] if trainer.max_steps is not None else []
    return f"at most {' or '.join(told)} of {composed.data.name}"


def _check(composed: DictConfig) -> None:
    refuse_reserved(validate(plain_config(composed)).seed)


def _identity(composed: DictConfig) -> dict[str, Any]:
    plain = plain_config(composed)
    kept = {key: value for key, value in plain.items() if key not in {*_NO_IDENTITY, "hydra"}}
    kept["trainer"] = {key: value for key, value in kept["trainer"].items() if key not in {"progress", "profile"}}
    return kept
