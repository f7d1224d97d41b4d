# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What Kosmos-2's 32x32 grid lets a perfect model reach, by size of box: `python -m benchmarks.quantisation_ceiling`."""

import json

import numpy as np

from promvil_hf.metrics.grounding import kosmos2_round_trip, quantisation_ceiling


BANDS = ((0.01, 0.02), (0.02, 1 / 32), (1 / 32, 2 / 32), (2 / 32, 3 / 32), (3 / 32, 1.0))


def main(count: int = 20_000, seed: int = 0) -> dict[str, float]:
    rng = np.random.default_rng(seed)
    reachable = {}
    for low, high in BANDS:
        sides = rng.uniform(low, high, (count, 2))
        corners = rng.random((count, 2)) * (1 - sides)
        boxes = np.concatenate([corners, corners + sides], axis=1)
        reachable[f"{low:.3f}-{high:.3f}"] = quantisation_ceiling(boxes, kosmos2_round_trip)[0.5]
    print(json.dumps(reachable, indent=2))
    return reachable


if __name__ == "__main__":
    main()
