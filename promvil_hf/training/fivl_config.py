# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The options of FiVL's training."""

from dataclasses import dataclass

from promvil_hf.training.option import option
from promvil_hf.training.window_config import WindowConfig


@dataclass
class FiVLConfig(WindowConfig):
    """The published code's labels and loss are the default; its hyper-parameters stand in `recipes/llava/full.yaml`."""

    vision_loss_weight: float = option(0.1, "λ in (1 - λ)·LM + λ·VM. 0 trains the language loss alone (the paper: 0.1).")
