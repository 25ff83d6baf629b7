"""TabM: members learn by themselves, numbers are embedded, and the rest of a table goes past the embedding."""

from __future__ import annotations

import pytest
import torch

from ratchet.models import MLP, TabM


def network(**settings: int) -> TabM:
    torch.manual_seed(0)
    return TabM(input_shape=(5,), n_outputs=3, width=16, **{"numbers": (0, 3), "members": 4, **settings})


def test_training_gives_each_member_and_evaluation_their_mean():
    model, x = network(dropout=0), torch.randn(7, 5)
    each = model.train()(x)
    assert each.shape == (7, 4, 3)
    assert torch.allclose(model.eval()(x), each.mean(dim=1), atol=1e-6)
    assert not torch.allclose(each[:, 0], each[:, 1])


def test_numbers_alone_are_embedded():
    model = network()
    assert model.backbone.blocks[0][0].weight.shape[1] == 2 * 16 + 3
    assert network(embedding=0).backbone.blocks[0][0].weight.shape[1] == 5
    assert not any("numbers" in key or "rest" in key for key in model.state_dict())


def test_a_member_s_loss_reaches_that_member_s_own_weights_alone():
    model = network(dropout=0).train()
    model(torch.randn(7, 5))[:, 1].sum().backward()
    moved = model.outputs.weight.grad.flatten(1).abs().sum(dim=1) > 0
    assert moved.tolist() == [False, True, False, False]


def test_a_perceptron_embeds_numbers_where_it_is_asked_to():
    settings = {"input_shape": (5,), "n_outputs": 3, "width": 16, "numbers": (0, 3)}
    plain, bent = MLP(**settings), MLP(**settings, embedding=8)
    assert (plain.hidden[0][0].in_features, bent.hidden[0][0].in_features) == (5, 2 * 8 + 3)
    x = torch.randn(7, 5)
    assert bent(x).shape == (7, 3)
    assert torch.equal(plain.embedding(x), x)
    assert not [key for key in plain.state_dict() if key.startswith("embedding")]
    with pytest.raises(ValueError, match="numbers of a table"):
        MLP(input_shape=(1, 5), n_outputs=3, embedding=8)
