# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The options that every trainer of the package has, beside everything `transformers.TrainingArguments` knows."""

from dataclasses import dataclass

import torch
from transformers import TrainingArguments
from transformers.utils import is_torch_xla_available

from promvil_hf.training.curriculum import CURRICULA, Curriculum
from promvil_hf.training.losses import shares
from promvil_hf.training.option import option
from promvil_hf.training.vision_labels import NOUNS, OVERLAPS, TOKENS, LabelRules


def refuse_bf16_without_gpu(config: TrainingArguments) -> None:
    """transformers refuses it too, and does not say what to pass."""
    if config.bf16 and not (config.use_cpu or torch.accelerator.is_available() or is_torch_xla_available()):
        raise ValueError(
            "This machine has no GPU, and the recipe asks for bf16: pass --use_cpu true --bf16 false, or try "
            "`promvil recipe run kosmos2/smoke`."
        )


@dataclass
class WindowConfig(TrainingArguments):
    """What `WindowTrainer` reads. A subclass adds the options of its objective."""

    # Other defaults than the parent's.
    logging_steps: float = option(10, "Optimiser steps between logs.")
    remove_unused_columns: bool = option(False, "Must stay False: rows hold pictures, boxes and masks.")

    # Options that the parent has not.
    max_length: int | None = option(
        None,
        "Longest row in tokens (default: what the model can read). Chains: a longer text is refused and counted. "
        "Conversations: answers beyond are cut; a cut picture is refused.",
    )
    system_prompt: str | None = option(None, "What each conversation begins with. Kosmos-2 has no place for it.")
    projector_learning_rate: float | None = option(
        None, "Of the layers between the towers, if another (LLaVA's LoRA recipe: 2e-5)."
    )
    curriculum: str = option(
        "none",
        f"Order of levels, of chains or of how deeply the key expressions of a row nest: {', '.join(CURRICULA)}.",
        CURRICULA,
    )
    curriculum_repeat: float = option(
        0.25, "cumulative, competence: share of chains (rows) whose lower steps (simpler ones) come back."
    )
    competence_start: float = option(0.01, "competence: share of the cuts open at first.")
    competence_root: float = option(2.0, "competence: 1 linear, 2 square root pacing …")

    # Of the vision loss.
    vision_loss_weight: float = option(
        0.0, "λ in (1 - λ)·LM + λ·VM: patches predict the noun of the phrase they show (FiVL: 0.1). 0: no vision loss."
    )
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
        refuse_bf16_without_gpu(self)
        super().__post_init__()
        shares(self.vision_loss_weight, True)  # these refuse what makes no sense, before anything is loaded
        self.label_rules()
        if self.remove_unused_columns:
            raise ValueError(
                "You passed remove_unused_columns=True, which would take pictures, boxes and masks out of the rows before "
                "they are laid out: leave it False."
            )
        for name in ("activation_checkpointing_kwargs", "gradient_checkpointing_kwargs"):
            if (getattr(self, name, None) or {}).get("use_reentrant"):
                raise ValueError(
                    f"You passed use_reentrant=True in {name}: the adapter of the vision tower would get no gradient, and "
                    "nothing would say so. Leave it out."
                )
        self.schedule()

    def schedule(self) -> Curriculum | None:
        """None for `curriculum="none"`, the trainer's own order."""
        if self.curriculum == "none":
            return None
        return Curriculum(self.curriculum, self.curriculum_repeat, self.competence_start, self.competence_root)

    def label_rules(self) -> LabelRules:
        return LabelRules(
            self.max_mask_fraction, self.min_patch_coverage, self.overlap, self.token, self.noun, seed=self.seed
        )
