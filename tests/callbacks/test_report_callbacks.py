"""Trainers with a loop of their own, in a trial whose search is a list of what it heard."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest

from ratchet.callbacks import report_metric
from ratchet.callbacks.keras import ReportCallback as KerasReport
from ratchet.errors import ConfigError, TrialPruned
from ratchet.search.processes.channel import TrialContext, Verdict, enter_trial


class Heard(list[tuple[int, float]]):
    """What a search was told; it prunes the trial at the step `until`."""

    until = 10**9

    def send(self, step: int, value: float, _: int | None) -> Verdict:
        self.append((step, value))
        return "prune" if step >= self.until else "go"


@pytest.fixture
def heard() -> Iterator[Heard]:
    found = Heard()
    enter_trial(TrialContext("study", 0, found.send))
    yield found
    enter_trial(None)


def test_a_loop_as_of_keras(heard: Heard) -> None:
    callback = KerasReport("loss")
    heard.until = 2
    callback.on_epoch_end(0, {"loss": 1.0})
    with pytest.raises(TrialPruned):
        callback.on_epoch_end(1, {"loss": 0.5})
    assert heard == [(1, 1.0), (2, 0.5)]


def test_keras_validates_in_some_epochs_and_complains_in_the_end(heard: Heard) -> None:
    callback = KerasReport("val_loss")
    for epoch in range(4):
        callback.on_epoch_end(epoch, {"loss": 1.0, **({"val_loss": 0.5} if epoch % 2 else {})})
    callback.on_train_end()
    assert heard == [(2, 0.5), (4, 0.5)]
    callback = KerasReport("accuracy")
    callback.on_epoch_end(0, {"loss": 1.0})
    with pytest.raises(ConfigError, match=r"monitor=accuracy was not logged; .*allowed: loss"):
        callback.on_train_end()


def test_outside_of_a_search_a_callback_does_nothing() -> None:
    report_metric({"accuracy": 0.5}, "loss", 1)
    callback = KerasReport("accuracy")
    callback.on_epoch_end(0, {"loss": 1.0})
    callback.on_train_end()


def test_lightning_by_the_name_that_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lightning").mkdir()
    (tmp_path / "lightning" / "__init__.py").touch()
    (tmp_path / "lightning" / "pytorch.py").write_text("class Callback: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    with patch.dict(sys.modules, {"pytorch_lightning": None}):
        sys.modules.pop("ratchet.callbacks.lightning", None)
        found = importlib.import_module("ratchet.callbacks.lightning")
        assert found.ReportCallback.__mro__[1].__module__ == "lightning.pytorch"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_transformers_reports_while_it_trains(heard: Heard) -> None:
    pytest.importorskip("transformers")
    from ratchet.callbacks.transformers import ReportCallback

    callback, state = ReportCallback("loss"), SimpleNamespace(global_step=3)
    callback.on_evaluate(None, state, None, metrics={"eval_loss": 3.0})
    callback.on_train_begin(None, state, None)
    callback.on_evaluate(None, state, None, metrics={"eval_loss": 2.0})
    callback.on_train_end(None, state, None)
    callback.on_evaluate(None, state, None, metrics={"eval_loss": 1.0})
    assert heard == [(3, 2.0)]
    callback.on_train_begin(None, state, None)
    with pytest.raises(ConfigError, match="nothing was evaluated"):
        callback.on_train_end(None, state, None)
    enter_trial(None)
    callback.on_train_end(None, state, None)


@pytest.fixture
def fit(tmp_path: Path) -> Any:
    import pytorch_lightning as pl
    import torch

    from ratchet.callbacks.lightning import ReportCallback

    class Module(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def training_step(self, batch: Any, _: int) -> Any:
            return ((batch - self.weight) ** 2).mean()

        def validation_step(self, batch: Any, _: int) -> None:
            self.log("val_loss", float(self.current_epoch))

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters())

    def fit(monitor: str) -> None:
        trainer = pl.Trainer(
            accelerator="cpu", max_epochs=3, logger=False, enable_checkpointing=False, enable_progress_bar=False,
            enable_model_summary=False, default_root_dir=tmp_path, callbacks=[ReportCallback(monitor)],
        )  # fmt: skip
        batches: Any = torch.utils.data.DataLoader(torch.ones(2, 1))  # type: ignore[arg-type]
        trainer.fit(Module(), batches, batches)
        trainer.validate(trainer.lightning_module, batches, verbose=False)

    return fit


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_lightning(heard: Heard, fit: Any) -> None:
    fit("val_loss")
    assert heard == [(2, 0.0), (4, 1.0), (6, 2.0)]
    heard.until = 4
    with pytest.raises(TrialPruned):
        fit("val_loss")
    assert len(heard) == 5
    with pytest.raises(ConfigError, match="monitor=loss was not logged"):
        fit("loss")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_trainer_of_transformers(heard: Heard, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    import torch

    from ratchet.callbacks.transformers import ReportCallback

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, x: Any, labels: Any) -> Any:
            return {"loss": ((x * self.weight - labels) ** 2).mean(), "logits": x * self.weight}

    def train(monitor: str) -> None:
        data = [{"x": torch.ones(1), "labels": torch.ones(1)}] * 4
        arguments = transformers.TrainingArguments(
            str(tmp_path), num_train_epochs=2, eval_strategy="epoch", save_strategy="no", report_to=[], use_cpu=True,
            disable_tqdm=True, per_device_train_batch_size=2,
        )  # fmt: skip
        trainer = transformers.Trainer(
            Model(), arguments, train_dataset=data, eval_dataset=data, callbacks=[ReportCallback(monitor)]
        )
        trainer.train()

    train("loss")
    assert [step for step, _ in heard] == [2, 4]
    heard.until = 6
    train("eval_loss")
    heard.until = 2
    with pytest.raises(TrialPruned):
        train("loss")
    heard.until = 10**9
    with pytest.raises(ConfigError, match="monitor=eval_accuracy was not logged"):
        train("accuracy")
