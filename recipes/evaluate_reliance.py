# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
# /// script
# requires-python = ">=3.11"
# dependencies = ["promvil_hf"]
# ///
"""Visual Reliance Score of a model on FiVL-VQAv2, FiVL-GQA or FiVL-POPE; the same as `promvil reliance`.

    torchrun --nproc_per_node 8 recipes/evaluate_reliance.py --rows fivl --config gqa --images gqa/images \\
        --model llava-hf/llava-1.5-7b-hf --out runs/reliance/llava-7b-gqa

Precondition: rows with key expressions (`promvil build fivl`) and their pictures. Expected: reliance.json and a page. The
paper's v1 table has .31 for LLaVA-7B on GQA and .56 on VQAv2, on rows that were never published: expect the order of
models, not these numbers. Killed, it goes on when called again.
"""

import sys

from promvil_hf.cli import main


if __name__ == "__main__":
    sys.exit(main(["reliance", *sys.argv[1:]]))
