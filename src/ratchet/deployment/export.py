"""A run as files that need no checkpoint: model.onnx, the transform, a model card, a manifest with every sha256."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ratchet import __version__
from ratchet.config.grammar import assignment
from ratchet.config.hints import to_type
from ratchet.data.folds import Fold
from ratchet.data.prepared import Examples, PreparedData, Split
from ratchet.data.staging import replace_directory, scratch_beside, storage_errors
from ratchet.deployment.exported import (
    MANIFEST,
    MODEL,
    REFERENCE,
    TRANSFORM,
    ExportedModel,
    decisions,
    quiet,
    session,
    sha256_of,
)  # fmt: skip
from ratchet.deployment.model_card import model_card
from ratchet.deployment.predictor import Predictor
from ratchet.deployment.reference import Reference, some
from ratchet.errors import CheckpointError, ConfigError, FileError, RatchetError, first_line
from ratchet.files import read_json, shown
from ratchet.models.lightning import Predicting
from ratchet.names import to_install
from ratchet.project import Project
from ratchet.runs.directory import RunDirectory
from ratchet.tasks import Predictions, Task
from ratchet.tasks.binary import Binary
from ratchet.tasks.quantile import Quantile
from ratchet.tasks.regression import Regression
from ratchet.training.checkpoint import read_checkpoint, require_same_data
from ratchet.training.predictions import BATCH_VALUES, outputs_of, threads

CARD = "card.md"
OPSET = 20
_COVERAGE = 0.9  # of the sets that an export can give
_CLOSE = 1e-4  # of a number's standard deviation, or of a log probability: more is another model


@dataclass(frozen=True)
class Parity:
    """model.onnx beside the checkpoint, over the whole test split."""

    examples: int
    largest_difference: float  # of what the task decides by: log probabilities, logits, numbers in the target's unit
    different_decisions: int


@dataclass(frozen=True)
class Exported:
    """What was written, and how near to the checkpoint it is."""

    directory: Path
    parity: Parity
    size: int  # bytes of model.onnx
    notes: tuple[str, ...]

    def in_words(self) -> str:
        """One line for a person."""
        parity = self.parity
        return (
            f"{shown(self.directory)}: {MODEL} ({self.size:,} bytes), {TRANSFORM}, {REFERENCE}, {CARD}, {MANIFEST}; "
            f"beside the checkpoint, on {parity.examples:,} test examples, {parity.different_decisions} decisions "
            f"differ, outputs by {parity.largest_difference:.1e} at most"
        )


def export(run: RunDirectory, *, output: Path, project: Project, evaluation: Path) -> Exported:
    """Write `output`, whole or not at all. evaluation: the folder in which evaluate wrote of this run.

    The test split is read for the parity and for the reference of later requests. Raises ConfigError for a missing
    package and a network that cannot be exported, CheckpointError where the exported model decides otherwise than the
    checkpoint, DataError for prepared data that are missing.
    """
    _require_packages()
    if output.exists() and not _is_ours(output):
        another = to_type(assignment("output", f"{output}_export"))
        raise RatchetError(f"{output} holds something else than an export, which would be lost; type: {another}")
    predictor = _loaded(run, project)
    config = predictor.config
    if predictor.transform.text is not None:
        predicts = to_type("python", "src/predict.py", assignment("run", shown(run.path)))
        raise ConfigError(
            f"{shown(run.path)} was trained on texts, and what is exported takes numbers; allowed: runs on tables, "
            f"arrays and pictures; type: {predicts} input=<file>"
        )
    directory = project.prepared(config.data.name)
    data = PreparedData.open(directory, reader="evaluate", config=config.data, fold=Fold.asked(config))
    require_same_data(read_checkpoint(run.best_checkpoint), data.data_hash, run.best_checkpoint)
    with storage_errors(output, command="the same command again"), scratch_beside(output) as scratch:
        test = data.split("test")
        _write_model(predictor, test.x, scratch / MODEL)
        parity, measured = _compare(scratch / MODEL, predictor, test)
        facts = {
            **predictor.provenance,
            "parity": asdict(parity),
            "model": config.plain()["model"],
            "seed": config.seed,
        }
        texts = {
            TRANSFORM: json.dumps(_description(predictor), indent=1, ensure_ascii=False) + "\n",
            REFERENCE: json.dumps(_reference(scratch / MODEL, predictor, data), ensure_ascii=False) + "\n",
            CARD: model_card(predictor, data.card, facts, evaluation / "metrics.json", measured=measured),
        }
        for name, text in texts.items():
            (scratch / name).write_text(text, encoding="utf-8")
        size = (scratch / MODEL).stat().st_size
        sums = {name: sha256_of((scratch / name).read_bytes()) for name in sorted((MODEL, *texts))}
        manifest = {"files": sums, **facts, "opset": OPSET, "ratchet": __version__, "torch": torch.__version__}
        (scratch / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        replace_directory(scratch, output)
    return Exported(output, parity, size, predictor.notes)


def _is_ours(output: Path) -> bool:
    """Whether a directory is empty, or holds what export writes and nothing else."""
    if not output.is_dir():
        return False
    there = {path.name for path in output.iterdir()}
    if not there:
        return True
    try:
        listed = read_json(output / MANIFEST)["files"]
    except (OSError, FileError, KeyError, TypeError):
        return False
    return MODEL in listed and there <= {MODEL, TRANSFORM, REFERENCE, CARD, MANIFEST}


def _require_packages() -> None:
    try:
        with quiet():
            import onnx  # noqa: F401
            import onnxruntime  # noqa: F401
            import onnxscript  # noqa: F401
    except ModuleNotFoundError as error:
        raise ConfigError(f"export needs the package {error.name}; type: {to_install('export')}") from error


def _loaded(run: RunDirectory, project: Project) -> Predictor:
    """With sets where the task and the run have them."""
    try:
        return Predictor.load(run, project=project, coverage=_COVERAGE)
    except ConfigError:
        return Predictor.load(run, project=project)


class _Exported(nn.Module):
    """Outputs as the task's predictions take them, and of classes and labels their probabilities."""

    def __init__(self, network: nn.Module, task: Task) -> None:
        super().__init__()
        self.network, self.task = network, task
        self.dtype = next(network.parameters()).dtype

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        outputs = self.task.activate(self.network(x.to(self.dtype)))
        if isinstance(self.task, Regression):
            return (outputs,)
        own = outputs.shape[1] == 1 or self.task.target.kind == "labels"  # logits; else log probabilities
        return outputs, (outputs.sigmoid() if own else outputs.exp()).float()


def _write_model(predictor: Predictor, x: Examples, path: Path) -> None:
    """x: some examples, two at least."""
    import onnx

    some = torch.from_numpy(np.array(x[:256]))
    names = ["outputs"] if isinstance(predictor.task, Regression) else ["outputs", "probabilities"]
    try:
        with quiet(), threads(1):
            if isinstance(predictor.model, Predicting):
                predictor.model.settle(some)
            program = torch.onnx.export(
                _Exported(predictor.model, predictor.task).eval(), (some,), dynamo=True,
                input_names=["x"], output_names=names, dynamic_shapes=({0: torch.export.Dim("batch")},),
                opset_version=OPSET, verbose=False, optimize=True,
            )  # fmt: skip
    except Exception as error:  # whatever a network of one's own meets in torch.export
        reason: BaseException = error
        while reason.__cause__ is not None:
            reason = reason.__cause__
        raise ConfigError(
            f"{predictor.config.model.target} cannot be exported ({first_line(reason)[:200]}); allowed: what "
            "torch.export traces; type: python src/predict.py, which needs no export"
        ) from error
    assert program is not None
    model = program.model_proto
    del model.metadata_props[:]  # traces of this machine's paths
    for graph in (model.graph, *model.functions):
        for part in (graph, *graph.node, *getattr(graph, "value_info", ())):
            del part.metadata_props[:]
            part.doc_string = ""
    for part in (*model.graph.input, *model.graph.output, *model.graph.initializer):
        del part.metadata_props[:]
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _compare(path: Path, predictor: Predictor, test: Split) -> tuple[Parity, dict[str, float | None]]:
    """Return how near the exported model is to the checkpoint, and the checkpoint's metrics.

    Raises CheckpointError where the exported model decides otherwise, or is off by more than rounding.
    """
    x, y = test.x, np.array(test.y)
    count, task = predictor.config.trainer.threads, predictor.task
    with threads(count):
        wanted = outputs_of(predictor.model, task, x)
    model, size = session(path.read_bytes(), count=count), max(1, BATCH_VALUES // x[0].size)
    parts = [model.run(["outputs"], {"x": x[start : start + size]})[0] for start in range(0, len(x), size)]
    found = np.concatenate(parts)
    numbers = isinstance(task, Regression)
    decided = [] if numbers else [_decisions(task.predictions(each, y)) for each in (wanted, found)]
    if task.target.kind == "class":
        decided[1] = decisions(_description(predictor), task.target, found)  # as an export decides
    different = sum(one != other for one, other in zip(*decided, strict=True))
    parity = Parity(len(x), float(np.abs(found - wanted).max()), different)
    scale = task.target.std if numbers else max(1.0, float(np.abs(wanted).max()))
    if different or parity.largest_difference > _CLOSE * scale:
        raise CheckpointError(
            f"the exported model is not the checkpoint: {different:,} of {len(x):,} test examples are decided "
            f"otherwise, outputs differ by {parity.largest_difference:.1e}; nothing was written; type: "
            "python src/predict.py, which uses the checkpoint"
        )
    return parity, task.predictions(wanted, y).metrics()


def _decisions(said: Predictions) -> list[Any]:
    header, rows = said.table()
    place = list(header).index("predicted")
    return [row[place] for row in rows]


def _reference(path: Path, predictor: Predictor, data: PreparedData) -> dict[str, Any]:
    """What requests are compared with, by the exported model."""
    target, transform, test = predictor.task.target, predictor.transform, data.split("test")
    model = ExportedModel({}, _description(predictor), transform, target, session(path.read_bytes(), count=1))
    truth: list[Any] = some(test.y).tolist()
    if target.kind == "class":
        truth = [target.names[k] for k in truth]
    answers, x = model.said(some(test.x)), some(data.split("train").x)
    repeated = sum(each["removed"] for each in data.card["findings"] if each["reason"] == "duplicate")
    found = Reference.of(x, answers, truth, transform=transform, target=target)
    return replace(found, repeated=repeated).as_json()


def _description(predictor: Predictor) -> dict[str, Any]:
    """All that turns a raw row into input and an output into a decision."""
    config, task = predictor.config, predictor.task
    return {
        "transform": json.loads(predictor.transform.as_text()),
        "table": config.data.table and config.data.table.model_dump(exclude={"path"}),
        "target": task.target.as_json(),
        "task": config.task.target or "auto",
        "outputs": _meaning(task),
        "quantiles": list(task.quantiles) if isinstance(task, Quantile) else None,
        "positive": task.target.names[task.positive] if isinstance(task, Binary) else None,
        "threshold": predictor.decides_by,
        "cut": float(task.cut) if isinstance(task, Binary) else None,  # of the logit
        "conformal": predictor.conformal and {**asdict(predictor.conformal), "from": "validation"},
    }


def _meaning(task: Task) -> str:
    if isinstance(task, Quantile):
        return "rising quantiles of the target, in its unit"
    if isinstance(task, Regression):
        return "the target, in its unit"
    return "logits" if task.n_outputs == 1 or task.target.kind == "labels" else "log probabilities of the classes"
