# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
# /// script
# requires-python = ">=3.11"
# dependencies = ["promvil_hf"]
# ///
"""Build CompoVL from a Visual Genome folder; the same as `promvil build compovl`.

    python recipes/build_compovl.py --vg visual_genome --out compovl --workers 2 \
        --exclude-coco refcocog_refs.json --exclude-vg gqa_val_questions.json

Precondition: image_data, objects, attributes, relationships and region_graphs of one release lie in --vg (docs/real_data.md).
Expected: OUT/report.json with rows per level, rejects and what the leakage lists excluded. Killed, it goes on when called again.
"""

import sys

from promvil_hf.cli import main


if __name__ == "__main__":
    sys.exit(main(["build", "compovl", *sys.argv[1:]]))
