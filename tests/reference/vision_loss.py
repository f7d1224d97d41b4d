# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The joint loss of FiVL in other ways: full logits, FiVL's own code, TRL's and torch's fused heads, a plain gather.

Each takes hidden states (rows, length, width), the head (vocabulary, width), text labels and vision labels.
"""

import torch
import torch.nn.functional as F


PICTURE = slice(32, 32 + 576)  # where `papers_way` finds the image tokens
WEIGHT = 0.1


def shifted(labels):
    return F.pad(labels, (0, 1), value=-100)[:, 1:]


def two_full(hidden, head, labels, vision):
    logits = F.linear(hidden, head)
    lm = F.cross_entropy(logits.float().flatten(0, 1), shifted(labels).flatten())
    vm = F.cross_entropy(logits.float().flatten(0, 1), vision.flatten())
    return (1 - WEIGHT) * lm + WEIGHT * vm


def papers_way(hidden, head, labels, vision):
    logits = F.linear(hidden, head)
    lm = F.cross_entropy(logits.float().flatten(0, 1), shifted(labels).flatten())
    vm = F.cross_entropy(logits[:, PICTURE].float().flatten(0, 1), vision[:, PICTURE].flatten())
    return (1 - WEIGHT) * lm + WEIGHT * vm


def merged(labels, vision):
    text, patch = shifted(labels), vision != -100
    share = torch.where(patch, WEIGHT / patch.sum(), (1 - WEIGHT) / (text != -100).sum() * (text != -100))
    return torch.where(patch, vision, text), share


def trl(hidden, head, labels, vision, compact=False):
    from trl.trainer.utils import _CHUNKED_LOGPROB_CHUNK_SIZE, _ChunkedLogProbFunction

    targets, share = merged(labels, vision)
    keep = targets != -100 if compact else torch.ones_like(targets, dtype=torch.bool)
    found = _ChunkedLogProbFunction.apply(
        hidden[keep], head, None, targets[keep].clamp(min=0), 1.0, _CHUNKED_LOGPROB_CHUNK_SIZE, None, 1.0, ("log_probs",)
    )
    return -(share[keep] * found[0]).sum()


def trl_compact(hidden, head, labels, vision):
    return trl(hidden, head, labels, vision, compact=True)


def _torch_fused(rows, head, targets):
    return F.linear_cross_entropy(rows, head, targets, options=torch.nn.LinearCrossEntropyOptions(batch_chunk_size=256))


def torch_all(hidden, head, labels, vision):
    lm, vm = (_torch_fused(hidden.flatten(0, 1), head, targets.flatten()) for targets in (shifted(labels), vision))
    return (1 - WEIGHT) * lm + WEIGHT * vm


def torch_gather(hidden, head, labels, vision):
    text, patch = shifted(labels), vision
    lm, vm = (_torch_fused(hidden[targets != -100], head, targets[targets != -100]) for targets in (text, patch))
    return (1 - WEIGHT) * lm + WEIGHT * vm


def gather(hidden, head, labels, vision):
    targets, share = merged(labels, vision)
    keep = targets != -100
    losses = F.cross_entropy(F.linear(hidden[keep], head).float(), targets[keep], reduction="none")
    return (losses * share[keep]).sum()


def two_full_exact(hidden, head, labels, vision):
    logits = F.linear(hidden, head).flatten(0, 1)
    lm, vm = (F.cross_entropy(logits, targets.flatten()) for targets in (shifted(labels), vision))
    return (1 - WEIGHT) * lm + WEIGHT * vm
