# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""FiVL-Instruct from a file of conversations and a folder of images; `--help` shows every setting.

    python recipes/build_fivl.py --source llava --files mix665k.json --images images --out fivl --stage expressions
    accelerate launch --multi_gpu --num_processes 8 recipes/build_fivl.py \\
        --source llava --files mix665k.json --images images --out fivl --stage masks --dtype bfloat16
    python recipes/build_fivl.py --source llava --files mix665k.json --images images --out fivl --stage rows

Needs: the images, and for the masks a Grounding DINO and a SAM from the Hub. Writes: Parquet, statistics, rejects, card.
"""

import sys

from promvil_hf.cli import main


if __name__ == "__main__":
    sys.exit(main(["build", "fivl", *sys.argv[1:]]))
