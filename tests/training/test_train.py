"""train(): what a run leaves behind, that its number comes out again, and how it ends when something breaks."""

from __future__ import annotations

import csv
import json
import math
import os
import pickle
import re
import signal
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from ratchet.config.composition import config_hash, load_config
from ratchet.errors import (
    CheckpointError,
    ConfigError,
    Interrupted,
    OutOfMemoryError,
    RatchetError,
    TrainingError,
    TrialTimeout,
)
from ratchet.evaluation.evaluate import evaluate
from ratchet.project import Project
from ratchet.runs import RunDirectory, RunRecord
from ratchet.runs.record import read_config
from ratchet.terminal.command import interruptible
from ratchet.terminal.quiet import quiet_libraries
from ratchet.training import callbacks
from ratchet.training import train as train_module
from ratchet.training.checkpoint import load_model
from ratchet.training.train import sole_training, train

pytestmark = pytest.mark.slow  # whole trainings
SMALL = ["data=digits", "model=mlp", "model.width=16", "logger=csv", "trainer.progress=none", "trainer.max_epochs=4"]
Trained = Callable[..., tuple[RunDirectory, RunRecord]]


@pytest.fixture
def trained(project: Project, tmp_path: Path) -> Trained:
    """Train by overrides into a directory of its own: `trained("name", "optimizer.lr=1")`."""

    def go(name: str, *overrides: str, resume: bool = False) -> tuple[RunDirectory, RunRecord]:
        run = RunDirectory(tmp_path / "runs" / name)
        run.path.mkdir(parents=True, exist_ok=True)
        config = load_config(project, [*SMALL, *overrides])
        with quiet_libraries(run.log):
            return run, train(config, run=run, project=project, command=["train.py", *overrides], resume=resume)

    return go


def weights(run: RunDirectory) -> dict[str, torch.Tensor]:
    return load_model(run)[0].state_dict()


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize(
    "overrides",
    [
        ["trainer.validate_every=1"], ["trainer.validate_every=3"], ["trainer.max_steps=30"], ["trainer.max_steps=1"],
        ["trainer.max_epochs=null", "trainer.max_steps=61", "trainer.validate_every=2"],
    ],
)  # fmt: skip
def test_each_report_says_how_many_there_will_be(project: Project, tmp_path: Path, overrides: list[str]) -> None:
    config = load_config(project, [*SMALL, *overrides])
    heard: list[tuple[int, float, int | None]] = []
    run = RunDirectory(tmp_path / "run")
    run.path.mkdir()
    with quiet_libraries(run.log):
        train(config, run=run, project=project, report=lambda *told: heard.append(told))
    assert [number for number, *_ in heard] == list(range(1, len(heard) + 1))
    assert {of for *_, of in heard} == {len(heard)}


def test_a_run_directory_holds_everything(trained: Trained, project: Project) -> None:
    run, record = trained("a", "seed=3")
    written = json.loads(run.record.read_text())
    assert written == json.loads(record.model_dump_json())
    assert written["status"] == "completed"
    assert written["command"] == ["train.py", "seed=3"]
    assert written["seed"] == 3
    normalised = 2 * 16  # batch normalisation's scale and shift, which make a bias pointless
    assert written["parameters"] == (64 * 16 + normalised) + (16 * 16 + normalised) + (16 * 10 + 10)
    assert written["versions"]["torch"] == torch.__version__
    assert set(written["git"]) == {"revision", "dirty"}
    card = json.loads((project.prepared("digits") / "card.json").read_text())
    assert written["data"] == {"name": "digits", "hash": card["data_hash"]}
    assert written["host"]["device"] == "cpu"
    assert yaml.safe_load(run.config.read_text())["model"]["width"] == 16
    rows = run.metrics.read_text().splitlines()
    assert len(rows) == 1 + 4
    assert {"epoch", "step", "train/loss", "train/accuracy", "validation/loss", "validation/accuracy", "lr"} <= set(
        rows[0].split(",")
    )
    assert sorted(path.name for path in run.checkpoints.iterdir()) == ["best.ckpt", "last.ckpt"]


def test_best_is_the_best_row_of_the_curve_and_the_saved_weights_score_it(trained: Trained, project: Project) -> None:
    run, record = trained("a", "optimizer.lr=0.1", "scheduler=none")
    header, *rows = [line.split(",") for line in run.metrics.read_text().splitlines()]
    values = [float(row[header.index("validation/accuracy")]) for row in rows]
    assert record.best is not None
    assert record.best.value == max(values)
    assert record.best.epoch == values.index(max(values))
    network, config = load_model(run)
    from ratchet.data.prepared import PreparedData

    data = PreparedData.open(project.prepared("digits"), reader="train", config=config.data)
    x, y = (torch.tensor(part) for part in data.split("validation"))
    with torch.no_grad():
        accuracy = float((network(x).argmax(1) == y).float().mean())
    assert accuracy == pytest.approx(record.best.value, abs=1e-6)


def test_the_same_config_gives_the_same_run_bit_for_bit(trained: Trained) -> None:
    noisy = ["augmentation=image", "augmentation.shift=0.13", "model.dropout=0.2", "augmentation.mixup=0.2"]
    (a, first), (b, second), (c, _) = (
        trained(n, *noisy, *more) for n, more in [("a", []), ("b", []), ("c", ["seed=1"])]
    )
    assert a.metrics.read_bytes() == b.metrics.read_bytes()
    assert same(weights(a), weights(b))
    assert first.best == second.best
    assert first.metrics == second.metrics
    assert not same(weights(a), weights(c))


@pytest.mark.parametrize(
    "more",
    [
        ["scheduler=cosine", "trainer.sampling=undersample"],
        ["scheduler=plateau", "scheduler.patience=0", "optimizer.lr=0.1"],
        ["trainer.early_stopping={patience: 4, min_delta: 1}"],  # stops one epoch before the last
        ["trainer.max_steps=58", "trainer.validate_every=2"],  # in the midst of the sixth epoch
        ["trainer.max_steps=500", "trainer.train_on=train+validation"],
    ],
    ids=["cosine", "plateau", "early stopping", "steps", "more steps"],
)
def test_a_resumed_run_equals_one_that_was_never_interrupted(
    trained: Trained, monkeypatch: pytest.MonkeyPatch, more: list[str]
) -> None:
    monkeypatch.setattr(callbacks, "LAST_EVERY", -1.0)  # last.ckpt after every epoch
    noisy = [
        "augmentation=image",
        "augmentation.shift=0.13",
        "model.dropout=0.2",
        "trainer.max_epochs=6",
        *more,
    ]
    whole, _ = trained("whole", *noisy)
    seen = []

    def interrupt(self: Any, trainer: Any, *_: Any) -> None:
        seen.append(trainer.current_epoch)
        if trainer.current_epoch == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(callbacks.Checkpoints, "on_train_epoch_start", interrupt, raising=False)
        with pytest.raises(KeyboardInterrupt):
            trained("parts", *noisy)
    parts = RunDirectory(whole.path.parent / "parts")
    assert RunRecord.read(parts).status == "interrupted"
    assert seen == [0, 1, 2, 3]
    identifier = RunRecord.read(parts).id
    _, record = trained("parts", *noisy, resume=True)
    assert (record.id, record.resumed, record.status) == (identifier, 1, "completed")
    assert parts.metrics.read_bytes() == whole.metrics.read_bytes()
    assert same(weights(parts), weights(whole))


def test_code_that_draws_from_numpy_or_random_draws_the_same_after_a_resume(
    trained: Trained, write_own: Callable[[str, str], Path]
) -> None:
    code = """
    import random
    import numpy as np
    from torch import nn

    class Noisy(nn.CrossEntropyLoss):
        def forward(self, outputs, target):
            return super().forward(outputs, target) * (random.random() + np.random.rand())
    """
    write_own("noisy", textwrap.dedent(code))
    asked = ["loss._target_=own.noisy.Noisy", "scheduler=none"]
    trained("cut", *asked, "trainer.max_epochs=2")
    cut, _ = trained("cut", *asked, "trainer.max_epochs=3", resume=True)
    whole, _ = trained("whole", *asked, "trainer.max_epochs=3")
    assert cut.metrics.read_text() == whole.metrics.read_text()


def test_the_best_checkpoint_holds_what_was_validated(trained: Trained, project: Project) -> None:
    averaging = "+callbacks.ema._target_=pytorch_lightning.callbacks.EMAWeightAveraging"
    run, record = trained("a", averaging, "+callbacks.ema.decay=0.97", "optimizer.lr=0.05")
    settings = load_config(project, ["evaluation.bootstrap=0"]).evaluation
    found = evaluate(run, output=run.path / "evaluate", project=project, config=settings)
    assert record.best is not None
    (score,) = [split.metrics["accuracy"] for split in found.splits if split.split == "validation"]
    assert score == pytest.approx(record.best.value, abs=1e-6)


def test_the_best_checkpoint_is_never_ahead_of_the_last(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever a kill comes, what is gone on from knows of the best that lies beside it."""
    seen: list[tuple[int, int | None]] = []

    def look(self: callbacks.Checkpoints, trainer: Any, *_: Any) -> None:
        if trainer.current_epoch:
            best, last = (torch.load(path, weights_only=True) for path in (run.best_checkpoint, run.last_checkpoint))
            (kept,) = (state["best"] for state in last["callbacks"].values() if "best" in state)
            seen.append((best["global_step"], kept and kept["step"]))

    monkeypatch.setattr(callbacks.Checkpoints, "on_train_epoch_start", look, raising=False)
    run = RunDirectory(tmp_path / "runs" / "a")
    trained("a")
    assert len(seen) == 3
    assert all(best == known for best, known in seen)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "adam", "adagrad", "rmsprop"])
@pytest.mark.parametrize("scheduler", ["one_cycle", "plateau"])
def test_checkpoints_load_with_weights_only(trained: Trained, optimizer: str, scheduler: str) -> None:
    run, _ = trained("a", f"optimizer={optimizer}", f"scheduler={scheduler}", "trainer.max_epochs=2")
    for path in (run.best_checkpoint, run.last_checkpoint):
        contents = torch.load(path, weights_only=True)
        assert contents["ratchet"]["model"]["name"] == "mlp"


@pytest.mark.parametrize(
    ("overrides", "penalty"),
    [
        (["loss.l1=0.01"], lambda ws: 0.01 * sum(w.abs().sum() for w in ws)),
        (["loss.l2=0.01"], lambda ws: 0.005 * sum(w.square().sum() for w in ws)),
    ],
)
def test_penalties_add_to_the_loss(
    project: Project, overrides: list[str], penalty: Callable[..., torch.Tensor]
) -> None:
    from ratchet.training.fit import Fit

    fit = Fit.assemble(load_config(project, [*SMALL, *overrides]), project=project, run=RunDirectory(project.root))
    plain = Fit.assemble(load_config(project, SMALL), project=project, run=RunDirectory(project.root))
    batch = next(iter(fit.datamodule.train_batches()))
    losses = [each.module._loss(each.module.network(batch[0]), batch[1]).detach() for each in (fit, plain)]
    matrices = [parameter for parameter in fit.module.network.parameters() if parameter.ndim > 1]
    assert float(losses[0] - losses[1]) == pytest.approx(float(penalty(matrices).detach()), rel=1e-4)


def test_balanced_class_weights_are_inverse_to_frequency(project: Project) -> None:
    from ratchet.training.fit import Fit

    config = load_config(project, [*SMALL, "loss.class_weights=balanced"])
    fit = Fit.assemble(config, project=project, run=RunDirectory(project.root))
    found = fit.module.criterion.weight
    counts = torch.bincount(torch.tensor(fit.data.split("train").y))
    assert found is not None
    assert torch.allclose(found * counts, torch.full((10,), len(fit.data.split("train").y) / 10))


def test_early_stopping_stops(trained: Trained) -> None:
    run, _ = trained("a", "trainer.early_stopping={patience: 2}", "optimizer.lr=1e-9", "model.normalisation=none")
    assert len(run.metrics.read_text().splitlines()) == 1 + 3  # the first is the best, two more are patience


@pytest.mark.parametrize(
    ("length", "steps"),
    [
        ("trainer.max_epochs=5", ["22", "44", "55"]),
        ("trainer.max_epochs=4", ["22", "44"]),
        ("trainer.max_steps=30", ["22", "30"]),
    ],
)
def test_a_training_ends_with_a_validation(trained: Trained, length: str, steps: list[str]) -> None:
    run, record = trained("a", "trainer.max_epochs=9", "trainer.validate_every=2", length)
    assert [row["step"] for row in csv.DictReader(run.metrics.read_text().splitlines())] == steps
    assert record.status == "completed"


def test_steps_that_end_within_an_epoch_end_in_a_validation(trained: Trained) -> None:
    run, record = trained("a", "trainer.max_steps=15", "trainer.max_epochs=null")
    steps = [line.split(",")[1] for line in run.metrics.read_text().splitlines()]
    assert steps == ["step", "11", "15"]
    assert record.best is not None


def test_train_on_validation_too_keeps_the_last_weights(trained: Trained) -> None:
    run, record = trained("a", "trainer.train_on=train+validation")
    assert record.best is None
    contents = torch.load(run.last_checkpoint, weights_only=True)
    last = {k.removeprefix("network."): v for k, v in contents["state_dict"].items() if k.startswith("network.")}
    assert same(weights(run), last)
    assert len(run.metrics.read_text().splitlines()) == 1 + 4


def test_overfitting_one_batch_drives_the_loss_down(trained: Trained) -> None:
    run, _ = trained("a", "debug=overfit", "trainer.max_epochs=100", "trainer.validate_every=100", "model.width=64")
    header, row = [line.split(",") for line in run.metrics.read_text().splitlines()]
    assert float(row[header.index("train/loss")]) < 0.05
    assert int(row[header.index("step")]) == 100


@pytest.mark.parametrize("debug", ["one_batch", "profile"])
def test_debug_modes_finish(trained: Trained, debug: str) -> None:
    run, record = trained("a", f"debug={debug}")
    assert record.status == "completed"
    assert any(run.path.glob("*profile*")) == (debug == "profile")


def test_a_loss_that_is_not_finite_stops_and_says_where(trained: Trained, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"the loss is (nan|inf) at step \d+ \(epoch \d+.*type: optimizer\.lr="):
        trained("a", "optimizer=sgd", "optimizer.lr=1e30", "scheduler=none")
    record = RunRecord.read(RunDirectory(tmp_path / "runs" / "a"))
    assert record.status == "failed"
    assert record.error is not None
    assert record.error["class"] == "NonFiniteLossError"
    assert record.best is None
    contents = torch.load(tmp_path / "runs" / "a" / "checkpoints" / "last.ckpt", weights_only=True)
    assert all(torch.isfinite(value).all() for value in contents["state_dict"].values())


def test_the_step_of_a_loss_that_is_not_finite_is_the_first_one(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ratchet.training.module import TaskModule

    honest = TaskModule._loss
    calls = []

    def poisoned(self: TaskModule, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        return honest(self, logits, target) * (math.nan if len(calls) == 15 else 1.0)

    monkeypatch.setattr(TaskModule, "_loss", poisoned)
    with pytest.raises(TrainingError, match=r"at step 15 \(epoch 1"):  # 1006 examples, 11 batches an epoch
        trained("a")


def test_a_full_disk_leaves_the_old_checkpoint_and_one_clear_error(
    trained: Trained, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import pytorch_lightning as pl

    save, saved = pl.Trainer.save_checkpoint, []

    def full(self: Any, path: Path, **options: Any) -> None:
        saved.append(path)
        if len(saved) > 3:  # before the first epoch; last and best of the first, last of the second
            Path(path).write_bytes(b"half a checkpoint")
            raise OSError(28, "No space left on device", str(path))
        save(self, path, **options)

    monkeypatch.setattr(pl.Trainer, "save_checkpoint", full)
    with pytest.raises(OSError, match="No space left"):
        trained("a", "optimizer.lr=0.01")
    run = RunDirectory(tmp_path / "runs" / "a")
    assert sorted(path.name for path in run.checkpoints.iterdir()) == ["best.ckpt", "last.ckpt"]
    record = RunRecord.read(run)
    assert record.status == "failed"
    assert record.best is not None
    assert torch.load(run.best_checkpoint, weights_only=True)["global_step"] == record.best.step == 11


def test_memory_that_runs_out_is_said_in_one_line(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    from ratchet.training.module import TaskModule

    def greedy(self: Any, batch: Any, batch_idx: int) -> torch.Tensor:
        return torch.empty(2**50)

    monkeypatch.setattr(TaskModule, "training_step", greedy)
    with pytest.raises(OutOfMemoryError, match=r"out of memory.*type: trainer\.batch_size=50, or"):
        trained("a")


def test_memory_that_runs_out_before_the_training_is_said_in_one_line(trained: Trained, tmp_path: Path) -> None:
    with pytest.raises(OutOfMemoryError, match=r"out of memory while model mlp .* is built"):
        trained("a", "model.width=1000000000", "model.depth=2")
    assert not list((tmp_path / "runs" / "a").glob("*.json"))


def test_a_trial_that_took_too_long_has_failed_and_was_not_interrupted(project: Project, tmp_path: Path) -> None:
    def report(*_: Any) -> None:
        raise TrialTimeout("it took longer than sweep.trial_timeout")

    run = RunDirectory(tmp_path / "runs" / "a")
    config = load_config(project, SMALL)
    with quiet_libraries(run.log), pytest.raises(TrialTimeout):
        train(config, run=run, project=project, study="a", trial=0, report=report)
    record = RunRecord.read(run)
    assert (record.status, record.error["class"]) == ("failed", "TrialTimeout")


class TestCheckpointMistakes:
    def test_of_another_model(self, trained: Trained) -> None:
        trained("a")
        with pytest.raises(CheckpointError, match=r"model\.width=16 there, 32 here; type: model\.width=16"):
            trained("a", "model.width=32", resume=True)

    def test_of_other_data(self, trained: Trained, project: Project) -> None:
        from ratchet.data.prepare import prepare

        trained("a")
        other = "data.prepare.seed=9"
        prepare(load_config(project, [*SMALL, other]).data, project=project)
        with pytest.raises(CheckpointError, match=r"was trained on prepared data .* train anew without resume="):
            trained("a", other, resume=True)

    def test_missing(self, trained: Trained, tmp_path: Path) -> None:
        with pytest.raises(CheckpointError, match="cannot resume: there is no checkpoint"):
            trained("nothing", resume=True)

    def test_damaged(self, trained: Trained) -> None:
        run, _ = trained("a")
        run.best_checkpoint.write_bytes(run.best_checkpoint.read_bytes()[:1000])
        with pytest.raises(CheckpointError, match="damaged or no checkpoint"):
            load_model(run)

    def test_that_would_execute_code_is_refused(self, trained: Trained, tmp_path: Path) -> None:
        run, _ = trained("a")

        class Evil:
            def __reduce__(self) -> tuple[Any, ...]:
                return Path.touch, (tmp_path / "executed",)

        run.best_checkpoint.write_bytes(pickle.dumps(Evil(), protocol=2))
        with pytest.raises(CheckpointError, match="damaged or no checkpoint"):
            load_model(run)
        assert not (tmp_path / "executed").exists()


def test_a_batch_of_one_under_batch_normalisation_leaves_nothing_behind(trained: Trained, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"trainer\.batch_size=1: .* type: trainer\.batch_size=2"):
        trained("a", "trainer.batch_size=1")
    assert list((tmp_path / "runs" / "a").iterdir()) == []


def test_a_batch_of_one_trains_without_batch_normalisation(trained: Trained) -> None:
    short = ["trainer.max_steps=3", "trainer.max_epochs=null"]
    assert trained("a", "trainer.batch_size=1", "model.normalisation=layer", *short)[1].status == "completed"


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_gradients_are_clipped_under_mixed_precision(trained: Trained, optimizer: str) -> None:
    mixed = [f"optimizer={optimizer}", "trainer.precision=bf16-mixed", "trainer.max_epochs=1", "scheduler=none"]
    free, _ = trained("free", *mixed)
    clipped, record = trained("clipped", *mixed, "trainer.gradient_clip=1e-6")
    assert record.status == "completed"
    assert not same(weights(clipped), weights(free))


@pytest.mark.parametrize("model", ["mlp", "transformer"])
def test_double_precision_is_kept_where_a_run_is_read(trained: Trained, project: Project, model: str) -> None:
    run, _ = trained("a", f"model={model}", "model.width=16", "trainer.precision=64-true", "trainer.max_epochs=1")
    saved = torch.load(run.best_checkpoint, weights_only=True)["state_dict"]
    assert same(weights(run), {key.removeprefix("network."): value for key, value in saved.items()})
    settings = load_config(project, ["evaluation.bootstrap=0"]).evaluation
    evaluate(run, output=run.path / "evaluate", project=project, config=settings)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
@pytest.mark.parametrize("trainer", ["gpu", "ddp"])
def test_a_gpu_that_is_not_there_is_said_in_one_line(trained: Trained, trainer: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"torch sees 0 GPUs on this machine; type: trainer=cpu"):
        trained("a", f"trainer={trainer}")
    assert list((tmp_path / "runs" / "a").iterdir()) == []


def test_a_batch_larger_than_the_data_is_all_of_them(trained: Trained) -> None:
    _, record = trained("a", "trainer.batch_size=5000", "trainer.max_epochs=2")
    assert record.best is not None
    assert record.best.step <= 2  # one step an epoch


@pytest.mark.parametrize(
    "changed",
    [
        "optimizer.lr=0.5", "optimizer.weight_decay=0.3", "seed=7", "trainer.batch_size=20",
        "trainer.gradient_clip=1.0", "trainer.validate_every=2", "loss.l2=0.1", "objective.metric=validation/loss",
        "augmentation.noise=0.1",
    ],
)  # fmt: skip
def test_a_resumed_run_refuses_what_it_cannot_take_up(trained: Trained, changed: str) -> None:
    run, _ = trained("a")
    before = run.config.read_bytes(), run.record.read_bytes(), run.metrics.read_bytes()
    key = re.escape(changed.partition("=")[0])
    with pytest.raises(CheckpointError, match=rf"here is .*{key}=.* \(it has .*\); allowed: trainer\.max_epochs"):
        trained("a", changed, "trainer.max_epochs=5", resume=True)
    assert (run.config.read_bytes(), run.record.read_bytes(), run.metrics.read_bytes()) == before


def test_a_resumed_run_takes_up_lengths_and_what_changes_no_number(trained: Trained) -> None:
    trained("a")
    _, record = trained("a", "trainer.max_epochs=5", "trainer.threads=2", "evaluation.bootstrap=7", resume=True)
    assert record.resumed == 1
    assert record.threads == 2
    assert [leg.threads for leg in record.legs] == [1]


def test_a_run_that_is_being_trained_is_left_alone(trained: Trained) -> None:
    """Two trainings in one directory would write one after the other into the same files."""
    run, _ = trained("x")
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file() and path != run.log}
    with sole_training(run), pytest.raises(RatchetError, match="is being trained by another process"):
        trained("x", "trainer.max_epochs=9", resume=True)
    assert {path: path.read_bytes() for path in before} == before
    assert trained("x", "trainer.max_epochs=5", resume=True)[1].status == "completed"


def test_a_run_that_goes_on_from_its_best_has_that_best_on_disk(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill can come when last.ckpt is renamed and best.ckpt is not yet."""
    run, record = trained("x", "trainer.max_epochs=1")
    run.best_checkpoint.write_bytes(b"of an earlier epoch")
    monkeypatch.setattr(callbacks.Checkpoints, "_is_better", lambda *_: False)
    assert trained("x", "trainer.max_epochs=2", resume=True)[1].best == record.best
    assert record.best is not None
    assert torch.load(run.best_checkpoint, weights_only=True)["global_step"] == record.best.step


def test_config_and_record_agree_also_where_a_service_is_waited_for_in_vain(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, before = trained("x", "trainer.max_epochs=2")

    def interrupted(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(train_module, "build_loggers", interrupted)
    with pytest.raises(KeyboardInterrupt):
        trained("x", "trainer.max_epochs=3", resume=True)
    record = RunRecord.read(run)
    assert (record.status, record.config_hash) == ("interrupted", config_hash(read_config(run)))
    assert (record.best, record.metrics) == (before.best, before.metrics)


def test_a_signal_while_the_end_is_written_leaves_a_whole_record(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = train_module._finish

    def told_to_end(*arguments: Any, **settings: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        finish(*arguments, **settings)

    monkeypatch.setattr(train_module, "_finish", told_to_end)
    heard: list[int] = []
    with pytest.raises(Interrupted), interruptible(heard):
        trained("x")
    record = RunRecord.read(RunDirectory(tmp_path / "runs/x"))
    assert (heard, record.status) == ([signal.SIGTERM], "completed")
    assert record.best is not None


def test_a_second_training_does_not_replace_a_run(trained: Trained) -> None:
    run, record = trained("a")
    weights_before = run.best_checkpoint.read_bytes()
    with pytest.raises(
        RatchetError, match=rf"holds the run {record.id} \(completed\).* type: python src/train.py resume="
    ):
        trained("a", "seed=1")
    assert run.best_checkpoint.read_bytes() == weights_before


def test_nor_one_that_ended_while_it_began(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    begin = train_module._note_the_data
    others: list[RunRecord] = []

    def another_is_faster(*arguments: Any) -> None:
        monkeypatch.setattr(train_module, "_note_the_data", begin)
        others.append(trained("a", "seed=1")[1])

    monkeypatch.setattr(train_module, "_note_the_data", another_is_faster)
    with pytest.raises(RatchetError, match=r"holds the run .* \(completed\), which is not replaced"):
        trained("a")
    assert len(others) == 1


def test_a_leg_without_wandb_keeps_what_the_run_is_there(trained: Trained) -> None:
    run, record = trained("a", "trainer.max_epochs=1")
    record.model_copy(update={"wandb_id": "mine", "wandb_sweep": "grid"}).write(run)
    _, record = trained("a", "trainer.max_epochs=2", resume=True)
    assert (record.wandb_id, record.wandb_sweep) == ("mine", "grid")


def test_the_variables_of_a_cluster_make_no_rank_of_a_training(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone, _ = trained("alone")
    for name, value in {"NTASKS": "4", "JOB_ID": "7", "JOB_NAME": "work", "PROCID": "3", "LOCALID": "3"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    run, record = trained("placed")
    assert record.status == "completed"
    assert same(weights(run), weights(alone))
