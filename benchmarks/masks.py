# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Coverage of a grid of image tokens by masks: ours, straight from run lengths, against decoding and resizing.

    python -m benchmarks.masks [--masks 60] [--grid 24] [--repeats 7]

One process, one thread, CPU time, variants taking turns, medians. `equal` is the largest difference from the exact area
(a summed-area table in float64). The naive way is the usual one: pycocotools decodes, Pillow's box filter shrinks.
"""

import numpy as np

from benchmarks.timing import cpu_seconds, parsed, parser, printed
from promvil_hf import Box, masks
from tests.reference.coverage import decoded_and_resized, summed_area


def main(argv=None):
    args = parsed(parser(__doc__, masks=60, grid=24, repeats=7, seed=0), argv)
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

    ways = {
        "naive_decode_and_resize": lambda index: decoded_and_resized(rles[index], grid),
        "decode_alone": lambda index: masks.decode(rles[index]),
        "ours_from_compressed": lambda index: cells.coverage(rles[index]),
        "ours_from_run_lengths": lambda index: cells.coverage_of_run_lengths(counts[index]),
    }
    runs = {name: lambda way=way: [way(index) for index in range(len(rles))] for name, way in ways.items()}
    micros = {name: taken / len(rles) * 1e6 for name, taken in cpu_seconds(runs, args.repeats).items()}
    exact = [summed_area(masks.decode(rle), grid) for rle in rles]
    naive, ours = micros["naive_decode_and_resize"], micros["ours_from_compressed"]
    report = {
        "naive": naive,
        "ours": ours,
        "floor": micros["ours_from_run_lengths"],
        "ratio": naive / ours,
        "ratio_from_run_lengths": naive / micros["ours_from_run_lengths"],
        "equal": max(float(np.abs(cells.coverage(rle) - expected).max()) for rle, expected in zip(rles, exact)),
        "naive_error": max(
            float(np.abs(ways["naive_decode_and_resize"](i) - expected).max()) for i, expected in enumerate(exact)
        ),
        "unit": "microseconds of CPU a mask",
        "micros": micros,
        "mean_runs": float(np.mean([len(lengths) for lengths in counts])),
        "settings": {**vars(args), "image": [width, height]},
    }
    return printed(report)


def blobs(rng, width, height):
    """A few overlapping discs: about as many runs as the masks of a segmenter have."""
    y, x = np.mgrid[:height, :width]
    pixels = np.zeros((height, width), bool)
    for _ in range(5):
        centre_x, centre_y, radius = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(10, 60)
        pixels |= (x - centre_x) ** 2 + (y - centre_y) ** 2 < radius**2
    return pixels


if __name__ == "__main__":
    main()
