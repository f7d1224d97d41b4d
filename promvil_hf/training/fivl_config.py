# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What FiVL's training can be told, beside everything `transformers.TrainingArguments` knows. Floor 4."""

from dataclasses import dataclass, field

from transformers import TrainingArguments

from promvil_hf.training.curriculum import CURRICULA, Curriculum
from promvil_hf.training.losses import shares
from promvil_hf.training.vision_labels import NOUNS, OVERLAPS, TOKENS, LabelRules


@dataclass
class FiVLConfig(TrainingArguments):
    """The published code's labels and loss are the default; its hyper-parameters stand in `recipes/llava/full.yaml`."""

    # What we set otherwise than the parent does.
    logging_steps: float = field(default=10, metadata={"help": "Optimiser steps between logs."})
    remove_unused_columns: bool = field(
        default=False, metadata={"help": "Must stay False: rows hold pictures and masks."}
    )

    # Our own.
    vision_loss_weight: float = field(
        default=0.1, metadata={"help": "λ in (1 - λ)·LM + λ·VM. 0 trains the language loss alone (the paper: 0.1)."}
    )
    scale_lm_when_empty: bool = field(
        default=False,
        metadata={"help": "Weigh LM by 1 - λ also in a step without any labelled patch. The reference does not."},
    )
    max_mask_fraction: float = field(
        default=0.3, metadata={"help": "Leave out masks that touch more than this share of the patches (reference: 0.3)."}
    )
    min_patch_coverage: float = field(
        default=0.0,
        metadata={"help": "Share of a patch that a mask must cover; 0: any part (reference). 0.5 does not enlarge masks."},
    )
    overlap: str = field(
        default="first",
        metadata={"help": "Who gets a patch of several masks: first (reference) or smallest.", "choices": list(OVERLAPS)},
    )
    token: str = field(
        default="first_subtoken",
        metadata={"help": "What of a word is predicted: first_subtoken (reference) or whole_word.", "choices": list(TOKENS)},
    )
    noun: str = field(
        default="random",
        metadata={"help": "Which noun of an expression: random (reference), first or last.", "choices": list(NOUNS)},
    )
    max_length: int | None = field(
        default=None, metadata={"help": "Longest row in tokens. Answers beyond are cut; a cut picture is refused."}
    )
    system_prompt: str | None = field(default=None, metadata={"help": "What each conversation begins with."})
    projector_learning_rate: float | None = field(
        default=None, metadata={"help": "Of the layers between the towers, if another (LLaVA's LoRA recipe: 2e-5)."}
    )
    curriculum: str = field(
        default="none",
        metadata={
            "help": "Order of rows by how deeply their key expressions nest: " + ", ".join(CURRICULA) + ".",
            "choices": list(CURRICULA),
        },
    )
    curriculum_repeat: float = field(
        default=0.25, metadata={"help": "cumulative, competence: share of simpler rows that come back."}
    )

    def __post_init__(self):
        super().__post_init__()
        if self.remove_unused_columns:
            raise ValueError(
                "You passed remove_unused_columns=True, which would take pictures and masks out of the rows before they "
                "are laid out: leave it False."
            )
        shares(self.vision_loss_weight, True)  # these refuse what makes no sense, before anything is loaded
        self.label_rules()
        self.schedule()

    def label_rules(self) -> LabelRules:
        return LabelRules(
            self.max_mask_fraction, self.min_patch_coverage, self.overlap, self.token, self.noun, seed=self.seed
        )

    def schedule(self) -> Curriculum | None:
        """None for `curriculum="none"`, the trainer's own order."""
        return None if self.curriculum == "none" else Curriculum(self.curriculum, self.curriculum_repeat)
