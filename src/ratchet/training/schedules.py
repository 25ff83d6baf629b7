"""Learning rates over time: linear warm-up, then one of six schedules, as factors of the optimizer's rate.

Step s (from 0) is the s-th update of the weights; the factor for it holds before the update.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from itertools import accumulate
from math import cos, pi
from typing import Any, Literal, SupportsFloat

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, ReduceLROnPlateau

from ratchet.config.sections import (
    CosineRestartsSchedule,
    CosineSchedule,
    NoSchedule,
    OneCycleSchedule,
    PlateauSchedule,
    SchedulerConfig,
    StepSchedule,
)

WARMUP_START = 0.01  # of the rate

Factor = Callable[[int], float]
Interval = Literal["step", "validation"]


def build_scheduler(
    config: SchedulerConfig,
    optimizer: Optimizer,
    *,
    total_steps: int,
    direction: Literal["maximize", "minimize"] | None = None,
) -> tuple[LRScheduler, Interval] | None:
    """The scheduler that conf/scheduler asks for, and when to step it; None for a constant rate.

    "step": after every optimizer step. "validation": after every validation, with the objective's value;
    `direction` is the way it improves, needed for plateau alone. `total_steps`, at least 1, counts optimizer
    steps.
    """
    if isinstance(config, PlateauSchedule):
        if direction is None:
            raise ValueError("plateau needs the direction in which the objective improves")
        return Plateau(config, optimizer, total_steps=total_steps, direction=direction), "validation"
    if isinstance(config, NoSchedule) and not config.warmup:
        return None
    return LambdaLR(optimizer, schedule(config, total_steps=total_steps)), "step"


def schedule(
    config: NoSchedule | StepSchedule | CosineSchedule | CosineRestartsSchedule | OneCycleSchedule,
    *,
    total_steps: int,
) -> Factor:
    """The factor of the optimizer's rate for every step; after `total_steps` the last one goes on."""
    if isinstance(config, OneCycleSchedule):
        return _one_cycle(config, total_steps)
    warm = warmup_steps(config.warmup, total_steps)
    rest = _after_warmup(config, warm=warm, total_steps=total_steps)
    return lambda step: warmup_factor(step, warm) * rest(step)


def warmup_steps(share: float, total_steps: int) -> int:
    """How many steps the warm-up takes; the full rate comes at the step after."""
    return round(share * total_steps)


def warmup_factor(step: int, steps: int) -> float:
    """Linear from 1 % of the rate at step 0 to all of it at step `steps`."""
    return 1.0 if step >= steps else WARMUP_START + (1 - WARMUP_START) * step / steps


def _after_warmup(
    config: NoSchedule | StepSchedule | CosineSchedule | CosineRestartsSchedule,
    *,
    warm: int,
    total_steps: int,
) -> Factor:
    steps = max(1, total_steps - warm)
    if isinstance(config, StepSchedule):
        return _steps(config, total_steps)
    if isinstance(config, CosineSchedule):
        floor = config.floor
        return lambda step: _cosine(1.0, floor, (step - warm) / steps)
    if isinstance(config, CosineRestartsSchedule):
        cycles = _cosine_restarts(config, steps)
        return lambda step: cycles(max(0, step - warm))
    return lambda _: 1.0


def _steps(config: StepSchedule, total_steps: int) -> Factor:
    """Drops come when they would come without a warm-up."""
    every = max(1, round(config.every * total_steps))
    return lambda step: config.gamma ** (step // every)


def _cosine(start: float, end: float, progress: float) -> float:
    progress = min(max(progress, 0.0), 1.0)
    return end + (start - end) * (1 + cos(pi * progress)) / 2


def _cosine_restarts(config: CosineRestartsSchedule, steps: int) -> Factor:
    weights = list(accumulate(config.growth**cycle for cycle in range(config.cycles)))
    ends = [round(steps * weight / weights[-1]) for weight in weights]

    def factor(step: int) -> float:
        if step >= ends[-1]:
            return config.floor
        cycle = bisect_right(ends, step)
        start = ends[cycle - 1] if cycle else 0
        return _cosine(1.0, config.floor, (step - start) / (ends[cycle] - start))

    return factor


def _one_cycle(config: OneCycleSchedule, total_steps: int) -> Factor:
    """Smith & Topin 2018 (arXiv:1708.07120) with cosines both ways, step for step as torch's OneCycleLR."""
    start = 1 / config.start_divisor
    end = start / config.final_divisor
    peak = max(0.0, config.warmup * total_steps - 1)
    fall = max(1.0, total_steps - 1 - peak)

    def factor(step: int) -> float:
        if step < peak:
            return _cosine(start, 1.0, step / peak)
        return _cosine(1.0, end, (step - peak) / fall)

    return factor


class Plateau(ReduceLROnPlateau):
    """torch's ReduceLROnPlateau behind a warm-up that counts optimizer steps by itself.

    Any improvement counts. Validations during the warm-up are remembered but never lower the rate.
    """

    def __init__(
        self,
        config: PlateauSchedule,
        optimizer: Optimizer,
        *,
        total_steps: int,
        direction: Literal["maximize", "minimize"],
    ) -> None:
        self.rates = [float(group["lr"]) for group in optimizer.param_groups]
        super().__init__(
            optimizer,
            mode="max" if direction == "maximize" else "min",
            factor=config.factor,
            patience=config.patience,
            threshold=0.0,
            threshold_mode="abs",
            min_lr=[rate * config.floor for rate in self.rates],
            eps=0.0,
        )
        self.warmup = warmup_steps(config.warmup, total_steps)
        self.steps_taken = 0
        if self.warmup:
            self._set_warm_rates()
            optimizer.register_step_post_hook(self._after_optimizer_step)

    def step(self, metrics: SupportsFloat, epoch: int | None = None) -> None:  # type: ignore[override]
        """Take note of a validation's objective, and lower the rate when it has not improved for too long."""
        if self.steps_taken < self.warmup:
            self.cooldown_counter = 1  # torch counts no bad validations while it is above 0
        super().step(metrics, epoch)

    def _after_optimizer_step(self, *_: Any) -> None:
        if self.steps_taken < self.warmup:
            self.steps_taken += 1
            self._set_warm_rates()

    def _set_warm_rates(self) -> None:
        factor = warmup_factor(self.steps_taken, self.warmup)
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = factor * rate
        self._last_lr = [factor * rate for rate in self.rates]
