# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
# /// script
# requires-python = ">=3.11"
# dependencies = ["promvil_hf"]
# ///
"""Fine-tune any supported model on nested phrases, with FiVL's vision loss or without; `--help` lists every option.

    accelerate launch recipes/train_grounding.py --config recipes/qwen3_vl/lora.yaml --rows compovl --images visual_genome

Precondition: rows of CompoVL (docs/data_formats.md) and the pictures they name under --images.
Expected: a plain PEFT adapter with a filled model card in output_dir. Killed, `--resume_from_checkpoint true` goes on from the
last whole checkpoint.
"""

from promvil_hf.commands.train_grounding import main


if __name__ == "__main__":
    main()
