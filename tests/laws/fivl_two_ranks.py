# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Run by `test_two_ranks` on each rank; returns what it saw, and leaves the judging to the test."""

from pathlib import Path

import torch

from tests.laws.fivl_rows import TERMS, rows, trainer, weights


TRIED = ("lm", "joint")  # with the vision loss alone the weights differ, and nothing else


def main(folder: Path) -> dict:
    found = {}
    for name in TRIED:
        run = trainer(
            folder / name, vision_loss_weight=TERMS[name], per_device_train_batch_size=2, gradient_accumulation_steps=2
        )
        run.train()
        log = run.state.log_history[0]
        found[name] = {key: log[key] for key in ("loss", "lm_loss", "vm_loss", "vm_accuracy", "vm_patches")}
        if run.args.process_index == 0:
            torch.save(weights(run), folder / f"{name}.pt")
    held_out = rows(3, 9)  # five rows: no multiple of the batch
    found["evaluation"] = trainer(folder / "e", per_device_eval_batch_size=2).evaluate(held_out)
    found["world"] = run.args.world_size
    return found
