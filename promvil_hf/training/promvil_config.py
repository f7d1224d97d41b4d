# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What PromViL's training can be told, beside everything `transformers.TrainingArguments` knows. Floor 4."""

from dataclasses import dataclass, field

from transformers import TrainingArguments

from promvil_hf.training.curriculum import CURRICULA, Curriculum
from promvil_hf.training.texts import SPANS


@dataclass
class PromViLConfig(TrainingArguments):
    """The paper's setting is the default: learning rate 1e-4, effective batch 4 by accumulation, warm-up 10 %, 1 epoch,
    seed 5020, rows in random order, loss from the last `<phrase>` on, fp32."""

    # What we set otherwise than the parent does, as the reference does.
    learning_rate: float = field(default=1e-4, metadata={"help": "Peak learning rate (the paper: 1e-4)."})
    per_device_train_batch_size: int = field(
        default=1, metadata={"help": "Cuts (a chain and the levels of it that are trained) in a micro-batch."}
    )
    per_device_eval_batch_size: int = field(default=8, metadata={"help": "Rows in a batch of the evaluation loss."})
    gradient_accumulation_steps: int = field(default=4, metadata={"help": "Micro-batches in an optimiser step."})
    num_train_epochs: float = field(default=1.0, metadata={"help": "Epochs (the paper: 1)."})
    warmup_steps: float = field(default=0.1, metadata={"help": "Warm-up: below 1 a share of all steps (the paper: 0.1)."})
    seed: int = field(default=5020, metadata={"help": "Seed of order, dropout and LoRA's first weights."})
    logging_steps: float = field(default=10, metadata={"help": "Optimiser steps between logs."})
    remove_unused_columns: bool = field(default=False, metadata={"help": "Must stay False: rows hold pictures and text."})

    # Our own.
    curriculum: str = field(
        default="none",
        metadata={"help": f"In which order levels are trained: {', '.join(CURRICULA)}.", "choices": list(CURRICULA)},
    )
    curriculum_repeat: float = field(
        default=0.25, metadata={"help": "cumulative, competence: share of chains whose lower steps come back."}
    )
    competence_start: float = field(default=0.01, metadata={"help": "competence: share of the cuts open at first."})
    competence_root: float = field(default=2.0, metadata={"help": "competence: 1 linear, 2 square root pacing …"})
    supervise: str = field(
        default="phrase",
        metadata={"help": "Train from the last <phrase> on, or the boxes only.", "choices": list(SPANS)},
    )
    supervise_close: bool = field(default=True, metadata={"help": "Also train </object> and what ends the text."})
    supervise_end: bool = field(default=False, metadata={"help": "Also train </s>. The reference never does."})
    level_weights: list[float] | None = field(
        default=None, metadata={"help": "Weight of a token of level 1, 2, …; the last one also holds above."}
    )
    train_evidence: bool = field(default=True, metadata={"help": "Put lower phrases before a step. False: the ablation."})
    pack: bool = field(default=True, metadata={"help": "All steps of an image in one row behind one picture."})
    max_tokens: int = field(
        default=2048, metadata={"help": "Longest text and longest packed row; at most the model's own limit."}
    )
    eval_generate: int = field(
        default=0, metadata={"help": "Chains of the evaluation set to ground by generation at each evaluation; 0: none."}
    )

    def __post_init__(self):
        super().__post_init__()
        if self.remove_unused_columns:
            raise ValueError(
                "You passed remove_unused_columns=True, which would take pictures and boxes out of the rows before they "
                "are laid out: leave it False."
            )
        for name in ("activation_checkpointing_kwargs", "gradient_checkpointing_kwargs"):
            if (getattr(self, name, None) or {}).get("use_reentrant"):
                raise ValueError(
                    f"You passed use_reentrant=True in {name}: the adapter of the vision tower would get no gradient, and "
                    "nothing would say so. Leave it out."
                )
        for name, value, known in (("curriculum", self.curriculum, CURRICULA), ("supervise", self.supervise, SPANS)):
            if value not in known:
                raise ValueError(f"You passed {name}={value!r}: it is one of {', '.join(known)}.")
        self.schedule()  # refuses numbers that make no sense before anything is loaded

    def schedule(self) -> Curriculum | None:
        """None for `curriculum="none"`, the trainer's own order."""
        if self.curriculum == "none":
            return None
        return Curriculum(self.curriculum, self.curriculum_repeat, self.competence_start, self.competence_root)
