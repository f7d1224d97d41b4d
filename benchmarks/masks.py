# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Coverage of a grid of image tokens by masks: ours, straight from run lengths, against decoding and resizing.

    python -m benchmarks.masks [--masks 60] [--grid 24] [--repeats 7]

One process, one thread, CPU time, variants taking turns, medians. `equal` is the largest difference from the exact area
(a summed-area table in float64). The naive way is the usual one: pycocotools decodes, Pillow's box filter shrinks.
"""

import os


os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import time
from statistics import median

import numpy as np
from PIL import Image

from promvil_hf import Box, masks


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--masks", type=int, default=60)
    parser.add_argument("--grid", type=int, default=24)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    width, height, grid = 640, 480, args.grid
    rng = np.random.default_rng(args.seed)
    rles = [masks.encode(blobs(rng, width, height)) for _ in range(args.masks)]
    counts = [masks.run_lengths(rle) for rle in rles]
    boxes = [
        Box(column / grid, row / grid, (column + 1) / grid, (row + 1) / grid)
        for row in range(grid)
        for column in range(grid)
    ]
    cells = masks.Cells.of(boxes, (width, height))

    def decode_and_resize(index):
        pixels = masks.decode(rles[index]).astype(np.float32)
        return np.asarray(Image.fromarray(pixels).resize((grid, grid), Image.Resampling.BOX)).ravel()

    ways = {
        "naive_decode_and_resize": decode_and_resize,
        "decode_alone": lambda index: masks.decode(rles[index]),
        "ours_from_compressed": lambda index: cells.coverage(rles[index]),
        "ours_from_run_lengths": lambda index: cells.coverage_of_run_lengths(counts[index]),
    }
    micros = timed(ways, len(rles), args.repeats)
    exact = [summed_area(masks.decode(rle), grid) for rle in rles]
    naive, ours = micros["naive_decode_and_resize"], micros["ours_from_compressed"]
    report = {
        "naive": naive,
        "ours": ours,
        "floor": micros["ours_from_run_lengths"],
        "ratio": naive / ours,
        "ratio_from_run_lengths": naive / micros["ours_from_run_lengths"],
        "equal": max(float(np.abs(cells.coverage(rle) - own).max()) for rle, own in zip(rles, exact)),
        "naive_error": max(float(np.abs(decode_and_resize(i) - own).max()) for i, own in enumerate(exact)),
        "unit": "microseconds of CPU a mask",
        "micros": micros,
        "mean_runs": float(np.mean([len(own) for own in counts])),
        "settings": {**vars(args), "image": [width, height]},
    }
    print(json.dumps(report, indent=2))
    return report


def timed(ways, items, repeats):
    """Median CPU microseconds an item; the ways take turns, so a slow moment of the machine hits all of them."""
    seconds = {name: [] for name in ways}
    for _ in range(repeats + 1):
        for name, way in ways.items():
            start = time.process_time()
            for index in range(items):
                way(index)
            seconds[name].append(time.process_time() - start)
    return {name: median(taken[1:]) / items * 1e6 for name, taken in seconds.items()}


def blobs(rng, width, height):
    """A few overlapping discs: about as many runs as the masks of a segmenter have."""
    y, x = np.mgrid[:height, :width]
    pixels = np.zeros((height, width), bool)
    for _ in range(5):
        centre_x, centre_y, radius = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(10, 60)
        pixels |= (x - centre_x) ** 2 + (y - centre_y) ** 2 < radius**2
    return pixels


def summed_area(pixels, grid):
    """Exact coverage of a regular grid, cells of fractional size included."""
    height, width = pixels.shape
    table = np.zeros((height + 1, width + 1))
    table[1:, 1:] = pixels.cumsum(0).cumsum(1)
    across = np.stack([np.interp(np.linspace(0, width, grid + 1), np.arange(width + 1), row) for row in table])
    down = np.stack(
        [np.interp(np.linspace(0, height, grid + 1), np.arange(height + 1), column) for column in across.T], 1
    )
    return (np.diff(np.diff(down, axis=0), axis=1) * grid**2 / (height * width)).ravel()


if __name__ == "__main__":
    main()
