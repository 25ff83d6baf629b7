"""The parts of the networks, against hand-worked values and torch's own."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ratchet.models.cnn import CNN
from ratchet.models.gru import GRU
from ratchet.models.layers import convolution, group_count, normalisation
from ratchet.models.resnet import ResNet
from ratchet.models.transformer import EncoderLayer, Transformer


@pytest.mark.parametrize(("channels", "groups"), [(1, 1), (7, 1), (8, 1), (16, 2), (24, 3), (20, 2), (64, 8), (17, 1)])
def test_groups_are_equal_and_of_at_least_eight_channels(channels, groups):
    assert group_count(channels) == groups


@pytest.mark.parametrize("name", ["layer", "group"])
def test_layer_and_group_normalisation_centre_every_example(name):
    x = 5 + 3 * torch.randn(4, 16, 10, generator=torch.Generator().manual_seed(0))
    out = normalisation(name, 16, dimensions=1)(x).flatten(1)
    torch.testing.assert_close(out.mean(1), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(out.std(1, correction=0), torch.ones(4), atol=1e-3, rtol=0)


@pytest.mark.parametrize(("kernel", "stride", "size"), [(1, 1, 9), (3, 1, 9), (5, 1, 9), (3, 2, 5), (5, 2, 5)])
@pytest.mark.parametrize("dimensions", [1, 2])
def test_convolutions_keep_the_size_or_halve_it_rounding_up(kernel, stride, size, dimensions):
    layer = convolution(dimensions, (2, 3), kernel=kernel, stride=stride, bias=True)
    assert layer(torch.zeros(1, 2, *[9] * dimensions)).shape == (1, 3, *[size] * dimensions)


def test_convolution_weights_keep_the_variance_of_a_relu_network():
    torch.manual_seed(0)
    layer = convolution(1, (64, 64), kernel=5, stride=1, bias=True)
    assert layer.weight.std().item() == pytest.approx((2 / (64 * 5)) ** 0.5, rel=0.02)
    assert not layer.bias.any()


@pytest.mark.parametrize("head", ["flatten", "average"])
def test_only_the_average_head_does_not_care_where_a_thing_lies(head):
    torch.manual_seed(0)
    model = CNN(input_shape=(1, 64), n_outputs=3, depth=2, kernel=3, head=head, normalisation="none").eval()
    x = torch.zeros(2, 1, 64)
    x[0, 0, 20:24], x[1, 0, 28:32] = 1.0, 1.0  # apart by a multiple of the network's stride
    here, there = model(x)
    assert torch.allclose(here, there, atol=1e-6) == (head == "average")


@pytest.mark.parametrize("order", ["pre", "post"])
@pytest.mark.parametrize("norm", ["none", "batch"])
def test_residual_blocks_start_as_their_shortcut(order, norm):
    model = ResNet(input_shape=(2, 16, 16), n_outputs=3, stages=1, order=order, normalisation=norm)
    x = torch.rand(4, 32, 8, 8)  # not negative, so that the activation after a post block keeps it
    assert torch.equal(model.stages(x), x)


def test_a_residual_network_halves_between_stages_and_at_its_stem():
    model = ResNet(input_shape=(1, 28, 28), n_outputs=3, stages=3, width=8, growth=2.0)
    assert model.stages(model.stem(torch.zeros(2, 1, 28, 28))).shape == (2, 32, 4, 4)


def test_a_gru_reads_an_image_row_by_row():
    torch.manual_seed(0)
    model = GRU(input_shape=(2, 5, 3), n_outputs=4, width=6, bidirectional=False, readout="last").eval()
    image = torch.randn(1, 2, 5, 3)
    state = torch.zeros(1, 1, 6)
    for row in range(5):
        _, state = model.recurrent(image[:, :, row, :].reshape(1, 1, 6), state)
    torch.testing.assert_close(model(image), model.classifier(state[0]))


def test_the_last_state_of_the_backward_direction_is_the_one_at_the_first_step():
    torch.manual_seed(0)
    model = GRU(input_shape=(1, 7), n_outputs=4, width=3, readout="last").eval()
    x = torch.randn(2, 1, 7)
    states, _ = model.recurrent(x.transpose(1, 2))
    expected = model.classifier(torch.cat([states[:, -1, :3], states[:, 0, 3:]], dim=1))
    torch.testing.assert_close(model(x), expected)


def test_recurrent_weights_start_orthogonal_and_the_update_gate_open():
    model = GRU(input_shape=(1, 7), n_outputs=4, width=5)
    for gate in model.recurrent.weight_hh_l0.detach().chunk(3):
        torch.testing.assert_close(gate @ gate.T, torch.eye(5), atol=1e-5, rtol=0)
    assert model.recurrent.bias_ih_l0.tolist() == [0.0] * 5 + [1.0] * 5 + [0.0] * 5


def test_the_encoder_layer_is_torchs_pre_norm_layer():
    torch.manual_seed(0)
    ours = EncoderLayer(8, heads=2, hidden=12, act="gelu", dropout=0.0)
    theirs = nn.TransformerEncoderLayer(8, 2, 12, 0.0, "gelu", batch_first=True, norm_first=True)
    pairs = {
        theirs.norm1: ours.attention_norm,
        theirs.self_attn.out_proj: ours.projection[0],
        theirs.norm2: ours.perceptron[0],
        theirs.linear1: ours.perceptron[1],
        theirs.linear2: ours.perceptron[4],
    }
    for target, source in pairs.items():
        target.load_state_dict(source.state_dict())
    theirs.self_attn.in_proj_weight.data = ours.query_key_value.weight.data
    theirs.self_attn.in_proj_bias.data = ours.query_key_value.bias.data
    tokens = torch.randn(3, 7, 8)
    torch.testing.assert_close(ours(tokens), theirs(tokens))


def test_without_positions_the_order_of_patches_does_not_matter():
    torch.manual_seed(0)
    model = Transformer(input_shape=(1, 12), n_outputs=3, patch=4, overlap=0, width=8, heads=2).eval()
    x = torch.randn(2, 1, 12)
    shuffled = torch.cat([x[..., 8:], x[..., :4], x[..., 4:8]], dim=2)
    assert not torch.allclose(model(x), model(shuffled), atol=1e-5)
    nn.init.zeros_(model.positions)
    torch.testing.assert_close(model(x), model(shuffled), atol=1e-5, rtol=1e-5)
