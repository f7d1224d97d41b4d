# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Making a batch of nested phrases: the picture opened and resized for each text, or once.

    python -m benchmarks.loading [--k 4] [--samples 16] [--repeats 5]

`k` is the number of texts about a picture, 640x480 JPEG in memory. `naive` is the reference's collator, which hands the
processor a picture for each text; `ours` is `ChainCollator`, which opens each picture of a batch once; `floor` is one
decode and the processor's own resize and normalisation, without any text. One thread, CPU time, ways taking turns,
medians. `equal` is the largest difference of the pixel values.
"""

import os


os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import time
from statistics import median

import torch

from benchmarks.train_step import reference_batch, rows
from promvil_hf.images import read_image
from promvil_hf.toy.models import tiny_kosmos2
from promvil_hf.training.chain_collator import ChainCollator


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--k", type=int, default=4)
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print JSON only (it always does)")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    processor = tiny_kosmos2(image_size=224).processor
    made = rows(args.k, args.samples)
    collate = ChainCollator(processor, 64)

    def once(row):
        return processor.image_processor(read_image(row["image"]), return_tensors="pt")["pixel_values"]

    ways = {
        "naive": lambda row: reference_batch(row, processor, 64)["pixel_values"],
        "ours": lambda row: collate([row])["pixel_values"],
        "floor": once,
    }
    seconds = {name: [] for name in ways}
    for turn in range(args.repeats + 1):
        for name, way in ways.items():
            begin = time.process_time()
            for row in made:
                way(row)
            if turn:
                seconds[name].append(time.process_time() - begin)
    millis = {name: median(taken) / len(made) * 1e3 for name, taken in seconds.items()}
    report = {
        **millis,
        "ratio": millis["naive"] / millis["ours"],
        "over_floor": millis["ours"] / millis["floor"],
        "equal": max(float((ways["naive"](row) - ways["ours"](row)).abs().max()) for row in made[:2]),
        "pictures_opened": {"naive": args.k, "ours": 1},
        "unit": "CPU milliseconds a sample",
        "settings": vars(args),
    }
    print(json.dumps(report, indent=2))
    return report


if __name__ == "__main__":
    main()
