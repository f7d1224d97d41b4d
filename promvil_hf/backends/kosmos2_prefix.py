# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What rows about one image share: its vision pass, the keys and values of its prompt's beginning, and a tree mask.

Nothing here changes a number. `tree_mask` packs many prompts (or, in training, many steps) of an image into one row
behind one prefix, each blind to the others.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from transformers import DynamicCache


def encode_images(model, pixel_values: torch.Tensor) -> torch.Tensor:
    """(N, 3, side, side) -> (N, latent queries, width), the `image_embeds` of Kosmos-2, as its own forward makes them.

    Pick rows with `index_select` or `repeat`: upstream cannot take an `expand`ed one.
    """
    states = model.vision_model(pixel_values=pixel_values).last_hidden_state
    states = model.vision_model.model.post_layernorm(states)  # the whole sequence, not the pooled state
    return model.image_to_text_projection(F.normalize(states, dim=-1))[0]


@dataclass(frozen=True, slots=True)
class Prefix:
    """The beginning that many prompts share, computed once for each image: row i of `cache` belongs to image i."""

    tokens: tuple[int, ...]  # `<s><image>…</image><grounding>`
    cache: DynamicCache


def tree_mask(queries: torch.Tensor, keys: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """An additive mask (B, 1, Q, K) from branch numbers (B, Q) and (B, K): 0 prefix, 1 … k branches, -1 padding.

    A token sees the prefix and its own branch, up to itself; the queries are the last Q keys. Positions restart in
    every branch; the caller passes them.
    """
    place = torch.arange(keys.shape[1], device=keys.device)
    query_place = place[-queries.shape[1] :, None]  # (Q, 1)
    branch, key = queries[:, :, None], keys[:, None, :]  # (B, Q, 1), (B, 1, K)
    seen = ((key == 0) | (key == branch)) & (key >= 0) & (place <= query_place)
    seen |= place == query_place  # padding sees itself: a softmax over nothing would be undefined
    hidden = torch.finfo(dtype).min
    return torch.zeros(seen.shape, dtype=dtype, device=keys.device).masked_fill_(~seen, hidden)[:, None]
