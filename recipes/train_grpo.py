# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
# /// script
# requires-python = ">=3.11"
# dependencies = ["promvil_hf"]
# ///
"""Train a model by rewards (GRPO): boxes, form, refusals, chains by level, answers, reliance; `--help` lists every option.

    accelerate launch recipes/train_grpo.py --config recipes/toy/grpo.yaml

Precondition: rows of CompoVL (boxes) or of FiVL-Instruct (questions), and the pictures they name under --images.
Expected: a plain PEFT adapter, or with `tune: full` a whole checkpoint, in output_dir, and the scores of held-out answers before
and after in its held_out.json. Killed, `--resume_from_checkpoint true` goes on from the last whole checkpoint.
"""

from promvil_hf.commands.train_grpo import main


if __name__ == "__main__":
    main()
