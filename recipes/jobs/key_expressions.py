# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
# /// script
# requires-python = ">=3.11"
# dependencies = ["promvil_hf"]
#
# [tool.hf-jobs]
# flavor = "cpu-upgrade"
# timeout = "3d"
# env = { PROMVIL_WITHOUT_LOCKS = "1" }
# secrets = ["PROMVIL_API_KEY"]
# ///
"""Key expressions by a model on a server, the first stage of `promvil build fivl`. No answer is paid twice: those that came
before a stop are in /data/fivl/paid.

    hf jobs uv run -v hf://buckets/YOU/promvil:/data recipes/jobs/key_expressions.py --source llava \\
        --files /data/sources/llava/llava_v1_5_mix665k.json --images /data/sources \\
        --base-url https://router.huggingface.co/v1 --served-model Qwen/Qwen3-VL-8B-Instruct
"""

import sys

from promvil_hf.cli import main


if __name__ == "__main__":
    sys.exit(main(["build", "fivl", "--stage", "expressions", "--expressions", "endpoint", "--out", "/data/fivl", *sys.argv[1:]]))
