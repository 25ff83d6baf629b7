"""Search spaces: Hydra's grammar in, Optuna's distributions out, and every value back into a config."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import Any

import optuna
import pytest
from omegaconf import OmegaConf
from optuna.distributions import FloatDistribution, IntDistribution

from ratchet.config.grammar import to_override_value
from ratchet.errors import ConfigError
from ratchet.search.space.composer import Composer
from ratchet.search.space.space import Dimension, SearchSpace

optuna.logging.set_verbosity(optuna.logging.ERROR)

NUMBERS = {
    "interval(-1,1)": FloatDistribution(-1.0, 1.0),
    "interval(0.5,0.5)": FloatDistribution(0.5, 0.5),
    "tag(log,interval(1e-5,1e-1))": FloatDistribution(1e-5, 1e-1, log=True),
    "int(interval(1,8))": IntDistribution(1, 8),
    "int(interval(-3,3))": IntDistribution(-3, 3),
    "tag(log,int(interval(16,512)))": IntDistribution(16, 512, log=True),
    "int(tag(log,interval(16,512)))": IntDistribution(16, 512, log=True),
    "range(5)": IntDistribution(0, 4),
    "range(1,10)": IntDistribution(1, 9),
    "range(16,65,16)": IntDistribution(16, 64, step=16),
    "range(10,1,-3)": IntDistribution(4, 10, step=3),
    "range(0.0,1.0,0.25)": FloatDistribution(0.0, 0.75, step=0.25),
    "float(interval(1,8))": FloatDistribution(1.0, 8.0),
}


@pytest.mark.parametrize("text", NUMBERS)
def test_numbers_are_optunas_distributions(text: str) -> None:
    assert Dimension.parse("x", text).distribution == NUMBERS[text]


CHOICES: dict[str, list[Any]] = {
    "choice(1,2,3)": [1, 2, 3],
    "choice(1.0,1.5,2.0)": [1.0, 1.5, 2.0],
    "1,2.5,1e-3": [1, 2.5, 0.001],
    "choice(true,false)": [True, False],
    "null,1": [None, 1],
    "choice(1,1.0,true)": [1, 1.0, True],
    "0,false,null,'0','null','true'": [0, False, None, "0", "null", "true"],
    "choice(0,false,'0','null')": [0, False, "0", "null"],
    "choice(cnn,transformer)": ["cnn", "transformer"],
    "choice('a b','c,d','it\\'s',\"say \\\"so\\\"\")": ["a b", "c,d", "it's", 'say "so"'],
    "choice('Zürich','日本','🙂')": ["Zürich", "日本", "🙂"],
    "choice('a=b','{c}','[d]','(e)','$f','','\\\\')": ["a=b", "{c}", "[d]", "(e)", "$f", "", "\\"],
    "choice([1,2],[3,4],[])": [[1, 2], [3, 4], []],
    "choice([a,'b,c'],[null,true])": [["a", "b,c"], [None, True]],
    "choice({a:1},{a:2,b:[c]})": [{"a": 1}, {"a": 2, "b": ["c"]}],
    "choice(nan,inf,-inf,1.0)": [math.nan, math.inf, -math.inf, 1.0],
}


def composed(override: str, composer: Composer) -> Any:
    plain = OmegaConf.to_container(composer.compose([f"+{override}"]), resolve=False)
    assert isinstance(plain, dict)
    return plain["y"]


@pytest.mark.parametrize("text", CHOICES)
def test_each_choice_arrives_in_the_config_as_it_was_written(text: str, loaded) -> None:
    dimension = Dimension.parse("y", text)
    cells = dimension.cells()
    assert cells is not None
    composer = loaded.composer
    assert [repr(composed(dimension.override(value), composer)) for value in cells] == [repr(v) for v in CHOICES[text]]


@pytest.mark.parametrize("text", CHOICES)
def test_every_choice_survives_the_storage(text: str) -> None:
    """The journal is JSON: what comes back has to be found among the texts."""
    dimension = Dimension.parse("y", text)
    study = optuna.create_study(
        storage=optuna.storages.InMemoryStorage(), sampler=optuna.samplers.RandomSampler(seed=0)
    )
    seen = set()
    for _ in range(60):
        trial = study.ask()
        seen.add(dimension.override(dimension.suggest(trial)))
    assert len(seen) == len(CHOICES[text])
    assert seen == {dimension.override(trial.params["y"]) for trial in study.trials}


@pytest.mark.parametrize("text", NUMBERS)
def test_a_sampled_number_arrives_as_it_was_sampled(text: str, loaded) -> None:
    dimension, composer = Dimension.parse("y", text), loaded.composer
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    for _ in range(5):
        value = dimension.suggest(study.ask())
        config = composer.compose([f"+{dimension.override(value)}"])
        assert (type(config.y), config.y) == (type(value), value)
        assert dimension.label_of(value) == value


@pytest.mark.parametrize("text", [*NUMBERS, *CHOICES])
def test_the_ends_lie_in_the_space_and_compose(text: str, loaded) -> None:
    dimension = Dimension.parse("y", text)
    composer = loaded.composer
    for value in dimension.ends():
        assert dimension.distribution._contains(dimension.distribution.to_internal_repr(value))
        composed(dimension.override(value), composer)


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ("range(16,65,16)", [16, 32, 48, 64]),
        ("range(0.0,1.0,0.25)", [0.0, 0.25, 0.5, 0.75]),
        ("int(interval(2,4))", [2, 3, 4]),
        ("choice(a,b)", ["a", "b"]),
        ("interval(0,1)", None),
    ],
)
def test_a_discrete_space_has_cells(text: str, cells: list[Any] | None) -> None:
    assert Dimension.parse("x", text).cells() == cells


@pytest.mark.parametrize(
    ("text", "value", "label"),
    [
        ("interval(0,1)", 0.5, 0.5),
        ("interval(0,1)", 0, 0),
        ("interval(0,1)", 1.5, None),
        ("interval(0,1)", True, None),
        ("interval(0,1)", "0.5", None),
        ("interval(0,1)", None, None),
        ("int(interval(1,8))", 8, 8),
        ("int(interval(1,8))", 9, None),
        ("range(16,65,16)", 32, 32),
        ("range(16,65,16)", 33, None),
        ("choice(a,'b c')", "b c", "b c"),
        ("choice(a,b)", "c", None),
        ("choice(true,false)", False, False),
        ("choice(1,1.0,true)", 1.0, "1.0"),
        ("choice([1,2],[3])", [1, 2], "[1,2]"),
        ("choice([1, 2],[3])", [1, 2], "[1,2]"),
        ("choice({a:1},{a:2})", {"a": 2}, "{a:2}"),
    ],
)
def test_the_value_that_conf_has_is_known_if_it_lies_inside(text: str, value: Any, label: Any) -> None:
    found = Dimension.parse("x", text).label_of(value)
    assert (type(found), found) == (type(label), label)


MISTAKES = {
    "interval(1,0)": "low 1.0 is above high 0.0; type: 'x=interval(0.0, 1.0)'",
    "int(interval(9,3))": "low 9 is above high 3",
    "tag(log,interval(0,1))": "log of 0.0; allowed: a low bound above 0",
    "tag(log,interval(-1,1))": "log of -1.0",
    "tag(log,range(1,9))": "a range has no logarithm",
    "interval(0,inf)": "has no end; allowed: finite bounds",
    "interval(nan,1)": "has no end; allowed: finite bounds",
    "range(3,3)": "has no values",
    "range(5,1)": "has no values",
    "cnn": "cnn is a single value",
    "0.5": "0.5 is a single value; allowed: interval(low, high)",
    "interval(0,1": "cannot be read",
    "interval(a,b)": "cannot be read",
    "glob(*)": "x: glob(*)",
    "": "is a single value",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_what_is_no_space_is_said_in_one_line(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Dimension.parse("x", text)
    assert MISTAKES[text] in str(caught.value)
    assert "allowed: " in str(caught.value) or "type: " in str(caught.value)
    assert "\n" not in str(caught.value)


def space(common: dict[str, str], **options: dict[str, dict[str, str]]) -> SearchSpace:
    def dimensions(texts: dict[str, str], option: str = "") -> tuple[Dimension, ...]:
        return tuple(replace(Dimension.parse(key, text), option=option) for key, text in texts.items())

    inner = {
        group: {name: dimensions(texts, name) for name, texts in named.items()} for group, named in options.items()
    }
    return SearchSpace(dimensions(common), inner)


CONDITIONAL = space(
    {"lr": "interval(0,1)", "model": "choice(cnn,gru)"},
    model={
        "cnn": {"model.width": "1,2"},
        "gru": {"model.width": "3,4", "model.depth": "int(interval(1,2))"},
        "mlp": {},
    },
    optimizer={"sgd": {"momentum": "interval(0,1)"}, "adam": {}},
)


@pytest.mark.parametrize(
    ("chosen", "keys"),
    [
        ({"model": "cnn"}, ["lr", "model", "model.width"]),
        ({"model": "gru", "optimizer": "adam"}, ["lr", "model", "model.width", "model.depth"]),
        ({"model": "mlp", "optimizer": "sgd"}, ["lr", "model", "momentum"]),
        ({}, ["lr", "model"]),
    ],
)
def test_the_options_decide_what_varies(chosen: dict[str, str], keys: list[str]) -> None:
    assert [dimension.key for dimension in CONDITIONAL.dimensions(chosen)] == keys


def test_a_sampled_option_brings_its_own_values_and_no_other_s() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    keys = {}
    for _ in range(30):
        given = dict(text.split("=") for text in CONDITIONAL.suggest(study.ask(), {"optimizer": "adam"}))
        keys.setdefault(given["model"], set()).update(given)
        assert given["model.width"] in {"cnn": {"1", "2"}, "gru": {"3", "4"}}[given["model"]]
    assert keys == {"cnn": {"lr", "model", "model.width"}, "gru": {"lr", "model", "model.width", "model.depth"}}


def test_branches_and_what_they_reach() -> None:
    assert CONDITIONAL.is_conditional
    assert [b["model"] for b in CONDITIONAL.branches({"optimizer": "sgd"})] == ["cnn", "gru"]
    reached = CONDITIONAL.reachable({"optimizer": "sgd"})
    assert {group: set(options) for group, options in reached.options.items()} == {
        "model": {"cnn", "gru"}, "optimizer": {"sgd"},
    }  # fmt: skip
    fixed = CONDITIONAL.without({"model", "model.width"}).reachable({"model": "gru", "optimizer": "adam"})
    assert not fixed.is_conditional
    assert fixed.described() == {"lr": "interval(0,1)", "model=gru: model.depth": "int(interval(1,2))"}


def test_any_choice_arrives_as_it_was(loaded) -> None:
    draw = random.Random(3)
    letters = "ab 1.,=:'\"\\[]{}()#%@~äß漢🙂"
    composer = loaded.composer
    for _ in range(60):
        values = list(dict.fromkeys("".join(draw.choices(letters, k=draw.randrange(6))) for _ in range(3)))
        dimension = Dimension.parse("y", f"choice({','.join(map(to_override_value, values))})")
        cells = dimension.cells()
        assert cells is not None
        assert [composer.compose([f"+{dimension.override(cell)}"]).y for cell in cells] == values
