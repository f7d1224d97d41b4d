# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
# /// script
# requires-python = ">=3.11"
# dependencies = ["promvil_hf[train]"]
# ///
"""Train the toy Kosmos-2 that grounds simple phrases; `--help` shows every setting.

    python recipes/toy/train_kosmos2_base.py --out runs/toy_kosmos2 --threads 1

Needs nothing: its scenes are drawn. Writes base/ (checkpoint, card, curves, scores) and run/ (checkpoints to --resume from).
"""

import sys

from promvil_hf.toy.base_training.__main__ import main


if __name__ == "__main__":
    sys.exit(main(["kosmos2", *sys.argv[1:]]))
