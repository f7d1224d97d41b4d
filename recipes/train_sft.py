# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
# /// script
# requires-python = ">=3.11"
# dependencies = ["promvil_hf"]
# ///
"""Train a model plainly on right answers with trl's SFTTrainer: the baseline beside train_grpo; `--help` lists every option.

    accelerate launch recipes/train_sft.py --config recipes/toy/sft.yaml

Precondition: rows that `promvil convert` wrote as conversations, or those of train_grpo, and their pictures under --images.
Expected: a plain PEFT adapter, or with `tune: full` a whole checkpoint, in output_dir, and the scores of held-out answers before
and after in its held_out.json. Killed, `--resume_from_checkpoint true` goes on from the last whole checkpoint.
"""

from promvil_hf.commands.train_sft import main


if __name__ == "__main__":
    main()
