"""What the callbacks show."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ratchet.config.sections import ObjectiveConfig
from ratchet.errors import NonFiniteLossError
from ratchet.runs import RunDirectory
from ratchet.training import callbacks
from ratchet.training.callbacks import Checkpoints, TerminalProgress


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


class Trainer:
    """What Checkpoints sees of Lightning's."""

    sanity_checking, is_global_zero, current_epoch, global_step = False, True, 0, 0
    state = SimpleNamespace(fn="fit")
    strategy = SimpleNamespace(broadcast=lambda value: value)
    lightning_module = None

    def __init__(self) -> None:
        self.callback_metrics: dict[str, float] = {}

    def save_checkpoint(self, path: Path, *, weights_only: bool) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(weights_only))


@pytest.mark.parametrize(
    ("direction", "values", "best"),
    [("maximize", [math.nan, 0.5, math.inf, 0.4], 0.5), ("minimize", [math.nan, 0.5, -math.inf, 0.4], 0.4)],
)
def test_a_value_that_is_not_finite_is_never_the_best(
    tmp_path: Path, direction: str, values: list[float], best: float
) -> None:
    objective = ObjectiveConfig.model_validate({"metric": "validation/own", "direction": direction})
    kept, trainer = Checkpoints(RunDirectory(tmp_path), objective), Trainer()
    for value in values:
        trainer.callback_metrics["validation/own"] = value
        kept.on_validation_end(trainer, trainer)  # type: ignore[arg-type]
        kept.on_train_epoch_end(trainer, trainer)  # type: ignore[arg-type]
    kept.on_fit_end(trainer, trainer)  # type: ignore[arg-type]
    assert kept.best is not None
    assert kept.best.value == best
    never = Checkpoints(RunDirectory(tmp_path), objective)
    trainer.callback_metrics["validation/own"] = math.nan
    never.on_validation_end(trainer, trainer)  # type: ignore[arg-type]
    with pytest.raises(NonFiniteLossError, match="validation/own was never finite: nan"):
        never.on_fit_end(trainer, trainer)  # type: ignore[arg-type]
