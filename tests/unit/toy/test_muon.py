# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Muon: matrices move by nearly orthogonal steps, everything else by AdamW's, and a saved state goes on as if never stopped."""

import copy

import pytest
import torch

from promvil_hf.toy.muon import Muon, orthogonal


torch.set_num_threads(1)


@pytest.mark.parametrize("shape", [(16, 16), (32, 16), (16, 48)])
def test_a_step_keeps_the_singular_vectors_and_evens_their_values_out(shape):
    torch.manual_seed(0)
    matrices = torch.randn(3, *shape) @ torch.diag(torch.logspace(0, -1, shape[1]))
    steps = orthogonal(matrices)
    for matrix, step in zip(matrices, steps, strict=True):
        left, _, right = torch.linalg.svd(matrix, full_matrices=False)
        turned = left.T @ step @ right.T  # diagonal if the singular vectors are the same
        assert 0.3 < turned.diagonal().min() and turned.diagonal().max() < 1.3
        assert (turned - torch.diag(turned.diagonal())).abs().max() < 1e-4


def test_matrices_of_one_shape_go_together_as_they_go_alone():
    torch.manual_seed(0)
    matrices = torch.randn(4, 8, 8)
    alone = torch.stack([orthogonal(matrix[None])[0] for matrix in matrices])
    assert torch.allclose(orthogonal(matrices), alone, atol=1e-6)


def test_everything_but_hidden_matrices_is_adamws():
    torch.manual_seed(0)
    ours, theirs = (torch.nn.Embedding(10, 4) for _ in range(2))
    theirs.load_state_dict(ours.state_dict())
    adamw = torch.optim.AdamW(theirs.parameters(), lr=0.01, betas=(0.9, 0.98), weight_decay=0.02)
    muon = Muon([("embed_tokens.weight", ours.weight)], lr=0.1, adam_share=0.1)
    for step in range(5):
        for embedding, optimizer in ((ours, muon), (theirs, adamw)):
            optimizer.zero_grad()
            embedding(torch.tensor([step, 3])).square().sum().backward()
            optimizer.step()
    assert torch.allclose(ours.weight, theirs.weight, atol=1e-6)


def test_a_frozen_parameter_does_not_move_and_a_restored_state_goes_on_as_if_never_stopped():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(6, 6), torch.nn.Linear(6, 3))
    model[0].bias.requires_grad_(False)
    before = model[0].bias.clone()
    inputs, wanted = torch.randn(20, 6), torch.randn(20, 3)

    def descend(model, optimizer, steps):
        losses = []
        for _ in range(steps):
            loss = (model(inputs) - wanted).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    optimizer = Muon(model.named_parameters(), lr=0.02)
    losses = descend(model, optimizer, 5)
    assert losses[-1] < losses[0] and torch.equal(model[0].bias, before)
    resumed = copy.deepcopy(model)
    again = Muon(resumed.named_parameters(), lr=0.02)
    again.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert descend(resumed, again, 5) == descend(model, optimizer, 5)
