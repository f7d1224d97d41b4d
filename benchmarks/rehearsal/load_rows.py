# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Load CompoVL from the Hub as anybody would, without promvil_hf: `python -I load_rows.py promvil/compovl`."""

import json
import sys

from datasets import load_dataset


found = load_dataset(sys.argv[1])
streamed = next(iter(load_dataset(sys.argv[1], split="train", streaming=True)))
assert streamed == found["train"][0]
assert "promvil_hf" not in sys.modules
print(json.dumps({split: len(rows) for split, rows in found.items()}))
