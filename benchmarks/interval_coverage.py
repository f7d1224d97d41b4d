# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""How often the intervals of this package hold the truth, in simulated sets whose truth is known.

    python -m benchmarks.interval_coverage --trials 1000

A set has rows in images. An image has its own chance of a right answer, drawn from a beta distribution around the accuracy:
`correlation` is that of two rows of one image (0: none; 1: all rows of an image are right or wrong together). Each line is
one size and correlation; it shows the lowest and the mean coverage over the accuracies, and the mean width, of the bootstrap
alone and of what `bootstrap_interval` gives, which is Wilson's interval where images are few (`metrics.share_intervals`).
The second table has differences of two systems over the same rows, by `paired_test`.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from promvil_hf.metrics.intervals import Interval, bootstrap_interval, paired_test, ratio


SIZES = ((20, 5), (20, 20), (50, 10), (100, 5), (100, 20), (200, 40), (400, 100), (1_000, 300))  # rows, images
CORRELATIONS = (0.0, 0.3, 1.0)
ACCURACIES = (0.02, 0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95, 0.98)
CHANGES = ((0.0, 0.0), (0.05, 0.0), (0.05, 0.05), (0.2, 0.05), (0.3, 0.3), (0.6, 0.1))  # shares of rows gained and lost


def correlated(rng: np.random.Generator, share: float, correlation: float, images: int) -> np.ndarray:
    """The chance of each image, around one share: (images,)."""
    if correlation == 0 or share in (0, 1):
        return np.full(images, share)
    if correlation == 1:
        return (rng.random(images) < share).astype(float)
    strength = (1 - correlation) / correlation
    return rng.beta(share * strength, (1 - share) * strength, images)


def shares(trials: int, resamples: int, seed: int = 0) -> Iterator[dict]:
    """One line for each size and correlation: coverage and width of the bootstrap alone, and of what the package gives."""
    rng = np.random.default_rng(seed)
    for rows, images in SIZES:
        image = np.repeat(np.arange(images), rows // images)
        for correlation in CORRELATIONS if rows > images else (0.0,):
            found = []
            for accuracy in ACCURACIES:
                made = []
                for trial in range(trials):
                    right = rng.random(len(image)) < correlated(rng, accuracy, correlation, images)[image]
                    columns = np.stack([right, np.ones(len(image))], 1)
                    options = {"clusters": image, "resamples": resamples, "seed": trial}
                    package = bootstrap_interval(columns, **options)
                    same = package.method != "wilson"
                    made.append((package if same else bootstrap_interval(columns, statistic=_plain, **options), package))
                found.append(_coverage(made, accuracy))
            yield {"rows": rows, "images": images, "correlation": correlation} | _over_all(found)


def differences(trials: int, resamples: int, seed: int = 0) -> Iterator[dict]:
    """The same for the mean change of rows that two systems answered, over pairs of shares gained and lost."""
    rng = np.random.default_rng(seed)
    for rows, images in SIZES:
        image = np.repeat(np.arange(images), rows // images)
        for correlation in CORRELATIONS if rows > images else (0.0,):
            found = []
            for gained, lost in CHANGES:
                made = []
                for trial in range(trials):
                    changes = correlated(rng, gained + lost, correlation, images)[image]
                    better = gained / (gained + lost) if gained + lost else 0.0
                    change = (rng.random(len(image)) < changes) * np.where(rng.random(len(image)) < better, 1.0, -1.0)
                    options = {"clusters": image, "resamples": resamples, "seed": trial}
                    before, after = (change < 0).astype(float), (change > 0).astype(float)
                    package = paired_test(after, before, **options).difference
                    columns = np.stack([change, np.ones(len(image))], 1)
                    made.append((bootstrap_interval(columns, statistic=_plain, **options), package))
                found.append(_coverage(made, gained - lost))
            yield {"rows": rows, "images": images, "correlation": correlation} | _over_all(found)


def _coverage(made: list[tuple[Interval, Interval]], truth: float) -> np.ndarray:
    """Share of intervals that hold the truth, and their mean width: (2,) for each of the two ways."""
    bounds = np.array([[(one.low, one.high) for one in both] for both in made])
    low, high = bounds[..., 0], bounds[..., 1]
    return np.stack([((low - 1e-12 <= truth) & (truth <= high + 1e-12)).mean(0), (high - low).mean(0)])


def _over_all(found: list[np.ndarray]) -> dict[str, float]:
    coverage, width = np.stack(found).swapaxes(0, 1)
    summaries = {"lowest": coverage.min(0), "mean": coverage.mean(0), "width": width.mean(0)}
    return {
        f"{name}_{what}": round(float(numbers[place]), 3)
        for place, name in enumerate(("bootstrap", "package"))
        for what, numbers in summaries.items()
    }


def _plain(totals: np.ndarray) -> np.ndarray:
    """`ratio` under another name, so that the bootstrap alone is measured."""
    return ratio(totals)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.interval_coverage", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=1_000, help="simulated sets for each accuracy (default: 1000)")
    parser.add_argument("--resamples", type=int, default=999, help="of each bootstrap (default: 999)")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    args = parser.parse_args(arguments)
    report = {}
    for title, simulated in (("shares", shares), ("differences", differences)):
        report[title] = []
        print(f"{title}, 95 %: lowest and mean coverage, mean width")
        for line in simulated(args.trials, args.resamples):
            report[title].append(line)
            sides = (
                f"{name} {line[f'{name}_lowest']:.3f} {line[f'{name}_mean']:.3f} {line[f'{name}_width']:.2f}"
                for name in ("bootstrap", "package")
            )
            size = f"{line['rows']:>5} rows {line['images']:>4} images, correlation {line['correlation']}"
            print(size, *sides, sep="  ", flush=True)
    if args.out is not None:
        args.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
