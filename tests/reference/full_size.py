# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A model of published size that takes no memory."""

import torch


def full_size_without_memory():
    """The published size of Kosmos-2 (1,664,485,376 parameters) on torch's meta device: shapes only, to count with."""
    from transformers import Kosmos2Config, Kosmos2ForConditionalGeneration

    with torch.device("meta"):
        return Kosmos2ForConditionalGeneration(Kosmos2Config())
