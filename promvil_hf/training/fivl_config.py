# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The options of FiVL's training."""

from dataclasses import dataclass

from promvil_hf.training.losses import shares
from promvil_hf.training.option import option
from promvil_hf.training.vision_labels import NOUNS, OVERLAPS, TOKENS, LabelRules
from promvil_hf.training.window_config import WindowConfig


@dataclass
class FiVLConfig(WindowConfig):
    """The published code's labels and loss are the default; its hyper-parameters stand in `recipes/llava/full.yaml`."""

    vision_loss_weight: float = option(0.1, "λ in (1 - λ)·LM + λ·VM. 0 trains the language loss alone (the paper: 0.1).")
    scale_lm_when_empty: bool = option(
        False, "Weigh LM by 1 - λ also in a step without any labelled patch. The reference does not."
    )
    max_mask_fraction: float = option(
        0.3, "Leave out masks that touch more than this share of the patches (reference: 0.3)."
    )
    min_patch_coverage: float = option(
        0.0, "Share of a patch that a mask must cover; 0: any part (reference). 0.5 does not enlarge masks."
    )
    overlap: str = option("first", "Who gets a patch of several masks: first (reference) or smallest.", OVERLAPS)
    token: str = option("first_subtoken", "What of a word is predicted: first_subtoken (reference) or whole_word.", TOKENS)
    noun: str = option("random", "Which noun of an expression: random (reference), first or last.", NOUNS)

    def __post_init__(self):
        super().__post_init__()
        shares(self.vision_loss_weight, True)  # these refuse what makes no sense, before anything is loaded
        self.label_rules()

    def label_rules(self) -> LabelRules:
        return LabelRules(
            self.max_mask_fraction, self.min_patch_coverage, self.overlap, self.token, self.noun, seed=self.seed
        )
