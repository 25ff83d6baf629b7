"""What the callbacks show."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ratchet.training import callbacks
from ratchet.training.callbacks import TerminalProgress


def test_a_line_of_progress_is_one_line_where_there_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(callbacks, "PLAIN_EVERY", -1.0)
    shown = {"train/loss": 0.5, "validation/loss": 0.25, "validation/balanced_accuracy": 0.75}
    trainer: Any = SimpleNamespace(global_step=100_000, estimated_stepping_batches=2e5, callback_metrics=shown)
    TerminalProgress("validation/balanced_accuracy", style="plain").on_train_epoch_end(trainer, trainer)
    assert capsys.readouterr().err == (
        "step 100000 of 200000  train/loss 0.5000  validation/loss 0.2500  validation/balanced_accuracy 0.7500\n"
    )
