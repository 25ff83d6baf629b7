"""Every network on sequences and images: shapes, gradients, learning, determinism, independence of the batch."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
import torch
import yaml
from torch import Tensor, nn
from torch.nn import functional

from ratchet.config.sections import ModelConfig
from ratchet.models import build_model, parameter_count
from ratchet.models.build import FROM_DATA, model_class

CONF = Path(__file__).parents[2] / "conf" / "model"
TEXTS = {"encoder", "text_bag", "text_transformer"}  # see tests/texts
MODELS = sorted(path.stem for path in CONF.glob("*.yaml") if path.stem not in TEXTS)
SHAPES = [(1, 40), (3, 17), (1, 28, 28), (1, 8, 8), (3, 16, 16)]
CLASSES = 5
# What the defaults of conf/model ask of the data is more than these shapes can give.
FITTED = {
    ("transformer", (3, 17)): {"patch": 1},
}


def network(name: str, shape: tuple[int, ...], *, seed: int = 0, **settings: object) -> nn.Module:
    values = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    config = ModelConfig(**{**values, **FITTED.get((name, shape), {}), **settings})
    torch.manual_seed(seed)
    return build_model(config, input_shape=shape, n_outputs=CLASSES)


def batch(shape: tuple[int, ...], n: int = 6) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(n, *shape, generator=generator), torch.arange(n) % CLASSES


def outputs_of(model: nn.Module, x: Tensor) -> Tensor:
    """(n, classes): of an ensemble in training the mean of its members."""
    outputs: Tensor = model(x)
    return outputs.mean(dim=1) if outputs.ndim > 2 else outputs


def train(model: nn.Module, x: Tensor, y: Tensor, *, steps: int) -> list[float]:
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = functional.cross_entropy(outputs_of(model, x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


every_model_and_shape = pytest.mark.parametrize(
    ("name", "shape"), [(name, shape) for name in MODELS for shape in SHAPES]
)


@pytest.fixture(autouse=True)
def _deterministic_algorithms():
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def test_conf_holds_the_seven_models():
    assert MODELS == ["cnn", "gru", "logistic", "mlp", "resnet", "tabm", "transformer"]


@pytest.mark.parametrize("name", MODELS)
def test_conf_spells_out_every_setting_with_its_default(name):
    values = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    assert values.pop("name") == name
    parameters = inspect.signature(model_class(values.pop("_target_"))).parameters
    defaults = {key: each.default for key, each in parameters.items() if key not in FROM_DATA}
    assert values == defaults
    assert list(values) == list(defaults)


@every_model_and_shape
def test_logits_are_finite_floats_of_one_row_for_each_example(name, shape):
    x, _ = batch(shape)
    logits = outputs_of(network(name, shape), x)
    assert logits.shape == (len(x), CLASSES)
    assert logits.dtype == torch.float32
    assert logits.isfinite().all()


@every_model_and_shape
def test_a_few_steps_lower_the_loss_and_move_every_parameter(name, shape):
    model = network(name, shape)
    before = {key: value.clone() for key, value in model.named_parameters()}
    losses = train(model, *batch(shape), steps=3)
    assert losses[-1] < losses[0]
    still = [key for key, value in model.named_parameters() if torch.equal(value, before[key])]
    assert not still


@every_model_and_shape
def test_eval_is_deterministic_and_takes_each_example_alone(name, shape):
    model = network(name, shape, **({} if name == "logistic" else {"dropout": 0.5}))
    x, y = batch(shape)
    train(model, x, y, steps=2)
    model.eval()
    with torch.no_grad():
        together = model(x)
        assert torch.equal(together, model(x))
        alone = torch.cat([model(example[None]) for example in x])
    torch.testing.assert_close(alone, together, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", MODELS)
def test_the_seed_alone_decides_the_start_and_the_training(name):
    shape = (1, 8, 8)
    plain = {} if name == "logistic" else {"dropout": 0.0}  # which draws while it trains
    first, again, other = (network(name, shape, seed=seed, **plain) for seed in (3, 3, 4))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    if name != "logistic":  # which starts at zero
        assert not all(torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True))
    assert train(first, *batch(shape), steps=2) == train(again, *batch(shape), steps=2)


@pytest.mark.parametrize("name", MODELS)
def test_a_state_dict_carries_a_trained_network_over(name):
    shape = (3, 16, 16)
    trained, fresh = network(name, shape, seed=0), network(name, shape, seed=1)
    x, y = batch(shape)
    train(trained, x, y, steps=2)
    fresh.load_state_dict(trained.state_dict())
    assert torch.equal(fresh.eval()(x), trained.eval()(x))


@pytest.mark.parametrize("name", [name for name in MODELS if name != "logistic"])
def test_dropout_acts_in_training_alone(name):
    model = network(name, (1, 40), dropout=0.5, **({"depth": 2} if name == "gru" else {}))
    x, _ = batch((1, 40), n=4)
    train(model, *batch((1, 40)), steps=1)
    assert not torch.equal(model(x), model(x))
    model.eval()
    assert torch.equal(model(x), model(x))


SETTINGS = [
    *[("tabm", {"members": members, "embedding": 0}) for members in (1, 4)],
    *[("mlp", {"activation": name}) for name in ("relu", "leaky_relu", "elu", "gelu", "silu", "tanh")],
    *[("mlp", {"normalisation": name}) for name in ("none", "batch", "layer", "group")],
    *[("cnn", {"normalisation": name}) for name in ("none", "layer", "group")],
    *[("cnn", {"pool": name, "depth": 2}) for name in ("stride", "average", "none")],
    ("cnn", {"head": "average", "growth": 1.5}),
    ("resnet", {"order": "post"}),
    ("resnet", {"order": "pre", "normalisation": "none"}),
    ("resnet", {"order": "post", "normalisation": "none", "stem_stride": 1}),
    ("resnet", {"normalisation": "group", "growth": 1.5, "blocks": 1}),
    *[("gru", {"readout": name}) for name in ("last", "mean", "max")],
    ("gru", {"depth": 2, "bidirectional": False}),
    ("transformer", {"readout": "cls", "overlap": 0}),
    ("transformer", {"heads": 1, "patch": 2, "mlp_ratio": 0.5, "activation": "relu"}),
]


@pytest.mark.parametrize(("name", "settings"), SETTINGS)
@pytest.mark.parametrize("shape", [(1, 40), (1, 8, 8)])
def test_every_setting_makes_a_network_that_learns(name, settings, shape):
    model = network(name, shape, **settings)
    losses = train(model, *batch(shape), steps=3)
    assert losses[-1] < losses[0]
    assert all(parameter.grad is not None for parameter in model.parameters())


PARAMETERS = [
    ("logistic", (1, 40), {}, 40 * 5 + 5),
    ("mlp", (1, 40), {"depth": 2, "width": 7, "normalisation": "none"}, (40 * 7 + 7) + (7 * 7 + 7) + (7 * 5 + 5)),
    # 40 -> 20 -> 10 positions; batch normalisation replaces the bias by a scale and an offset
    (
        "cnn",
        (1, 40),
        {"depth": 2, "width": 4, "growth": 2.0, "kernel": 3, "head": "flatten"},
        (1 * 4 * 3 + 2 * 4) + (4 * 8 * 3 + 2 * 8) + (8 * 10 * 5 + 5),
    ),
    (
        "cnn",
        (3, 16, 16),
        {"depth": 1, "width": 4, "kernel": 5, "head": "average", "normalisation": "none"},
        (3 * 4 * 25 + 4) + (4 * 5 + 5),
    ),
    # the stem, then per block two normalisations and two convolutions, the last normalisation, the classifier
    (
        "resnet",
        (1, 8, 8),
        {"stages": 1, "blocks": 2, "width": 4, "stem_kernel": 5, "kernel": 3},
        4 * 25 + 2 * (2 * 8 + 2 * 4 * 4 * 9) + 8 + (4 * 5 + 5),
    ),
    # three gates, each with two biases, in two directions
    ("gru", (1, 40), {"width": 6, "depth": 1}, 2 * 3 * (1 * 6 + 6 * 6 + 2 * 6) + (12 * 5 + 5)),
    ("gru", (3, 16, 16), {"width": 6, "bidirectional": False}, 3 * (48 * 6 + 6 * 6 + 2 * 6) + (6 * 5 + 5)),
    # embedding, ten positions, one layer (two norms, q k v and projection, perceptron), norm, classifier
    (
        "transformer",
        (1, 40),
        {"depth": 1, "width": 8, "heads": 2, "patch": 4, "overlap": 1, "mlp_ratio": 2.0, "readout": "mean"},
        (6 * 8 + 8) + 10 * 8 + (2 * 16 + 4 * (8 * 8 + 8) + (8 * 16 + 16) + (16 * 8 + 8)) + 16 + (8 * 5 + 5),
    ),
]


@pytest.mark.parametrize(("name", "shape", "settings", "expected"), PARAMETERS)
def test_parameter_counts_are_those_worked_out_by_hand(name, shape, settings, expected):
    assert parameter_count(network(name, shape, **settings)) == expected


def test_parameter_count_leaves_frozen_parameters_out():
    model = network("logistic", (1, 40))
    model.classifier.bias.requires_grad_(False)
    assert parameter_count(model) == 40 * CLASSES
