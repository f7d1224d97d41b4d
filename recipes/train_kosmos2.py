# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
# /// script
# requires-python = ">=3.11"
# dependencies = ["promvil_hf"]
# ///
"""Fine-tune Kosmos-2 with LoRA on nested phrases; `--help` lists every option.

    accelerate launch recipes/train_kosmos2.py --config recipes/kosmos2/lora.yaml --rows compovl --images visual_genome

Precondition: rows of CompoVL or of PromViL's mixture (docs/data_formats.md) and the pictures they name under --images.
Expected: a plain PEFT adapter with a filled model card in output_dir. Killed, `--resume_from_checkpoint true` goes on from the
last whole checkpoint.
"""

from promvil_hf.commands.train_kosmos2 import main


if __name__ == "__main__":
    main()
