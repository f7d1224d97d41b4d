# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
# /// script
# requires-python = ">=3.11"
# dependencies = ["promvil_hf"]
#
# [tool.hf-jobs]
# flavor = "cpu-upgrade"
# timeout = "4h"
# env = { PROMVIL_WITHOUT_LOCKS = "1" }
# ///
"""CompoVL from Visual Genome; the same as `promvil build compovl`. Stopped, it goes on after the last shard.

    hf jobs uv run -v hf://buckets/YOU/promvil:/data recipes/jobs/compovl.py --workers 8
"""

import sys

from promvil_hf.cli import main


if __name__ == "__main__":
    sys.exit(main(["build", "compovl", "--vg", "/data/sources/vg", "--out", "/data/compovl", *sys.argv[1:]]))
