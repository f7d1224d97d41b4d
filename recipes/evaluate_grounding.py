# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
# /// script
# requires-python = ">=3.11"
# dependencies = ["promvil_hf"]
# ///
"""Evaluate a model, or a file of answers, on a benchmark; the same as `promvil evaluate`.

    torchrun --nproc_per_node 8 recipes/evaluate_grounding.py --benchmark refcocog --files refcocog/ --split test \\
        --model microsoft/kosmos-2-patch14-224 --adapter runs/kosmos2-lora --images train2014 --out runs/refcocog
    python recipes/evaluate_grounding.py --compare runs/base/report.json runs/refcocog/report.json --images train2014

Precondition: the benchmark's own files (docs/evaluation.md lists them) and the pictures they name under --images.
Expected: report.json, report.html and predictions.jsonl in --out. Killed, it goes on when called again; eight processes
write the same report as one.
"""

import sys

from promvil_hf.cli import main


if __name__ == "__main__":
    sys.exit(main(["evaluate", *sys.argv[1:]]))
