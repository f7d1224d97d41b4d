# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Run by `test_two_ranks` on each rank; returns what it saw, and leaves the judging to the test."""

from pathlib import Path

import torch

from tests.laws.chat_chains import trainer
from tests.laws.fivl_rows import weights


FAMILIES = ("qwen3_vl", "paligemma")
OPTIONS = {
    "vision_loss_weight": 0.3, "curriculum": "levels", "level_weights": [1.0, 0.5, 2.0], "max_steps": 2, "learning_rate": 0.1,
}  # fmt: skip


def main(folder: Path) -> dict:
    found = {}
    for family in FAMILIES:
        run = trainer(folder / family, family, per_device_train_batch_size=4, **OPTIONS)
        run.train()
        found[family] = [entry["loss"] for entry in run.state.log_history if "loss" in entry]
        if run.args.process_index == 0:
            torch.save(weights(run), folder / f"{family}.pt")
    return found
