# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
# /// script
# requires-python = ">=3.11"
# dependencies = ["promvil_hf"]
#
# [tool.hf-jobs]
# flavor = "l40sx1"
# timeout = "12h"
# env = { PROMVIL_WITHOUT_LOCKS = "1" }
# ///
"""A training recipe on one GPU; the same as `promvil recipe run`. Stopped, add `--resume_from_checkpoint true`.

    hf jobs uv run -v hf://buckets/YOU/promvil:/data recipes/jobs/train.py kosmos2/lora \\
        --rows /data/compovl --images /data/sources --output_dir /data/runs/kosmos2
"""

import sys

from promvil_hf.cli import main


if __name__ == "__main__":
    sys.exit(main(["recipe", "run", *sys.argv[1:]]))
