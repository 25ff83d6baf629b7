"""A person's LightningModule and LightningDataModule, in the shape of a public template: trained as they are."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from ratchet.commands.train import check_classes, main
from ratchet.config.composition import config_hash, load_config
from ratchet.config.modules import is_lightning_module
from ratchet.errors import (
    CheckpointError,
    ConfigError,
    DataError,
    NonFiniteLossError,
    OutOfMemoryError,
    RatchetError,
    SplitGuardError,
    TrainingError,
)
from ratchet.evaluation.evaluate import evaluate
from ratchet.project import Project
from ratchet.promotion.challengers import Champion, from_run
from ratchet.promotion.promotion_paths import PromotionPaths
from ratchet.promotion.rewriting import write_for
from ratchet.runs import RunDirectory, RunRecord
from ratchet.tasks import Target
from ratchet.terminal.quiet import quiet_libraries
from ratchet.training import callbacks
from ratchet.training.checkpoint import load_model
from ratchet.training.own_data import OwnData
from ratchet.training.train import train

pytestmark = pytest.mark.slow

CODE = """
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers.logger import Logger
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split
from torchmetrics import MaxMetric, MeanMetric
from torchmetrics.classification import MulticlassAccuracy


class Dense(nn.Module):
    def __init__(self, width: int = 16):
        super().__init__()
        parts = nn.Linear(64, width), nn.ReLU(), nn.Dropout(0.2), nn.Linear(width, 10)
        self.layers = nn.Sequential(nn.Flatten(), *parts)

    def forward(self, x):
        return self.layers(x)


class LitDense(pl.LightningModule):
    def __init__(self, net: nn.Module, optimizer: torch.optim.Optimizer, scheduler=None):
        super().__init__()
        self.save_hyperparameters(logger=False, ignore=["net"])
        self.net = net
        self.loss = nn.CrossEntropyLoss()
        self.train_loss, self.val_acc, self.val_acc_best = MeanMetric(), MulticlassAccuracy(10), MaxMetric()

    def forward(self, x):
        return self.net(x)

    def on_train_start(self):
        self.val_acc_best.reset()

    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = self.loss(self(x), y)
        self.train_loss(loss)
        self.log("train/loss", self.train_loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch, batch_idx):
        x, y = batch
        self.val_acc(self(x), y)
        self.log("val/loss", self.loss(self(x), y), on_epoch=True)

    def on_validation_epoch_end(self):
        self.val_acc_best(self.val_acc.compute())
        self.val_acc.reset()
        self.log("val/acc_best", self.val_acc_best.compute())

    def configure_optimizers(self):
        optimizer = self.hparams.optimizer(params=self.parameters())
        if self.hparams.scheduler is None:
            return {"optimizer": optimizer}
        scheduler = {"scheduler": self.hparams.scheduler(optimizer=optimizer), "monitor": "val/loss"}
        return {"optimizer": optimizer, "lr_scheduler": scheduler}


class NoForward(LitDense):
    forward = pl.LightningModule.forward

    def training_step(self, batch, batch_idx):
        x, y = batch
        return self.loss(self.net(x), y)

    def validation_step(self, batch, batch_idx):
        x, y = batch
        self.val_acc(self.net(x), y)


class NoTraining(pl.LightningModule):
    def validation_step(self, batch, batch_idx): ...

    def configure_optimizers(self): ...


class Silent(LitDense):
    def validation_step(self, batch, batch_idx): ...

    def on_validation_epoch_end(self): ...


class OnlyTraining(Silent):
    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        self.log("val/acc_best", loss)
        return loss


class Nothing(LitDense):
    def training_step(self, batch, batch_idx): ...


class NotANumber(LitDense):
    def training_step(self, batch, batch_idx):
        return super().training_step(batch, batch_idx) * float("nan")


class NoOptimizer(LitDense):
    def configure_optimizers(self):
        raise KeyError("adamm")


class Idle(LitDense):
    def configure_optimizers(self): ...


class Unloadable(LitDense):
    def on_save_checkpoint(self, checkpoint):
        checkpoint["mine"] = print


class Probable(LitDense):
    def predict_step(self, batch, batch_idx):
        x, y = batch
        assert not y.any()
        return self(x).softmax(dim=1)


class OneCycle(LitDense):
    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=0.01)
        steps = self.trainer.estimated_stepping_batches  # it makes the loaders, before a checkpoint is restored
        scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=steps)
        return [optimizer], [{"scheduler": scheduler, "interval": "step"}]


class WrongShape(LitDense):
    def predict_step(self, batch, batch_idx):
        return self(batch[0]).argmax(dim=1)


class StepInValidation(LitDense):
    def validation_step(self, batch, batch_idx):
        super().validation_step(batch, batch_idx)
        self.log("step", float(self.current_epoch))


class StepInTraining(LitDense):
    def training_step(self, batch, batch_idx):
        self.log("step", float(self.current_epoch), on_step=False, on_epoch=True)
        return super().training_step(batch, batch_idx)


class OneName(LitDense):  # in training it falls, in validation it rises
    def training_step(self, batch, batch_idx):
        self.log("val/acc_best", -float(self.current_epoch), on_step=False, on_epoch=True)
        return super().training_step(batch, batch_idx)

    def on_validation_epoch_end(self):
        self.log("val/acc_best", 10.0 + self.current_epoch)


class Digits(pl.LightningDataModule):
    def __init__(self, batch_size: int = 64):
        super().__init__()
        self.batch_size = batch_size

    def setup(self, stage=None):
        raw = load_digits()
        data = TensorDataset(torch.tensor(raw.images[:, None] / 16).float(), torch.tensor(raw.target))
        self.parts = random_split(data, [1200, 300, 297], generator=torch.Generator().manual_seed(0))

    def train_dataloader(self):
        return DataLoader(self.parts[0], batch_size=self.batch_size, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.parts[1], batch_size=300)

    def test_dataloader(self):
        return DataLoader(self.parts[2], batch_size=300)


class NoValidation(Digits):
    val_dataloader = pl.LightningDataModule.val_dataloader


class Count(pl.Callback):
    def __init__(self, note: str):
        self.note = note

    def on_train_end(self, trainer, pl_module):
        open(self.note, "w").write(str(trainer.global_step))


class Notes(Logger):
    kept = []
    name, version = "notes", "0"

    def log_hyperparams(self, params):
        Notes.kept.append(params["model.net.width"])

    def log_metrics(self, metrics, step=None):
        Notes.kept.append(sorted(metrics))


class Broken(Notes):
    def __init__(self):
        raise OSError("nobody listens")
"""
MODEL: dict[str, Any] = {
    "name": "dense",
    "_target_": "own.dense.LitDense",
    "objective": {"metric": "val/acc_best", "direction": "maximize"},
    "net": {"_target_": "own.dense.Dense", "width": 16},
    "optimizer": {"_target_": "torch.optim.Adam", "_partial_": True, "lr": 0.01},
    "scheduler": {"_target_": "torch.optim.lr_scheduler.ReduceLROnPlateau", "_partial_": True, "patience": 1},
}
QUICK = ["model=dense", "trainer.progress=none", "trainer.max_epochs=2"]
Trained = Callable[..., tuple[RunDirectory, RunRecord]]
_TEN = Target("class", tuple("0123456789"))


@pytest.fixture
def own(project: Project, write_own: Callable[[str, str], Path]) -> Project:
    write_own("dense", CODE)
    (project.conf / "model/dense.yaml").write_text(yaml.safe_dump(MODEL), encoding="utf-8")
    data = {"name": "own_digits", "_target_": "own.dense.Digits", "batch_size": 64}
    (project.conf / "data/own_digits.yaml").write_text(yaml.safe_dump(data), encoding="utf-8")
    return project


@pytest.fixture
def trained(own: Project) -> Trained:
    def go(name: str, *overrides: str, resume: bool = False) -> tuple[RunDirectory, RunRecord]:
        run = RunDirectory(own.root / "runs" / name)
        run.path.mkdir(parents=True, exist_ok=True)
        config = load_config(own, [*QUICK, *overrides])
        check_classes(config)
        with quiet_libraries(run.log):
            return run, train(config, run=run, project=own, resume=resume)

    return go


def rows(run: RunDirectory) -> list[dict[str, str]]:
    with run.metrics.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def measured(run: RunDirectory, project: Project) -> dict[str, float | None]:
    settings = load_config(project, ["evaluation.bootstrap=0"]).evaluation
    return evaluate(run, output=run.path / "evaluate", project=project, config=settings).metrics


DATA = pytest.mark.parametrize("data", ["digits", "own_digits"])


@DATA
def test_it_trains_itself_and_what_it_logs_is_the_objective(own: Project, trained: Trained, data: str) -> None:
    run, record = trained("a", f"data={data}")
    assert record.best is not None
    assert (record.status, record.best.metric, record.parameters) == ("completed", "val/acc_best", 64 * 16 + 16 + 170)
    assert record.best.value > 0.5
    assert [bool(row["train/loss"]) for row in rows(run)] == [False, True] * 2
    assert measured(run, own)["accuracy"] == pytest.approx(record.best.value, abs=0.1)


@DATA
def test_a_resumed_run_is_the_run_that_was_not_interrupted(trained: Trained, data: str) -> None:
    trained("cut", f"data={data}")
    cut, _ = trained("cut", f"data={data}", "trainer.max_epochs=4", resume=True)
    whole, _ = trained("whole", f"data={data}", "trainer.max_epochs=4")
    assert rows(cut) == rows(whole)
    ours, theirs = (load_model(run, target=None if data == "digits" else _TEN)[0].state_dict() for run in (cut, whole))
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)


@DATA
@pytest.mark.parametrize("more", [[], ["model._target_=own.dense.OneCycle"], ["trainer.max_steps=70"]])
def test_after_ctrl_c_it_goes_on_as_if_nothing_had_been(
    trained: Trained, monkeypatch: pytest.MonkeyPatch, data: str, more: list[str]
) -> None:
    monkeypatch.setattr(callbacks, "LAST_EVERY", -1.0)  # last.ckpt after every epoch
    asked = [f"data={data}", "trainer.max_epochs=4", *more]
    whole, _ = trained("whole", *asked)

    def interrupt(self: Any, trainer: Any, *_: Any) -> None:
        if trainer.current_epoch == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(callbacks.Checkpoints, "on_train_epoch_start", interrupt, raising=False)
        with pytest.raises(KeyboardInterrupt):
            trained("cut", *asked)
    cut, _ = trained("cut", *asked, resume=True)
    assert rows(cut) == rows(whole)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_and_another_one_does_not(trained: Trained) -> None:
    first, again, other = (rows(trained(name, f"seed={seed}")[0]) for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    assert first == again != other


def test_sections_that_it_does_itself_say_nothing_and_change_no_hash(own: Project) -> None:
    plain = load_config(own, QUICK)
    other = load_config(own, [*QUICK[1:], "model=mlp", "optimizer=sgd"])
    assert [plain.plain()[name] for name in ("optimizer", "scheduler", "augmentation", "loss")] == [None] * 4
    (own.params).write_text("data: digits\nmodel: dense\noptimizer: sgd\nlogger: csv\n", encoding="utf-8")
    assert config_hash(load_config(own, QUICK)) == config_hash(plain) != config_hash(other)
    for typed in ("optimizer.lr=0.1", "optimizer=sgd", "loss=focal", "augmentation.noise=1", "scheduler=none"):
        with pytest.raises(ConfigError, match=r"has no effect: own\.dense\.LitDense has its own"):
            load_config(own, ["model=dense", typed])


@pytest.mark.slow
def test_a_search_over_its_rate(own: Project, capsys: pytest.CaptureFixture[str]) -> None:
    space = "model.optimizer.lr=tag(log,interval(1e-4,1e-1))"
    assert main(["-m", "model=dense", space, "sweep.n_trials=2", "trainer.max_epochs=1", "trainer.progress=none"]) == 0
    assert "val/acc_best" in capsys.readouterr().out
    (study,) = (own.root / "runs/sweeps").iterdir()
    with (study / "trials.csv").open(encoding="utf-8") as file:
        trials = list(csv.DictReader(file))
    assert [trial["state"] for trial in trials] == ["complete"] * 2
    assert all(float(trial["metrics/val/acc_best"]) > 0 and float(trial["metrics/latency"]) > 0 for trial in trials)
    with pytest.raises(ConfigError, match=r"optimizer\.lr=\S+ has no effect"):
        main(["-m", "model=dense", "sweep=learning_rate"])


@pytest.mark.slow
@pytest.mark.nightly
def test_a_search_over_one_that_predicts_nothing(own: Project) -> None:
    """An evaluation needs predictions; what it logs is enough for a search."""
    (own.conf / "model/quiet.yaml").write_text(
        yaml.safe_dump({**MODEL, "name": "quiet", "_target_": "own.dense.NoForward", "scheduler": None}),
        encoding="utf-8",
    )
    sizes = "model.net.width=8,16"
    assert main(["-m", "model=quiet", sizes, "trainer.max_epochs=1", "trainer.progress=none", "logger=csv"]) == 0
    with next((own.root / "runs/sweeps").glob("*/trials.csv")).open(encoding="utf-8") as file:
        assert [trial["state"] for trial in csv.DictReader(file)] == ["complete"] * 2
    with pytest.raises(ConfigError, match="has no predict_step and no forward"):
        measured(RunDirectory(next((own.root / "runs/sweeps").glob("*/0"))), own)


WRONG = {
    "model._target_=own.dense.NoTraining": "has no training_step of its own: it learns nothing",
    "model._target_=own.dense.Silent": "validation of Silent logs nothing; allowed: what validation_step logs",
    "model._target_=own.dense.OnlyTraining": "logs nothing, only its training does",
    "objective.metric=val/acc_bset objective.direction=maximize": (
        r"logs no such metric; nearest: val/acc_best; allowed: val/loss, val/acc_best; type: .*val/acc_best"
    ),
    "model._target_=own.dense.Nothing": "training_step returned None for every batch",
    "model._target_=own.dense.Idle": "configure_optimizers gives no optimizer of its parameters",
    "model._target_=own.dense.NotANumber": "the loss is nan at step 11",
    "model._target_=own.dense.Unloadable": "could only be loaded by executing what is in it",
    "model.net._target_=os.system": r"model\.net\._target_=os\.system is not called; allowed: a class of own, ",
    "model.net._target_=torch.hub.load": r"model\.net\._target_=torch\.hub\.load is not called",
    "model.net.width=wide": "own.dense.Dense refuses width=wide",
    "+model.net.depth=1": "unexpected keyword argument 'depth'",
    "model.colour=red": "model.colour: own.dense.LitDense has no such setting; allowed: net, optimizer, scheduler",
    "+callbacks.a._target_=own.dense.Dense": r"callbacks\.a\._target_=own\.dense\.Dense is no Callback",
    "+callbacks.a.note=1": "callbacks.a names no class",
    "logger=custom logger._target_=own.dense.Dense": r"logger\._target_=own\.dense\.Dense is no Logger",
    "+logger.colour=red": "logger.colour: there is no such key",
    "data=own_digits data._target_=own.dense.NoValidation": "has no val_dataloader of its own",
    "data=own_digits data._target_=own.dense.Dense": "is no LightningDataModule",
    "data=own_digits model=mlp": "is no LightningModule: it would not know the batches",
    "data=own_digits trainer.train_on=train+validation": "the splits of a data module of your own cannot be joined",
    "data=own_digits trainer.batch_size=8": r"has no effect: own\.dense\.Digits makes its own batches",
}


@pytest.mark.parametrize("typed", WRONG)
def test_what_is_wrong_is_said_in_one_line(trained: Trained, typed: str) -> None:
    with pytest.raises(RatchetError, match=WRONG[typed]) as caught:
        trained("a", *(f"+{text}" if text == "model.colour=red" else text for text in typed.split(" ")))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("resume", [False, True])
def test_an_error_of_what_it_saves_is_no_damage_of_the_checkpoint(
    trained: Trained, monkeypatch: pytest.MonkeyPatch, resume: bool
) -> None:
    trained("a")
    monkeypatch.setattr(sys.modules["own.dense"].LitDense, "on_save_checkpoint", lambda self, _: self.mine)
    with pytest.raises(AttributeError, match="no attribute 'mine'"):
        trained("a" if resume else "b", "trainer.max_epochs=3", resume=resume)


@pytest.mark.parametrize(("data", "hint"), [("digits", "trainer.batch_size=50"), ("own_digits", "data.batch_size=32")])
def test_memory_that_runs_out_is_saved_where_batches_are_made(
    trained: Trained, monkeypatch: pytest.MonkeyPatch, data: str, hint: str
) -> None:
    trained("a", f"data={data}", "trainer.max_epochs=1")
    monkeypatch.setattr(sys.modules["own.dense"].LitDense, "training_step", lambda *_: torch.empty(2**50))
    with pytest.raises(OutOfMemoryError, match=f"out of memory.*; type: {hint}, or choose a smaller model"):
        trained("b", f"data={data}")


def test_an_error_of_its_code_names_the_place(trained: Trained) -> None:
    from ratchet.terminal.command import one_line

    with pytest.raises(KeyError) as caught:
        trained("a", "model._target_=own.dense.NoOptimizer")
    assert "KeyError in your code, elsewhere/own/dense.py line" in str(one_line(caught.value))


def test_a_loss_that_is_no_number_is_a_class_of_failure(trained: Trained) -> None:
    with pytest.raises(NonFiniteLossError):
        trained("a", "model._target_=own.dense.NotANumber")


def test_the_objective_has_to_be_named(own: Project) -> None:
    (own.conf / "model/dense.yaml").write_text(yaml.safe_dump({**MODEL, "objective": None}), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"its objective has no usual name.*objective\.direction=minimize"):
        load_config(own, QUICK)
    (own.conf / "model/dense.yaml").write_text(yaml.safe_dump(MODEL), encoding="utf-8")
    assert load_config(own, [*QUICK, "objective.metric=val/acc_best"]).objective.direction == "maximize"
    with pytest.raises(ConfigError, match=r"objective\.direction is null; allowed: one of maximize, minimize"):
        load_config(own, [*QUICK, "objective.metric=val/acc"])
    assert load_config(own, [*QUICK, "objective.metric=val/loss"]).objective.direction == "minimize"


@pytest.mark.slow
def test_predict_step_may_give_probabilities_and_never_sees_the_target(own: Project, trained: Trained) -> None:
    logits, probabilities = trained("a")[0], trained("b", "model._target_=own.dense.Probable")[0]
    ours, theirs = measured(logits, own), measured(probabilities, own)
    assert ours == {name: pytest.approx(value, abs=1e-6) for name, value in theirs.items()}
    wrong, _ = trained("c", "model._target_=own.dense.WrongShape")
    with pytest.raises(
        ConfigError, match=r"WrongShape\.predict_step gives \(\d+,\) for \d+ examples; allowed: \(\d+, 10\)"
    ):
        measured(wrong, own)


def test_a_data_module_hands_out_the_splits_of_its_reader_alone(own: Project) -> None:
    config = load_config(own, [*QUICK, "data=own_digits"])
    training = OwnData.open(config, reader="train").module
    for name in ("test", "predict", "confirm"):
        with pytest.raises(SplitGuardError, match=f"train may not read the split {name}"):
            getattr(training, f"{name}_dataloader")()
    with pytest.raises(DataError, match="has no confirm_dataloader of its own, and promote reads the split confirm"):
        OwnData.open(config, reader="promote")
    described = OwnData.open(config, reader="evaluate").described()
    assert described.target is not None
    assert (described.target.kind, len(described.target.names)) == ("class", 10)
    assert described.split("test").x.shape == (297, 1, 8, 8)


def test_a_data_module_is_not_for_the_pipeline(own: Project) -> None:
    from ratchet.config.composition import compose

    with pytest.raises(ConfigError, match="the pipeline fetches, prepares and splits data"):
        compose(own, [*QUICK, "data=own_digits"])


def test_the_gate_judges_by_what_the_task_measures(own: Project) -> None:
    for typed, judged in {
        "objective.metric=val/acc_best": "validation/accuracy",
        "objective.metric=val/f1": "validation/f1",
        "model=mlp objective.metric=validation/recall": "validation/recall",
    }.items():
        assert load_config(own, [*QUICK, *typed.split(" ")]).judged_by.metric == judged


def test_it_may_challenge_where_it_predicts(own: Project, trained: Trained) -> None:
    paths = PromotionPaths(own)
    champion = Champion(load_config(own, ["model=logistic"]), own)
    _, record = trained("a", "model.net.width=8")
    candidate = from_run("runs/a", champion, paths=paths)
    assert record.best is not None
    assert (candidate.value, candidate.config.model.name) == (record.best.value, "dense")
    writing = write_for(candidate.config, project=own)
    writing.put(own)
    assert config_hash(load_config(own)) == config_hash(candidate.config)
    trained("b", "model._target_=own.dense.WrongShape")
    with pytest.raises(ConfigError, match=r"WrongShape\.predict_step gives \(2,\) for 2 examples"):
        from_run("runs/b", champion, paths=paths)
    trained("c", "data=own_digits")
    with pytest.raises(DataError, match="your own data module: it has no confirm split"):
        from_run("runs/c", champion, paths=paths)
    (own.root / "elsewhere/own/dense.py").write_text("", encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"own\.dense\.LitDense was a LightningModule of src/own"):
        from_run("runs/a", champion, paths=paths)


def test_callbacks_and_loggers_are_called(own: Project, trained: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    note = own.root / "note"
    callback = ["+callbacks.count._target_=own.dense.Count", f"+callbacks.count.note={note}"]
    trained("a", *callback, "logger=custom", "logger._target_=own.dense.Notes")
    assert note.read_text() == "22"
    assert sys.modules["own.dense"].Notes.kept[:2] == [16, ["epoch", "val/acc_best", "val/loss"]]
    _, record = trained("b", "logger=custom", "logger._target_=own.dense.Broken")
    assert record.status == "completed"
    assert "warning: no Broken for this run (OSError: nobody listens)" in capsys.readouterr().err


def test_a_callback_goes_with_a_network_of_ours_too(own: Project, trained: Trained) -> None:
    note = own.root / "note"
    callback = ["+callbacks.count._target_=own.dense.Count", f"+callbacks.count.note={note}"]
    _, plain = trained("a", "model=logistic")
    _, record = trained("b", "model=logistic", *callback)
    assert record.metrics == plain.metrics
    assert note.read_text() == "22"


def test_what_a_callback_logs_by_itself_is_for_services(trained: Trained) -> None:
    monitor = "+callbacks.rate._target_=pytorch_lightning.callbacks.LearningRateMonitor"
    assert rows(trained("a", monitor)[0]) == rows(trained("b")[0])


@pytest.mark.parametrize("where", ["Validation", "Training"])
def test_step_is_no_name_of_a_metric(trained: Trained, where: str) -> None:
    with pytest.raises(TrainingError, match=f'StepIn{where} logs "step", which is the column of the steps taken'):
        trained("a", f"model._target_=own.dense.StepIn{where}", "trainer.max_epochs=1")


@pytest.mark.parametrize("stopping", ["null", "{patience: 2}"])
def test_what_training_logs_by_the_same_name_is_not_the_objective(own: Project, stopping: str) -> None:
    heard: list[float] = []
    run = RunDirectory(own.root / "runs/a")
    run.path.mkdir(parents=True)
    asked = ["model._target_=own.dense.OneName", "objective.direction=minimize", "trainer.max_epochs=4"]
    asked += [f"trainer.early_stopping={stopping}"]
    config = load_config(own, [*QUICK, *asked])
    with quiet_libraries(run.log):
        train(config, run=run, project=own, report=lambda _, value, __: heard.append(value))
    assert heard == [10.0, 11.0, 12.0, 13.0][: 4 if stopping == "null" else 3]


SOURCES = {
    "import pytorch_lightning as pl\nclass A(pl.LightningModule): ...": True,
    "from pytorch_lightning import LightningModule as L\nclass B(L): ...\nclass A(B): ...": True,
    "from own.other import A": True,
    "from .other import A as B\nclass A(B): ...": True,
    "from torch import nn\nclass A(nn.Module): ...": False,
    "A = 1": False,
    "class A(A): ...": False,
    "class A(": False,
}


@pytest.mark.parametrize("source", SOURCES)
def test_a_lightning_module_is_known_by_its_source(own: Project, source: str) -> None:
    package = Path(str(own.root)) / "elsewhere/own"
    (package / "other.py").write_text("import pytorch_lightning\nclass A(pytorch_lightning.LightningModule): ...")
    (package / "some.py").write_text(source)
    assert is_lightning_module("own.some.A") is SOURCES[source]
    assert "own.some" not in sys.modules
