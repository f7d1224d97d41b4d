# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
# /// script
# requires-python = ">=3.11"
# dependencies = ["promvil_hf"]
# ///
"""Teach an assembled model to see, stage by stage, and measure it; `--help` lists every option.

    python recipes/assemble/see.py --model smol-llava --train instances_train.json --test instances_val.json --images photographs

Precondition: a LLaVA that `promvil assemble` made, and photographs with COCO's annotations.
Expected: a checkpoint and a table of what it sees in output_dir. Killed, the same command goes on.
"""

from promvil_hf.commands.train_seeing import main


if __name__ == "__main__":
    main()
