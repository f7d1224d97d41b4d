# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Losses at chosen places of a batch, through the model's own forward, without the logits of all others."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import nn

from promvil_hf.backends.base import unwrapped
from promvil_hf.training.losses import token_losses


Pick = Callable[[torch.Tensor, Callable], tuple[torch.Tensor, torch.Tensor]]


def losses_at(model, inputs: Mapping[str, torch.Tensor], pick: Pick) -> tuple[torch.Tensor, torch.Tensor]:
    """(N,) cross entropies, and whether each target is the most likely token.

    `model` may be wrapped (DDP, FSDP, PEFT). `pick(hidden, head)` gets the states that the LM head would see, and the head,
    and gives the (N, width) states that are asked and the (N,) tokens they should say.
    """
    base = unwrapped(model)
    softcap = getattr(base.config.get_text_config(), "final_logit_softcapping", None)
    hit: list[torch.Tensor] = []

    def answer(hidden: torch.Tensor, head: nn.Module, forward) -> torch.Tensor:
        rows, targets = pick(hidden, forward)
        if type(head) is nn.Linear:
            losses, hits = token_losses(rows, head.weight, targets, bias=head.bias, softcap=softcap)
        else:  # an adapter or a quantised layer computes its logits itself
            logits = forward(rows).float()
            logits = logits if softcap is None else softcap * torch.tanh(logits / softcap)
            losses = F.cross_entropy(logits, targets, reduction="none")
            hits = logits.argmax(-1) == targets
        hit.append(hits)
        return losses

    with _head_answers(base, answer) as found:
        model(**inputs, use_cache=False)
    if not found:
        raise ValueError(
            f"The forward of {type(base).__name__} never called its output embeddings, so there is nothing to train. "
            "Compiled models do that: leave torch_compile out."
        )
    return found[0], hit[0]


class _Noted(nn.Module):
    """A head whose answer is kept as its caller gets it, behind every hook that is on the head.

    ZeRO-3 gathers a head's weight for the way back by a hook on what the head gives. So the losses that are trained must be
    what it gave, and no tensor from inside.
    """

    def __init__(self, head: nn.Module):
        super().__init__()
        self.head, self.found = head, []

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        self.found.append(self.head(hidden))
        return self.found[-1]


@contextmanager
def _head_answers(model, answer) -> Iterator[list[torch.Tensor]]:
    """For one forward the LM head gives `answer(hidden, head, forward)` in place of logits, which are also noted."""
    head = model.get_output_embeddings()
    forward, override = head.forward, head.__dict__.get("forward")
    head.forward = lambda hidden: answer(hidden, head, forward)
    noted = _Noted(head)
    model.set_output_embeddings(noted)
    try:
        yield noted.found
    finally:
        model.set_output_embeddings(head)
        if override is None:
            del head.forward
        else:
            head.forward = override
