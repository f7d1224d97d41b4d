# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
# /// script
# requires-python = ">=3.11"
# dependencies = ["promvil_hf"]
#
# [tool.hf-jobs]
# flavor = "l4x1"
# timeout = "3d"
# env = { PROMVIL_WITHOUT_LOCKS = "1" }
# ///
"""Masks of key expressions on one GPU, the second stage of `promvil build fivl`. Several such jobs divide the work: give each its
own RANK and all the same WORLD_SIZE. Afterwards `--stage rows` in one process writes the data set.

    for RANK in 0 1 2 3; do hf jobs uv run -d -e RANK=$RANK -e WORLD_SIZE=4 \\
        -v hf://buckets/YOU/promvil:/data recipes/jobs/masks.py --source llava \\
        --files /data/sources/llava/llava_v1_5_mix665k.json --images /data/sources; done
"""

import sys

from promvil_hf.cli import main


if __name__ == "__main__":
    sys.exit(main(["build", "fivl", "--stage", "masks", "--dtype", "bfloat16", "--out", "/data/fivl", *sys.argv[1:]]))
