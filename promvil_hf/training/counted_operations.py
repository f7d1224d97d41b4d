# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""torch's counter of floating-point operations, mended: what the protocol of the studies and the benchmarks count with."""

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count


def _attention(query, key, value, *_, out_shape=None, **__) -> int:
    return sdpa_flop_count(query, key, value)


def _attention_backward(gradient, query, key, value, *_, out_shape=None, **__) -> int:
    return sdpa_backward_flop_count(gradient, query, key, value)


# torch's counter has formulas for the attention kernels of GPUs, and silently counts 0 for those of a CPU (torch 2.13).
_CPU_ATTENTION = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
}


def counter() -> FlopCounterMode:
    """torch's counter of floating-point operations, attention on a CPU included."""
    return FlopCounterMode(display=False, custom_mapping=_CPU_ATTENTION)
