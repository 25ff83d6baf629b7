"""params.yaml: read as if it stood first on the command line, value for value."""

from __future__ import annotations

import random
import string
from typing import Any

import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from config.conftest import notified
from ratchet.config.composition import Request, load_config
from ratchet.config.grammar import to_override_value
from ratchet.config.params import params_overrides
from ratchet.errors import ConfigError


def write(project, **params: Any) -> None:
    project.params.write_text(yaml.safe_dump(params, allow_unicode=True), encoding="utf-8")


def arrived(value: Any) -> Any:
    """The value as a config holds it after it went through an override."""
    override = OverridesParser.create().parse_override(f"x={to_override_value(value)}")
    return OmegaConf.to_container(OmegaConf.create({"x": override.value()}), resolve=False)["x"]


VALUES = [
    *(None, True, False, 0, -3, 10**20, 0.1, 1e-3, 1e-10, 1e300, -0.0, float("inf")),
    *("", " ", "a b", " a ", "a,b", "a=b", "a:b", "it's", '"', "'", "''", "\\", "\\\\", "a\\", "\\'", "a\\'b", "\\\\'"),
    *("[a]", "{a}", "(a)", "a/b-c.d", "~", "null", "NULL", "true", "yes", "no", "off", "0123", "1e-3", "1_000", "nan"),
    *("-", "--x", "Zürich", "日本", "🙂", "a#b", "100%", "$HOME", "a@b", "tab\tbed", "two\nlines", "+a", "x" * 99),
    *([], [[]], [1, "1", None, True], ["a b", "c,d"], {}, {"a": {}}, {"a": [1, {"b": "c d"}]}, {"a-b": 1, "c d": 2}),
    *({1: "one"}, {"a:b": 1, "c,d": 2, "e=f": 3, "{g}": 4, "h\\i": 5, "%j": 6}, [{"a": None}], [[], {}]),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_arrives_as_it_was(value):
    assert repr(arrived(value)) == repr(value)


def test_any_value_arrives_as_it_was():
    draw = random.Random(0)
    letters = string.printable.replace("$", "") + "äß漢🙂" + "\\'\"" * 8

    def text() -> str:
        return "".join(draw.choices(letters, k=draw.randrange(8)))

    def value(depth: int) -> Any:
        kinds = [text, lambda: draw.randrange(-9, 9), draw.random, lambda: draw.choice([None, True, False])]
        if depth:
            kinds += [lambda: [value(depth - 1) for _ in range(draw.randrange(4))]] * 2
            kinds += [lambda: {f"k{i}": value(depth - 1) for i in range(draw.randrange(4))}] * 2
        return draw.choice(kinds)()

    for _ in range(400):
        given = value(3)
        assert repr(arrived(given)) == repr(given)


@pytest.mark.parametrize("key", ["", "a'b", '"', "1", "true", " a", "ü", "null", "1e3"])
def test_a_key_that_hydra_cannot_read_is_refused(key):
    with pytest.raises(ConfigError, match="cannot be an override"):
        to_override_value({key: 1})


def test_values_and_choices_arrive_in_the_config(settings):
    settings.params.write_text(
        "data: digits\nmodel: gru\nlogger.project: \"it's, [mine]\"\nlogger.tags: [a b, 'c,d', '0123', ü]\n"
        "overrides:\n  optimizer: sgd\n  trainer: {max_epochs: 7, early_stopping: {patience: 5}}\n"
        "  optimizer.lr: 1e-3\n  data: {prepare: {seed: 3}}\n",
        encoding="utf-8",
    )
    config = load_config(settings)
    assert config.model.name == "gru"
    assert config.logger.project == "it's, [mine]"
    assert config.logger.tags == ["a b", "c,d", "0123", "ü"]
    assert config.optimizer.target == "torch.optim.SGD"
    assert config.optimizer.lr == 0.001
    assert config.optimizer.arguments["nesterov"] is True
    assert config.trainer.max_epochs == 7
    assert config.trainer.early_stopping.patience == 5
    assert config.data.prepare.seed == 3
    assert config.data.prepare.validation == 0.15  # a mapping is merged, not put in the place of another


def test_no_params_yaml_chooses_nothing(settings):
    settings.params.unlink()
    assert load_config(settings).data.name == "mnist1d"
    settings.params.write_text("# nothing\n", encoding="utf-8")
    assert load_config(settings).data.name == "mnist1d"


def test_what_was_typed_wins(settings, capsys):
    write(settings, data="digits", model="gru", seed=3, overrides={"trainer": {"max_epochs": 7, "batch_size": 9}})
    config = load_config(settings, ["seed=4", "trainer.max_epochs=8"])
    assert (config.seed, config.trainer.max_epochs, config.trainer.batch_size) == (4, 8, 9)
    assert capsys.readouterr().err == ""


def test_typed_values_win_inside_a_mapping_of_params_yaml(settings):
    write(settings, data="digits", overrides={"data": {"prepare": {"seed": 3, "validation": 0.3}}})
    prepare = load_config(settings, ["data.prepare.seed=4"]).data.prepare
    assert (prepare.seed, prepare.validation) == (4, 0.3)


@pytest.mark.parametrize("params", [{"model": "gru"}, {}], ids=["chosen", "the default"])
def test_values_belong_to_the_option_they_were_written_for(settings, capsys, params):
    write(settings, data="digits", overrides={"model": {"width": 7}, "trainer": {"max_epochs": 3}}, **params)
    chosen = params.get("model", "cnn")
    assert notified(settings, [f"model={chosen}"]).model.arguments["width"] == 7
    assert capsys.readouterr().err == ""
    config = notified(settings, ["model=mlp"])
    assert config.model.arguments["width"] != 7
    assert config.trainer.max_epochs == 3
    assert capsys.readouterr().err == f"note: params.yaml's model.width is left out: it belongs to model={chosen}\n"


def test_a_choice_under_overrides_is_what_values_belong_to(settings, capsys):
    write(settings, data="digits", overrides={"optimizer": "sgd", "optimizer.momentum": 0.5})
    assert load_config(settings).optimizer.arguments["momentum"] == 0.5
    assert notified(settings, ["optimizer=adam"]).optimizer.arguments["betas"] == [0.9, 0.999]
    assert "optimizer.momentum is left out: it belongs to optimizer=sgd" in capsys.readouterr().err


def test_an_experiment_starts_from_conf_alone(project, capsys):
    recipe = "# @package _global_\ndefaults:\n  - override /model: mlp\nseed: 5\n"
    (project.conf / "experiment" / "mine.yaml").write_text(recipe, encoding="utf-8")
    write(project, data="digits", model="gru", seed=3, overrides={"trainer": {"max_epochs": 7}})
    config = notified(project, ["experiment=mine", "trainer.batch_size=9"])
    assert (config.data.name, config.model.name, config.seed) == ("mnist1d", "mlp", 5)
    assert (config.trainer.max_epochs, config.trainer.batch_size) == (60, 9)
    assert capsys.readouterr().err == "note: params.yaml is not read: experiment= starts from conf/ alone\n"


def test_params_null_starts_from_conf_alone_too(settings, capsys):
    write(settings, data="digits", model="gru", seed=3, overrides={"trainer": {"max_epochs": 7}})
    alone = load_config(settings, ["params=null", "model=mlp"])
    settings.params.write_text("not: [yaml", encoding="utf-8")
    assert load_config(settings, ["model=mlp", "params=null"]) == alone
    settings.params.unlink()
    assert load_config(settings, ["model=mlp"]) == alone
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("typed", ["params=other.yaml", "params=", "params=null,x"])
def test_params_takes_null_alone(settings, typed):
    with pytest.raises(ConfigError, match=f"^{typed}: params.yaml is read, or not at all; .*; type: params=null$"):
        load_config(settings, [typed])


def test_a_choice_of_nothing_is_no_choice(settings):
    write(settings, data="digits", experiment=None, debug=None)
    assert load_config(settings).data.name == "digits"


def test_a_multirun_over_a_group_goes_without_the_values_of_one_option(settings):
    write(settings, data="digits", model="cnn", overrides={"model": {"growth": 2.0}, "seed": 9})
    request = Request.of(settings, ["model=cnn,transformer", "optimizer.lr=0.1,0.2"], multirun=True)
    assert request.params == ("data=digits", "seed=9")
    assert request.notices == ["params.yaml's model.growth is left out: it belongs to model=cnn"]


def test_data_that_bring_a_model_set_that_of_params_yaml_aside(project):
    (project.conf / "data" / "brings.yaml").write_text(
        "defaults:\n  - digits\n  - _self_\n  - override /model@_global_.model: mlp\nname: brings\n", encoding="utf-8"
    )
    kept, notices = params_overrides(project, ["data=brings"])
    assert not [text for text in kept if text.startswith("model")]
    assert notices == ["params.yaml's model is left out: data=brings brings model=mlp"]
    assert load_config(project, ["data=brings"]).model.name == "mlp"
    assert load_config(project, ["data=brings", "model=gru"]).model.name == "gru"
    project.params.write_text("data: brings\nmodel: logistic\n", encoding="utf-8")
    assert load_config(project).model.name == "logistic"
