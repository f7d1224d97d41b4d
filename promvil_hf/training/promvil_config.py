# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The options of PromViL's training."""

from dataclasses import dataclass

from promvil_hf.training.chain_texts import SPANS
from promvil_hf.training.option import option
from promvil_hf.training.window_config import WindowConfig


@dataclass
class PromViLConfig(WindowConfig):
    """The paper's setting of Kosmos-2 is the default: learning rate 1e-4, effective batch 4 by accumulation, warm-up 10 %,
    1 epoch, seed 5020, rows in random order, loss from the last `<phrase>` on, fp32."""

    # Other defaults than the parent's: the reference's.
    learning_rate: float = option(1e-4, "Peak learning rate (the paper: 1e-4).")
    per_device_train_batch_size: int = option(1, "Cuts (a chain and the levels of it that are trained) in a micro-batch.")
    per_device_eval_batch_size: int = option(8, "Rows in a batch of the evaluation loss.")
    gradient_accumulation_steps: int = option(4, "Micro-batches in an optimiser step.")
    num_train_epochs: float = option(1.0, "Epochs (the paper: 1).")
    warmup_steps: float = option(0.1, "Warm-up: below 1 a share of all steps (the paper: 0.1).")
    seed: int = option(5020, "Seed of order, dropout and LoRA's first weights.")

    # Options that the parent has not.
    supervise: str = option("phrase", "Kosmos-2: train from the last <phrase> on, or the boxes only.", SPANS)
    supervise_close: bool = option(True, "Kosmos-2: also train </object> and what ends the text.")
    supervise_end: bool = option(False, "Kosmos-2: also train </s>. The reference never does; other families always do.")
    level_weights: list[float] | None = option(None, "Weight of a token of level 1, 2, …; the last one also holds above.")
    train_evidence: bool = option(True, "Put lower phrases before a step. False: the ablation.")
    pack: bool = option(True, "All steps of an image in one row behind one picture.")
    eval_generate: int = option(0, "Chains of the evaluation set to ground by generation at each evaluation; 0: none.")

    def __post_init__(self):
        super().__post_init__()
        if self.supervise not in SPANS:
            raise ValueError(f"You passed supervise={self.supervise!r}: it is one of {', '.join(SPANS)}.")
