# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Attention heads of a language model: the best by their scores, as many others of the same layers, and answers without some."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from random import Random

import numpy as np

from promvil_hf.backends.base import unwrapped


def best_heads(rho: np.ndarray, count: int, most_of_a_layer: int | None = None) -> list[tuple[int, int]]:
    """(layer, head) of the highest scores; at most so many of one layer."""
    order = np.argsort(-np.where(np.isfinite(rho), rho, -np.inf), axis=None, kind="stable")
    best: list[tuple[int, int]] = []
    for place in order:
        layer, head = divmod(int(place), rho.shape[1])
        if sum(taken == layer for taken, _ in best) < (most_of_a_layer or rho.shape[1]):
            best.append((layer, head))
        if len(best) == count:
            return best
    raise ValueError(f"You asked for {count} heads, at most {most_of_a_layer} of a layer: there are only {len(best)}.")


def others(heads: Sequence[tuple[int, int]], of_a_layer: int, random: Random) -> list[tuple[int, int]]:
    """As many heads of each layer, none of them among `heads`."""
    chosen = []
    for layer in sorted({layer for layer, _ in heads}):
        left = [head for head in range(of_a_layer) if (layer, head) not in heads]
        chosen += [(layer, head) for head in random.sample(left, of_a_layer - len(left))]
    return chosen


@contextmanager
def without_heads(model, heads: Sequence[tuple[int, int]]) -> Iterator[None]:
    """The language model runs with the output of these (layer, head) set to 0, before the layer mixes its heads."""
    plain = unwrapped(model)
    mixers = [module for name, module in plain.named_modules() if name.endswith("self_attn.o_proj")]
    several = plain.config.get_text_config().num_attention_heads

    def silence(layer_heads: Sequence[int]):
        def hook(module, inputs):
            states, width = inputs[0].clone(), module.in_features // several
            for head in layer_heads:
                states[..., head * width : (head + 1) * width] = 0
            return (states,)

        return hook

    hooks = [
        mixers[layer].register_forward_pre_hook(silence([head for head_layer, head in heads if head_layer == layer]))
        for layer in sorted({layer for layer, _ in heads})
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
