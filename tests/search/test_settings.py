"""What a file in sweeps/ may say."""

from __future__ import annotations

import math
from typing import Any

import pytest
from pydantic import ValidationError

from ratchet.errors import ConfigError
from ratchet.search.space.settings import Bound, SweepSettings, read_settings


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"n_trails": 3}, "sweep=mine: n_trails: there is no such key; nearest: n_trials, "),
        ({"n_trails": 3}, "; type: sweep.n_trials=20"),
        ({"colour": 3}, "; mend it in sweeps/mine.yaml, or leave it out: sweeps/base.yaml has every key"),
        ({"recheck": {"best": 3}}, "recheck.best: there is no such key; allowed: top, seeds; type: sweep.recheck.top="),
        ({"recheck": 3}, "recheck is 3; allowed: a mapping of top, seeds; type: sweep.recheck.top=3"),
        ({"n_trials": 0}, "n_trials is 0; allowed: a whole number, 1 or more; type: sweep.n_trials=20"),
        ({"n_trials": "ten"}, "n_trials is ten; allowed: a whole number, 1 or more; type: sweep.n_trials=20"),
        ({"n_trials": 2.5}, "n_trials is 2.5; "),
        ({"n_trials": True}, "n_trials is true; "),
        ({"retries": -1}, "retries is -1; allowed: a whole number, 0 or more; type: sweep.retries=2"),
        ({"timeout": math.inf}, "timeout is inf; allowed: a number greater than 0, or null; type: sweep.timeout=null"),
        ({"space": ["lr"]}, "space is [lr]; allowed: a mapping of names, each to text; mend it in sweeps/mine.yaml"),
        ({"space": {"lr": 0.1}}, "space.lr is 0.1; allowed: text; "),
        ({"objectives": [{"metric": "a", "direction": "up"}]}, "direction is up; allowed: one of maximize, minimize"),
        ({"objectives": [{"direction": "minimize"}]}, "objectives.0.metric is missing; "),
        ({"objectives": 3}, "type: sweep.objectives='[{metric: validation/accuracy}]'"),
        ({"sampler": 3}, "sampler is 3; allowed: a mapping; type: sweep/sampler=tpe"),
        ({"constraints": ["parameters < 3"]}, "'parameters < 3' is no bound; allowed: <metric> <= <number>, or >=; "),
        ({"constraints": ["parameters <= many"]}, "is no bound"),
        ({"study": "a/b"}, "study is 'a/b'; allowed: a name without /, at most 120 characters; type: "),
        ({"study": True}, "study is true; allowed: text, or null; "),
        ({"dry_run": "yes"}, "dry_run is yes; allowed: true or false; type: sweep.dry_run=false"),
    ],
)
def test_a_mistake_is_said_in_one_line(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_settings("mine", given)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("given", [{"n_trials": "ten"}, {"objectives": [{"direction": "minimize"}]}, {"colour": 3}])
def test_no_mistake_is_told_in_the_words_of_a_library(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        read_settings("mine", given)
    assert not {"Input", "Field", "struct", "valid"} & set(str(caught.value).split())


@pytest.mark.parametrize(("given", "name"), [(2026, "2026"), (1.5, "1.5"), ("mine", "mine"), (None, None)])
def test_a_number_names_a_study_too(given: Any, name: str | None) -> None:
    assert read_settings("mine", {"study": given}).study == name


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


@pytest.mark.parametrize("name", ["..", ".", "...", " ", "a/b", "a\\b", "/tmp/x", "a\0b", "a\nb", "n" * 300])
def test_a_study_is_a_directory_in_the_folder_of_studies(name: str) -> None:
    with pytest.raises(ConfigError, match="allowed: a name without /"):
        read_settings("mine", {"study": name})
