# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Run by `test_two_ranks` on each rank: gradients of a model that FSDP2 has cut into shards, against the whole one's."""

from pathlib import Path

import torch
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from promvil_hf.training.promvil_trainer import target_losses
from tests.laws.promvil_rows import rows, trainer


def main(folder: Path) -> dict:
    run = trainer(folder, rows(4, 0))
    with torch.no_grad():
        for name, parameter in run.model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1, generator=torch.Generator().manual_seed(0))
    model, batch = run.model.train(), run.data_collator(rows(4, 0))
    whole = target_losses(model, batch).mean()
    whole.backward()
    expected = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad(set_to_none=True)
    mesh = init_device_mesh("cpu", (2,))
    layers = [module for module in model.modules() if type(module).__name__ in ("Kosmos2TextBlock", "Kosmos2VisionEncoderLayer")]
    for layer in [*layers, model]:
        fully_shard(layer, mesh=mesh)
    loss = target_losses(model, batch).mean()
    loss.backward()
    found = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return {
        "layers": len(layers),
        "loss": [whole.item(), loss.item()],
        "sharded": all(isinstance(grad, DTensor) for grad in found.values()),
        "same": found.keys() == expected.keys(),
        "compared": len(expected),
        "apart": max(
            float((found[name].full_tensor() - gradient).norm() / gradient.norm()) for name, gradient in expected.items()
        ),
    }
