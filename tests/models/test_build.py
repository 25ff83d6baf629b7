"""Building a network from a config: what is passed on, what is refused, and the one line it is refused with."""

from __future__ import annotations

import textwrap

import pytest
import torch

from ratchet.config.sections import ModelConfig
from ratchet.errors import ConfigError, OutOfMemoryError
from ratchet.models import CNN, build_model

SEQUENCE, IMAGE, SMALL = (1, 40), (1, 28, 28), (1, 8, 8)


def build(target: str, shape: tuple[int, ...] = SEQUENCE, **settings: object) -> torch.nn.Module:
    config = ModelConfig(name="mine", _target_=target, **settings)
    return build_model(config, input_shape=shape, n_outputs=10)


DEPTH = "allowed: a whole number, 1 or more; type: model.depth=3"


@pytest.mark.parametrize(
    ("target", "shape", "settings", "said"),
    [
        # what was got, what is allowed, what to type
        ("ratchet.models.CNN", SEQUENCE, {"kernal": 3}, ["model.kernal", "kernel", "type: model.kernel=3"]),
        ("ratchet.models.Logistic", SEQUENCE, {"depth": 3}, ["model.depth", "allowed: none"]),
        ("ratchet.models.CNN", SEQUENCE, {"input_shape": [1, 40]}, ["model.input_shape", "no such setting"]),
        ("ratchet.models.CNN", SEQUENCE, {"depth": "x"}, [f"model.depth is x; {DEPTH}"]),
        ("ratchet.models.CNN", SEQUENCE, {"depth": "3"}, [f"model.depth is '3'; {DEPTH}"]),
        ("ratchet.models.CNN", SEQUENCE, {"depth": True}, [f"model.depth is true; {DEPTH}"]),
        ("ratchet.models.CNN", SEQUENCE, {"depth": 0}, [f"model.depth is 0; {DEPTH}"]),
        ("ratchet.models.CNN", SEQUENCE, {"depth": None}, [f"model.depth is null; {DEPTH}"]),
        (
            "ratchet.models.CNN",
            SEQUENCE,
            {"dropout": 1.5},
            ["model.dropout is 1.5; allowed: a number from 0 to 1; type: model.dropout=0.0"],
        ),
        ("ratchet.models.CNN", SEQUENCE, {"dropout": float("nan")}, ["model.dropout is nan; allowed: a number from"]),
        (
            "ratchet.models.CNN",
            SEQUENCE,
            {"activation": "rleu"},
            ["model.activation is rleu; allowed: one of relu, leaky_relu, ", "; type: model.activation=relu"],
        ),
        (
            "ratchet.models.CNN",
            SEQUENCE,
            {"kernel": 4},
            ["model.kernel is 4: must be odd, ", "; allowed: a whole number, 1 or more; type: model.kernel=5"],
        ),
        ("ratchet.models.CNN", SMALL, {"kernel": 9}, ["model.kernel=9", "8x8", "at most 7", "model.kernel=3"]),
        ("ratchet.models.CNN", SMALL, {"depth": 4}, ["model.depth=4", "8x8", "at most 3", "type: model.depth=3"]),
        (
            "ratchet.models.CNN",
            IMAGE,
            {"depth": 5, "pool": "max"},
            ["model.depth=5", "28x28", "at most 4", "type: model.depth=4, or model.pool=none"],
        ),
        ("ratchet.models.CNN", (1, 1), {"kernel": 1, "pool": "max"}, ["at most 0", "type: model.pool=none"]),
        ("ratchet.models.ResNet", SMALL, {"stages": 4}, ["model.stages=4", "at most 3", "type: model.stages=3"]),
        ("ratchet.models.ResNet", SMALL, {"stem_kernel": 9}, ["model.stem_kernel=9", "at most 7"]),
        ("ratchet.models.Transformer", (3, 17), {"patch": 4}, ["model.patch=4", "1, 17", "type: model.patch=1"]),
        ("ratchet.models.Transformer", (1, 28, 20), {"patch": 7}, ["28x20", "1, 2, 4", "model.patch=4"]),
        (
            "ratchet.models.Transformer",
            IMAGE,
            {"width": 64, "heads": 5},
            ["model.heads=5", "model.width=64", "1, 2, 4, 8", "type: model.heads=4"],
        ),
        ("ratchet.models.Transformer", SMALL, {"overlap": 8}, ["model.overlap=8", "0 to 7", "model.overlap=0"]),
        ("ratchet.models.Cnn", SEQUENCE, {}, ["ratchet.models.Cnn", "ratchet.models.CNN"]),
        ("nowhere.Net", SEQUENCE, {}, ["nowhere.Net", "cannot be imported", "src/own/"]),
        ("Net", SEQUENCE, {}, ["model._target_=Net", "dotted path"]),
        ("math.sqrt", SEQUENCE, {}, ["math.sqrt", "no torch.nn.Module"]),
        ("builtins.dict", SEQUENCE, {}, ["builtins.dict", "no torch.nn.Module"]),
        ("torch.nn.Linear", SEQUENCE, {}, ["torch.nn.Linear", "takes no input_shape"]),
    ],
)
def test_what_cannot_be_built_is_refused_in_one_line(target, shape, settings, said):
    with pytest.raises(ConfigError) as caught:
        build(target, shape, **settings)
    message = str(caught.value)
    assert "\n" not in message
    assert [part for part in said if part not in message] == []


@pytest.mark.parametrize(
    ("setting", "worst"),
    [
        ({"depth": 3}, SMALL),
        ({"depth": 4, "pool": "max"}, IMAGE),
        ({"depth": 5, "pool": "stride"}, IMAGE),
        ({"depth": 9, "pool": "none"}, SMALL),
    ],
)
def test_the_most_that_the_message_allows_can_be_built(setting, worst):
    assert build("ratchet.models.CNN", worst, width=2, **setting)(torch.zeros(2, *worst)).shape == (2, 10)


def test_what_the_yaml_leaves_out_has_the_constructors_default():
    torch.manual_seed(0)
    short = build("ratchet.models.CNN")
    torch.manual_seed(0)
    spelled_out = CNN(input_shape=SEQUENCE, n_outputs=10)
    assert str(short) == str(spelled_out)


def test_building_draws_nothing_beyond_the_weights_and_leaves_the_network_in_training_mode():
    torch.manual_seed(0)
    model = build("ratchet.models.CNN", dropout=0.5)
    after = torch.rand(3)
    torch.manual_seed(0)
    CNN(input_shape=SEQUENCE, n_outputs=10, dropout=0.5)
    assert torch.equal(after, torch.rand(3))
    assert model.training
    assert not any(value.any() for key, value in model.named_buffers() if key.endswith("num_batches_tracked"))


OWN = """
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self, *, input_shape, n_classes, scale, sizes: tuple[int, ...] = (8, 8), **rest):
            super().__init__()
            self.given = (input_shape, n_classes, scale, sizes, rest)
            self.linear = nn.LazyLinear(n_classes)

        def forward(self, x):
            return self.linear(x.flatten(1))

    class Odd(nn.Module):
        def __init__(self, *, input_shape, n_classes, copy: int = 1, _hidden: int = 2, part: nn.Module = None):
            super().__init__()
            self.given = (copy, _hidden, part)
            self.linear = nn.Linear(input_shape[-1], n_classes)

        def forward(self, x):
            return self.linear(x.flatten(1))

    class Needy(Odd):
        def __init__(self, *, input_shape, n_classes, size: int | float):
            super().__init__(input_shape=input_shape, n_classes=n_classes)

    class Unreadable(nn.Module):
        def __init__(self, *, input_shape, n_classes, depth: "Nowhere" = 1):
            super().__init__()

    class Wrong(nn.Module):
        def __init__(self, *, input_shape, n_classes, mistake="shape"):
            super().__init__()
            self.mistake = mistake
            self.linear = nn.Linear(7 if mistake == "linear" else input_shape[-1], n_classes)

        def forward(self, x):
            return x[:, 0] if self.mistake == "shape" else self.linear(x) if self.mistake == "rank" else (
                [1] if self.mistake == "list" else self.linear(x.flatten(1)))
"""


@pytest.fixture
def own(tmp_path, monkeypatch) -> str:
    name = f"own_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(textwrap.dedent(OWN))
    monkeypatch.syspath_prepend(tmp_path)
    return name


def test_a_users_own_class_gets_what_the_yaml_says_annotated_or_not(own):
    model = build(f"{own}.Net", scale={"any": ["thing"]}, sizes=[4, 2], more=1)
    assert model.given == ((1, 40), 10, {"any": ["thing"]}, (4, 2), {"more": 1})
    assert model.linear.in_features == 40  # lazy layers know their shape once built


def test_a_users_own_class_is_held_to_its_annotations(own):
    with pytest.raises(ConfigError, match=r"model\.scale is missing.*type: \+model\.scale=1"):
        build(f"{own}.Net")
    with pytest.raises(ConfigError, match=r"^model\.sizes is \[a\]; allowed: a list, each item a whole number; type: "):
        build(f"{own}.Net", scale=1, sizes=["a"])
    with pytest.raises(ConfigError, match=r"^model\.part is 1; allowed: Module; type: model\.part=null$"):
        build(f"{own}.Odd", part=1)
    with pytest.raises(ConfigError, match=r"^model\.size is x; allowed: .*, or a number; type: model\.size=1$"):
        build(f"{own}.Needy", size="x")


def test_a_users_own_class_may_name_its_settings_as_it_likes(own):
    assert build(f"{own}.Odd").given == (1, 2, None)
    assert build(f"{own}.Odd", copy=5, _hidden=6).given == (5, 6, None)


def test_annotations_that_cannot_be_read_are_refused(own):
    with pytest.raises(ConfigError, match=r"Unreadable cannot be read: name 'Nowhere'"):
        build(f"{own}.Unreadable")


@pytest.mark.parametrize(
    ("mistake", "said"),
    [("shape", r"\(2, 40\) instead of \(2, 10\)"), ("rank", r"\(2, 1, 10\)"), ("list", "list"), ("linear", "shapes")],
)
def test_a_network_that_does_not_make_logits_of_the_data_is_refused(own, mistake, said):
    with pytest.raises(ConfigError, match=said) as caught:
        build(f"{own}.Wrong", mistake=mistake)
    assert "1x40 examples and give 10 outputs" in str(caught.value)
    assert "\n" not in str(caught.value)


CRASHES = """
from torch import nn


class Constructor(nn.Module):
    def __init__(self, *, input_shape, n_outputs):
        raise KeyError("nothere")


class Forward(nn.Module):
    def __init__(self, *, input_shape, n_outputs):
        super().__init__()
        self.linear = nn.Linear(7, n_outputs)

    def forward(self, x):
        return self.linear(x.flatten(1))
"""


@pytest.mark.parametrize(
    ("name", "place"),
    [("Constructor", r"KeyError in your code, \S*own/mods\.py line 7: 'nothere'"),
     ("Forward", r"RuntimeError in your code, \S*own/mods\.py line 16: mat1 and mat2")],
)  # fmt: skip
def test_a_crash_in_a_person_s_own_network_is_told_with_its_place(write_own, name, place):
    write_own("mods", CRASHES)
    with pytest.raises(ConfigError, match=place) as caught:
        build(f"own.mods.{name}", SMALL)
    assert "1x8x8 examples and give 10 outputs" in str(caught.value)
    assert str(caught.value).endswith("; type: the same with --debug, for the traceback")
    assert "settings" not in str(caught.value)


def test_of_a_table_the_features_of_a_row_are_counted(own):
    with pytest.raises(ConfigError, match=r"take rows of 56 features and give 10 outputs: .*change its settings"):
        build(f"{own}.Wrong", (56,), mistake="list")


@pytest.mark.parametrize("width", [10**9, 10**11])
def test_a_model_that_memory_cannot_hold_is_no_mistake_of_the_config(width: int) -> None:
    with pytest.raises(OutOfMemoryError, match=r"out of memory while model mine .* is built .*; type: "):
        build("ratchet.models.MLP", width=width, depth=2)
