# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
# /// script
# requires-python = ">=3.11"
# dependencies = ["promvil_hf[train]"]
# ///
"""Train the toy LLaVA that answers simple questions; `--help` shows every setting.

    python recipes/toy/train_llava_base.py --out runs/toy_llava --threads 1 --tower runs/toy_kosmos2

Needs nothing: its scenes are drawn. `--tower` begins with the tower of another run; without it one is trained. Writes
base/ (checkpoint, card, curves, scores) and run/ (checkpoints to --resume from).
"""

import sys

from promvil_hf.toy.base_training.__main__ import main


if __name__ == "__main__":
    sys.exit(main(["llava", *sys.argv[1:]]))
