"""What a file in sweeps/ may say."""

from __future__ import annotations

import math
from typing import Any

import pytest
from pydantic import ValidationError

from ratchet.errors import ConfigError
from ratchet.search.settings import Bound, SweepSettings
from ratchet.search.sweeper import read_settings


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"n_trails": 3}, "sweep=mine: n_trails: there is no such key; allowed: n_trials, objectives, constraints"),
        ({"recheck": {"best": 3}}, "recheck.best: there is no such key"),
        ({"n_trials": 0}, "n_trials: Input should be greater than 0; got 0"),
        ({"n_trials": "ten"}, "n_trials: Input should be a valid integer; got 'ten'"),
        ({"n_trials": 2.5}, "got 2.5"),
        ({"n_trials": True}, "got True"),
        ({"retries": -1}, "retries: "),
        ({"timeout": math.inf}, "timeout: "),
        ({"space": ["lr"]}, "space: "),
        ({"space": {"lr": 0.1}}, "space.lr: "),
        ({"objectives": [{"metric": "a", "direction": "up"}]}, "'maximize' or 'minimize'; got 'up'"),
        ({"objectives": [{"metric": "a"}]}, "objectives.0.direction: "),
        ({"constraints": ["parameters < 3"]}, "'parameters < 3' is no bound; allowed: <metric> <= <number>, or >="),
        ({"constraints": ["parameters <= many"]}, "is no bound"),
        ({"study": "a/b"}, "study: "),
        ({"dry_run": "yes"}, "dry_run: "),
    ],
)
def test_a_mistake_is_said_in_one_line(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_settings("mine", given)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "value", "excess"),
    [
        ("parameters <= 20000", 20000.0, 0.0),
        ("parameters <= 20000", 20001.0, 1.0),
        ("parameters<=2e4", 1.0, -19999.0),
        ("  accuracy >= 0.5 ", 0.75, -0.25),
        ("accuracy >= 0.5", 0.25, 0.25),
        ("accuracy >= 0.5", math.nan, math.inf),
        ("loss <= -1", math.inf, math.inf),
    ],
)
def test_a_bound_says_by_how_much_it_is_passed(text: str, value: float, excess: float) -> None:
    bound = Bound.parse(text)
    assert bound.excess({bound.metric: value}) == excess


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        SweepSettings().n_trials = 3
