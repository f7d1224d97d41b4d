# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The options that every trainer of the package has, beside everything `transformers.TrainingArguments` knows."""

from dataclasses import dataclass

from transformers import TrainingArguments

from promvil_hf.training.curriculum import CURRICULA, Curriculum
from promvil_hf.training.option import option


@dataclass
class WindowConfig(TrainingArguments):
    """What `WindowTrainer` reads. A subclass adds the options of its objective."""

    # Other defaults than the parent's.
    logging_steps: float = option(10, "Optimiser steps between logs.")
    remove_unused_columns: bool = option(False, "Must stay False: rows hold pictures, boxes and masks.")

    # Our own.
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

    def __post_init__(self):
        super().__post_init__()
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
        self.schedule()  # refuses numbers that make no sense before anything is loaded

    def schedule(self) -> Curriculum | None:
        """None for `curriculum="none"`, the trainer's own order."""
        if self.curriculum == "none":
            return None
        return Curriculum(self.curriculum, self.curriculum_repeat, self.competence_start, self.competence_root)
