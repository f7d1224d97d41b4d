# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
# /// script
# requires-python = ">=3.11"
# dependencies = ["promvil_hf"]
#
# [tool.hf-jobs]
# flavor = "l4x1"
# timeout = "4h"
# env = { PROMVIL_WITHOUT_LOCKS = "1" }
# ///
"""A benchmark on one GPU; the same as `promvil evaluate`. Stopped, it goes on after the last shard of answers.

    hf jobs uv run -v hf://buckets/YOU/promvil:/data recipes/jobs/evaluate.py \\
        --benchmark refcocog --files /data/sources/refcocog --split test \\
        --model microsoft/kosmos-2-patch14-224 --images /data/sources/coco/train2014 --out /data/runs/refcocog
"""

import sys

from promvil_hf.cli import main


if __name__ == "__main__":
    sys.exit(main(["evaluate", *sys.argv[1:]]))
