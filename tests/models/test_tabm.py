"""TabM: members learn by themselves, numbers are embedded, and the rest of a table goes past the embedding."""

from __future__ import annotations

import torch

from ratchet.models import TabM


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
