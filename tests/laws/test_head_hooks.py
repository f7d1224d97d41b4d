# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Hooks on the LM head see both ways, as in a stock model: ZeRO-3 gathers and frees its weight by them."""

import pytest
import torch

from promvil_hf.training.chain_losses import chain_losses
from promvil_hf.training.fivl_collator import FiVLCollator
from promvil_hf.training.fivl_trainer import score
from tests.laws import fivl_rows
from tests.laws.chat_chains import backend, collator
from tests.laws.promvil_rows import rows


def stock(patch_backend):
    chat = collator(patch_backend).chat
    batch, *_ = chat.encoded([chat.filled([("what?", "a cat")])], [rows(1, 0)[0]["image"]])
    return patch_backend.model(**batch, labels=batch["input_ids"]).loss


def fivl(patch_backend):
    return score(patch_backend.model, FiVLCollator(patch_backend)(fivl_rows.rows(2)))[0].lm


def chains(patch_backend):
    return chain_losses(patch_backend.model, collator(patch_backend)(rows(1, 0))).targets.sum()


@pytest.mark.parametrize("family", ("llava", "gemma3", "qwen3_vl"))
@pytest.mark.parametrize("loss", (stock, fivl, chains))
def test_the_hooks_of_the_head_fire_on_the_way_in_and_on_the_way_back(loss, family):
    patch_backend = backend(family)
    head, seen = patch_backend.model.get_output_embeddings(), []
    head.register_forward_pre_hook(lambda *_: seen.append("in"))
    head.register_forward_hook(lambda *_: seen.append("out"))
    head.register_full_backward_pre_hook(lambda *_: seen.append("back"))
    head.register_full_backward_hook(lambda *_: seen.append("through"))
    loss(patch_backend).backward()
    assert seen == ["in", "out", "back", "through"]
    assert patch_backend.model.get_output_embeddings() is head and "forward" not in head.__dict__
    assert all(torch.isfinite(p.grad).all() for p in head.parameters() if p.grad is not None)
