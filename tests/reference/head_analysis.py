# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Attention of a few queries out of eager's full maps, and Spearman's rho by scipy."""

import numpy as np
import torch
from scipy.stats import rankdata, spearmanr


def full_maps(net, inputs, wanted):
    """The published way, `output_attentions=True`: the wanted rows of each layer and head, and the bytes of all maps."""
    net.set_attn_implementation({"text_config": "eager"})
    full = net(**inputs, use_cache=False, logits_to_keep=1, output_attentions=True).attentions
    net.set_attn_implementation({"text_config": "sdpa"})
    rows = torch.stack([layer[0][:, wanted.queries][..., wanted.keys] for layer in full])
    return rows, sum(layer.nbytes for layer in full)


def spearman_loop(rows, mask):
    return np.array([spearmanr(row, mask).statistic for row in rows])


def spearman_ranked(attention, mask):
    ranks, mask_ranks = rankdata(attention, axis=-1), rankdata(mask)
    ranks, mask_ranks = ranks - ranks.mean(-1, keepdims=True), mask_ranks - mask_ranks.mean()
    return ranks @ mask_ranks / np.sqrt((ranks**2).sum(-1) * (mask_ranks**2).sum())
