# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
# /// script
# requires-python = ">=3.11"
# dependencies = ["promvil_hf"]
# ///
"""Fine-tune a patch-token model with FiVL's joint loss; `--help` lists every option.

    accelerate launch recipes/train_fivl.py --config recipes/llava/lora.yaml --rows fivl --images images

Precondition: rows that `promvil build fivl` wrote and the pictures they name under --images.
Expected: an adapter, or with `tune: full` a whole checkpoint, in output_dir. Killed, `--resume_from_checkpoint true` goes on
from the last whole checkpoint.
"""

from promvil_hf.commands.train_fivl import main


if __name__ == "__main__":
    main()
