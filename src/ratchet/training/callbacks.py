"""What happens around the steps: checkpoints and a progress display."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ratchet.config.hints import to_type
from ratchet.config.sections import ObjectiveConfig
from ratchet.errors import NonFiniteLossError, TrainingError
from ratchet.names import nearest, suggestion
from ratchet.runs.directory import RunDirectory
from ratchet.runs.record import Best

LAST_EVERY = 5.0  # seconds between two writes of last.ckpt: small models pass many epochs in one
PLAIN_EVERY = 30.0  # seconds between two lines where there is no terminal


def _tensors(module: pl.LightningModule) -> dict[str, torch.Tensor]:
    return {name: value for name, value in module.state_dict().items() if isinstance(value, torch.Tensor)}


@contextmanager
def _holding(module: pl.LightningModule, weights: Mapping[str, torch.Tensor]) -> Iterator[None]:
    """Meanwhile the module has these weights; its own where there are none."""
    if not weights:
        yield
        return
    state = _tensors(module)
    before = {name: state[name].clone() for name in weights if not torch.equal(state[name], weights[name])}
    try:
        for name in before:
            state[name].copy_(weights[name])
        yield
    finally:
        for name, value in before.items():
            state[name].copy_(value)


class Checkpoints(pl.callbacks.Checkpoint):
    """Keeps best.ckpt (weights at the best objective) and last.ckpt (the whole state at the end of an epoch).

    Lightning calls a Checkpoint after every other callback and the module: the state includes early stopping's, and an
    epoch whose loss is not finite raises before anything is saved. Both are written beside their place and renamed into
    it: a kill or a full disk leaves the old ones whole. A new best comes with its last: a resumed run never meets a
    best that lies ahead of it.
    """

    def __init__(
        self, run: RunDirectory, objective: ObjectiveConfig, *, validates: bool = True, follows_weights: bool = False
    ) -> None:
        """`follows_weights`: somebody may validate other weights than those that are trained, such as averages."""
        self.run, self.follows_weights = run, follows_weights
        self.objective = objective
        self.validates = validates
        self.best: Best | None = None
        self._better: Best | None = None  # of the epoch at hand, not saved yet
        self._not_finite: float | None = None  # what a validation measured that no other can be compared with
        self._written = time.monotonic()
        self._trained: list[str] = []  # what training has logged when a validation begins
        self._validated: dict[str, torch.Tensor] = {}  # weights of the last validation, where others may be trained

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save what there is: whenever Ctrl-C comes, there is something to go on from.

        A kill between the renames of _save leaves a best checkpoint that is older than the last one says: what a run
        goes on from is then the best itself.
        """
        is_best = self.best is not None and self.best.step == trainer.global_step
        self._save(trainer, self.run.last_checkpoint, *([self.run.best_checkpoint] if is_best else []))

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._trained = list(trainer.callback_metrics)
        trainer.callback_metrics.pop(self.objective.metric, None)  # it is to be of this validation

    def on_validation_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: object, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        if self.follows_weights and batch_idx == dataloader_idx == 0:
            self._validated = {name: value.clone() for name, value in _tensors(pl_module).items()}

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.sanity_checking or trainer.state.fn != "fit":
            return
        if self.objective.metric not in trainer.callback_metrics:
            raise self._not_logged(list(trainer.callback_metrics), pl_module)
        value = float(trainer.callback_metrics[self.objective.metric])
        value = trainer.strategy.broadcast(value)  # ranks that disagree on what is best would wait for each other
        if not math.isfinite(value):
            self._not_finite = value
        elif self.best is None or self._is_better(value, self.best.value):
            self._better = Best(
                checkpoint=str(self.run.best_checkpoint.relative_to(self.run.path)),
                epoch=trainer.current_epoch,
                step=trainer.global_step,
                metric=self.objective.metric,
                value=value,
                metrics={name: float(number) for name, number in trainer.callback_metrics.items()},
            )

    def _not_logged(self, names: Sequence[str], module: pl.LightningModule) -> TrainingError:
        asked, logged = self.objective.metric, [name for name in names if name not in self._trained]
        said = f"objective.metric={asked}: the validation of {type(module).__name__} "
        said += f"logs {'nothing' if not logged else 'no such metric'}"
        said += ", only its training does" if asked in self._trained else ""
        if not logged:
            return TrainingError(f'{said}; allowed: what validation_step logs; write self.log("{asked}", ...) there')
        best = [*nearest(asked, logged), *logged][0]
        return TrainingError(f"{said}; {suggestion(asked, logged)}; type: {to_type(f'objective.metric={best}')}")

    def _is_better(self, value: float, than: float) -> bool:
        return value > than if self.objective.direction == "maximize" else value < than

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._better is not None:
            self._keep_best(trainer, self._better)
        elif trainer.strategy.broadcast(time.monotonic() - self._written > LAST_EVERY):
            self._save(trainer, self.run.last_checkpoint)

    def _keep_best(self, trainer: pl.Trainer, better: Best) -> None:
        before, self.best, self._better = self.best, better, None
        try:
            self._save(trainer, self.run.last_checkpoint, self.run.best_checkpoint)
        except BaseException:
            self.best = before
            raise

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.best is None and self._not_finite is not None:
            raise NonFiniteLossError(f"{self.objective.metric} was never finite: {self._not_finite}")
        self._save(trainer, self.run.last_checkpoint, *([] if self.validates else [self.run.best_checkpoint]))

    def _save(self, trainer: pl.Trainer, *targets: Path) -> None:
        """All of them are written before the first is renamed."""
        beside = {target: target.with_name(f".{target.name}") for target in targets}
        try:
            for target, path in beside.items():
                is_best = target == self.run.best_checkpoint
                with _holding(trainer.lightning_module, self._validated if is_best else {}):
                    trainer.save_checkpoint(path, weights_only=is_best)
            if trainer.is_global_zero:
                for target, path in beside.items():
                    path.replace(target)
        finally:
            if trainer.is_global_zero:
                for path in beside.values():
                    path.unlink(missing_ok=True)
        self._written = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best.model_dump() if self.best else None}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best = Best.model_validate(state_dict["best"]) if state_dict["best"] else None


class Reports(pl.callbacks.Checkpoint):
    """Tells a search what each validation gave. What `report` raises ends the run.

    As a Checkpoint it comes after those before it: what is pruned has its best weights on disk.
    """

    def __init__(self, metric: str, report: Callable[[int, float, int | None], None]) -> None:
        self.metric, self.report = metric, report
        self._validations = 0
        self._of: int | None = None
        self._value: float | None = None  # of a validation that nobody heard of; training may log the same name

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        steps, every = trainer.estimated_stepping_batches, trainer.check_val_every_n_epoch or 1
        if math.isfinite(steps) and math.isfinite(trainer.num_training_batches):
            self._of = math.ceil(math.ceil(steps / trainer.num_training_batches) / every)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._value = float(trainer.callback_metrics[self.metric])

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._value is None:
            return
        value, self._value = self._value, None
        self._validations += 1
        self.report(self._validations, value, self._of)


class TerminalProgress(pl.Callback):
    """A live bar in a terminal; elsewhere a line every half minute."""

    def __init__(self, metric: str, *, style: str) -> None:
        self.metric = metric
        self.console = Console(stderr=True)
        self.live = style == "rich" or (style == "auto" and sys.stderr.isatty())
        self._bar: Progress | None = None
        self._said = time.monotonic()
        self._shown = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not self.live:
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bar = Progress(
            *columns, TimeRemainingColumn(), TextColumn("{task.fields[metrics]}"), console=self.console
        )
        self._task = self._bar.add_task("step", total=trainer.estimated_stepping_batches, metrics="")
        self._bar.start()

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if self._bar is not None and time.monotonic() - self._shown > 0.2:
            self._shown = time.monotonic()
            self._bar.update(self._task, completed=trainer.global_step)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=trainer.global_step, metrics=self._metrics(trainer))
        elif time.monotonic() - self._said > PLAIN_EVERY:
            self._said = time.monotonic()
            self.console.print(
                f"step {trainer.global_step} of {trainer.estimated_stepping_batches:g}  {self._metrics(trainer)}",
                soft_wrap=True,  # a log has no width
            )

    def _metrics(self, trainer: pl.Trainer) -> str:
        shown = [name for name in ("train/loss", "validation/loss", self.metric) if name in trainer.callback_metrics]
        values = {name: float(trainer.callback_metrics[name]) for name in dict.fromkeys(shown)}
        return "  ".join(f"{name} {value:.4f}" for name, value in values.items())

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        self._stop()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
