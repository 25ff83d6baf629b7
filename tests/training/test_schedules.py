"""Learning rates step by step: against rates worked out by hand and torch's own schedulers."""

from __future__ import annotations

from itertools import pairwise
from math import cos, pi
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from pydantic import TypeAdapter
from torch import nn
from torch.optim import SGD, Optimizer
from torch.optim import lr_scheduler as torchs

from ratchet.config.sections import SchedulerConfig
from ratchet.training.schedules import build_scheduler

CONF = Path(__file__).parents[2] / "conf" / "scheduler"
KINDS = ["none", "step", "cosine", "cosine_restarts", "one_cycle", "plateau"]


def config(name: str, **settings: Any) -> Any:
    return TypeAdapter(SchedulerConfig).validate_python({"name": name, **settings})


def optimizer(*rates: float) -> Optimizer:
    groups = [{"params": [nn.Parameter(torch.ones(1))], "lr": rate} for rate in rates or (1.0,)]
    return SGD(groups, lr=1.0)


def rates(name: str, *, steps: int, extra: int = 0, **settings: Any) -> list[float]:
    """The rate of every update of a run of `steps`, and of `extra` updates beyond its end."""
    sgd = optimizer()
    built = build_scheduler(config(name, **settings), sgd, total_steps=steps, direction="maximize")
    seen = []
    for _ in range(steps + extra):
        seen.append(sgd.param_groups[0]["lr"])
        sgd.step()
        if built is not None and built[1] == "step":
            built[0].step()
    return seen


def reference(scheduler: torchs.LRScheduler, sgd: Optimizer, *, steps: int) -> list[float]:
    seen = []
    for step in range(steps):
        seen.append(sgd.param_groups[0]["lr"])
        sgd.step()
        if step < steps - 1:  # torch's OneCycleLR refuses a step more
            scheduler.step()
    return seen


def test_a_constant_rate_needs_no_scheduler():
    assert build_scheduler(config("none"), optimizer(), total_steps=10) is None


@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    [
        ("none", {"warmup": 0.4}, [0.01, 0.2575, 0.505, 0.7525, 1, 1, 1, 1, 1, 1]),
        ("step", {"every": 0.3, "gamma": 0.1}, [1, 1, 1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.001]),
        # a warm-up leaves the drops where they are
        ("step", {"every": 0.5, "gamma": 0.5, "warmup": 0.2}, [0.01, 0.505, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.5]),
        (
            "cosine",
            {"warmup": 0.2, "floor": 0.2},
            [0.01, 0.505, *[0.2 + 0.8 * (1 + cos(pi * step / 8)) / 2 for step in range(8)]],
        ),
        # cycles of 3 and 6 steps, behind one of warm-up
        (
            "cosine_restarts",
            {"cycles": 2, "growth": 2, "warmup": 0.1},
            [0.01, *[(1 + cos(pi * step / 3)) / 2 for step in range(3)]]
            + [(1 + cos(pi * step / 6)) / 2 for step in range(6)],
        ),
        ("plateau", {"warmup": 0.2}, [0.01, 0.505, 1, 1, 1, 1, 1, 1, 1, 1]),
    ],
)
def test_rates_of_ten_steps_are_those_worked_out_by_hand(name, settings, expected):
    assert rates(name, steps=10, **settings) == pytest.approx(expected)


def test_step_is_torchs():
    sgd = optimizer()
    expected = reference(torchs.StepLR(sgd, 6, gamma=0.3), sgd, steps=20)
    assert rates("step", steps=20, every=0.3, gamma=0.3) == pytest.approx(expected)


@pytest.mark.parametrize("floor", [0.0, 0.1])
def test_cosine_is_torchs(floor):
    sgd = optimizer()
    expected = reference(torchs.CosineAnnealingLR(sgd, 30, eta_min=floor), sgd, steps=30)
    assert rates("cosine", steps=30, floor=floor) == pytest.approx(expected)


@pytest.mark.parametrize(("cycles", "growth", "first"), [(3, 2, 5), (4, 1, 7), (2, 3, 4)])
def test_cosine_with_restarts_is_torchs(cycles, growth, first):
    steps = first * sum(growth**cycle for cycle in range(cycles))
    sgd = optimizer()
    scheduler = torchs.CosineAnnealingWarmRestarts(sgd, first, T_mult=growth, eta_min=0.05)
    expected = reference(scheduler, sgd, steps=steps)
    assert rates("cosine_restarts", steps=steps, cycles=cycles, growth=growth, floor=0.05) == pytest.approx(expected)


@pytest.mark.parametrize(("steps", "warmup"), [(100, 0.3), (50, 0.1), (7, 0.5)])
def test_one_cycle_is_torchs(steps, warmup):
    sgd = optimizer()
    scheduler = torchs.OneCycleLR(
        sgd, 1.0, total_steps=steps, pct_start=warmup, div_factor=20, final_div_factor=1e3, cycle_momentum=False
    )
    expected = reference(scheduler, sgd, steps=steps)
    got = rates("one_cycle", steps=steps, warmup=warmup, start_divisor=20, final_divisor=1e3)
    assert got == pytest.approx(expected)


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 11, 1000])
@pytest.mark.parametrize("name", KINDS)
def test_every_length_of_run_has_rates_above_zero_up_to_the_rate_itself(name, steps):
    for warmup in (0.05, 0.5, 0.99):
        seen = rates(name, steps=steps, warmup=warmup)
        assert all(0 < rate <= 1 for rate in seen)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("warmup", [0.2, 0.5])
def test_every_kind_warms_up_in_a_rising_line_and_reaches_the_rate(name, warmup):
    seen = rates(name, steps=100, warmup=warmup, **({"every": 0.9} if name == "step" else {}))
    rise = seen[: round(100 * warmup) + 1]
    assert all(a < b for a, b in pairwise(rise[:-1]))
    assert max(rise) == pytest.approx(1)
    assert seen[0] < 0.05


@pytest.mark.parametrize("name", KINDS)
def test_steps_beyond_the_end_keep_a_rate_no_higher_than_the_last(name):
    seen = rates(name, steps=10, extra=5)
    assert all(0 <= rate <= seen[9] for rate in seen[10:])


@pytest.mark.parametrize("name", ["none", "step", "cosine", "cosine_restarts", "one_cycle", "plateau"])
def test_every_parameter_group_keeps_its_share(name):
    sgd = optimizer(1.0, 0.1)
    scheduler, interval = build_scheduler(config(name, warmup=0.5), sgd, total_steps=10, direction="minimize")
    for _ in range(10):
        first, second = (group["lr"] for group in sgd.param_groups)
        assert second == pytest.approx(0.1 * first)
        sgd.step()
        if interval == "step":
            scheduler.step()


def plateau(sgd: Optimizer, **settings: Any) -> tuple[torchs.ReduceLROnPlateau, str]:
    direction = settings.pop("direction", "maximize")
    return build_scheduler(config("plateau", **settings), sgd, total_steps=10, direction=direction)


@pytest.mark.parametrize(
    ("direction", "values"),
    [("maximize", [0.5, 0.6, 0.6, 0.59, 0.61, 0.6, 0.6]), ("minimize", [2.0, 1.0, 1.0, 1.1, 0.9, 1.0, 0.9])],
)
def test_plateau_lowers_the_rate_after_more_than_patience_validations_without_a_better_value(direction, values):
    sgd = optimizer()
    scheduler, interval = plateau(sgd, patience=1, factor=0.5, direction=direction)
    assert interval == "validation"
    seen = []
    for value in values:
        scheduler.step(value)
        seen.append(sgd.param_groups[0]["lr"])
    assert seen == [1, 1, 1, 0.5, 0.5, 0.5, 0.25]


def test_plateau_stops_at_its_floor():
    sgd = optimizer(2.0)
    scheduler, _ = plateau(sgd, patience=0, factor=0.5, floor=0.3)
    for _ in range(5):
        scheduler.step(0.5)
    assert sgd.param_groups[0]["lr"] == pytest.approx(0.6)


def test_plateau_does_not_lower_the_rate_while_it_warms_up_but_remembers_the_best():
    sgd = optimizer()
    scheduler, _ = plateau(sgd, patience=0, factor=0.5, warmup=0.4)
    scheduler.step(0.9)
    for expected in (0.2575, 0.505, 0.7525, 1.0):
        scheduler.step(0.1)
        sgd.step()
        assert sgd.param_groups[0]["lr"] == pytest.approx(expected)
        assert scheduler.get_last_lr() == [pytest.approx(expected)]
    scheduler.step(0.1)
    assert sgd.param_groups[0]["lr"] == 0.5


def test_plateau_without_a_direction_is_a_bug():
    with pytest.raises(ValueError, match="direction"):
        build_scheduler(config("plateau"), optimizer(), total_steps=10)


@pytest.mark.parametrize("name", KINDS)
def test_a_resumed_schedule_goes_on_where_it_stopped(name, tmp_path):
    def go(sgd: Optimizer, built: Any, steps: int) -> list[float]:
        seen = []
        for _ in range(steps):
            sgd.step()
            built[0].step(*([0.5] if built[1] == "validation" else []))
            seen.append(sgd.param_groups[0]["lr"])
        return seen

    def fresh() -> tuple[Optimizer, Any]:
        sgd = optimizer()
        return sgd, build_scheduler(config(name, warmup=0.3), sgd, total_steps=20, direction="maximize")

    whole = go(*fresh(), 20)
    for stop in (3, 10):
        first, built = fresh()
        go(first, built, stop)
        state = {"optimizer": first.state_dict(), "scheduler": built[0].state_dict()}
        torch.save(state, tmp_path / "state")
        state = torch.load(tmp_path / "state", weights_only=True)
        second, again = fresh()
        second.load_state_dict(state["optimizer"])
        again[0].load_state_dict(state["scheduler"])
        assert go(second, again, 20 - stop) == whole[stop:]


@pytest.mark.parametrize("path", sorted(CONF.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_schedule_in_conf_runs(path):
    values = yaml.safe_load(path.read_text())
    assert values["name"] == path.stem
    settings = {key: value for key, value in values.items() if key != "name"}
    assert len(rates(values["name"], steps=20, **settings)) == 20


def test_conf_has_every_kind():
    assert sorted(path.stem for path in CONF.glob("*.yaml")) == sorted(KINDS)
