# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Do the numbers of "was the picture needed?" hold? Simulated question sets whose truth is known.

    python -m benchmarks.blind_share --sets 1000

Prints for each kind of set how often the interval of the blind share covers the truth (at 95 % it should be 900 to 990 of
1,000), and how often a run that only guesses stays inside the guessing interval on the rows that other blind runs leave.
"""

import argparse
from dataclasses import dataclass

import numpy as np

from promvil_hf.evaluation.picture_needed import PictureNeeded, judged
from promvil_hf.evaluation.scores import Resampling
from promvil_hf.metrics.blind import blind_share


@dataclass(frozen=True)
class Sets:
    """Sets of questions about images. A question is given away by its words with the probability `given_away`, which
    differs from image to image; else the picture is needed, seen answers are right with `skill`, blind ones by `luck`."""

    images: int
    questions: int  # about each image
    given_away: float
    skill: float
    luck: float

    @property
    def truth(self) -> float:
        """The blind share over all sets: both parts are drawn apart, so means multiply."""
        seen, blind = (self.given_away + (1 - self.given_away) * part for part in (self.skill, self.luck))
        return blind / seen

    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Scores with the picture, scores without it, and the image of each row."""
        shape = (self.images, self.questions)
        given = rng.random(shape) < _around(self.given_away, self.images, rng)
        seen = given | (rng.random(shape) < _around(self.skill, self.images, rng))
        blind = given | (rng.random(shape) < self.luck)
        return seen.ravel().astype(float), blind.ravel().astype(float), np.repeat(np.arange(self.images), self.questions)


def _around(mean: float, images: int, rng: np.random.Generator) -> np.ndarray:
    return rng.beta(4 * mean, 4 * (1 - mean), size=(images, 1)) if 0 < mean < 1 else np.full((images, 1), mean)


KINDS = (
    Sets(300, 1, 0.3, 0.7, 0.5), Sets(100, 3, 0.3, 0.7, 0.5), Sets(60, 10, 0.5, 0.8, 0.25), Sets(40, 5, 0.1, 0.6, 0.0),
    Sets(30, 2, 0.2, 0.6, 0.25), Sets(1000, 3, 0.6, 0.9, 0.1),
)  # fmt: skip


def covered(kind: Sets, sets: int, resamples: int = 999, seed: int = 0) -> int:
    """In how many of the sets the interval of the blind share holds the truth."""
    rng, hits = np.random.default_rng(seed), 0
    spread = Resampling(resamples=resamples).interval
    for _ in range(sets):
        seen, blind, images = kind.draw(rng)
        found = blind_share(seen, blind, clusters=images, interval=spread)
        hits += found.low <= kind.truth <= found.high
    return hits


def guessed_sets(choices: int, rows: int, runs: int, prior: float, seed: int) -> PictureNeeded:
    """Questions with choices, answered by one who sees and by `runs` blind ones. The first only guesses. The others know the
    answers that the words give away (a share `prior` of the rows), and guess the rest."""
    rng = np.random.default_rng(seed)
    truth, given = rng.integers(choices, size=rows), rng.random(rows) < prior
    said = {f"blind {run}": np.where(given & (run > 0), truth, rng.integers(choices, size=rows)) for run in range(runs)}
    names = [str(row) for row in range(rows)]
    scores = {name: (answers == truth).astype(float) for name, answers in said.items()}
    return judged(names, names, np.ones(rows), scores, [1 / choices] * rows, Resampling(resamples=1))


def inside(choices: int, sets: int, rows: int = 120, runs: int = 3, prior: float = 0.3) -> int:
    """In how many of the sets the guesser stays inside the guessing interval on the rows that the others leave."""
    stayed = 0
    for seed in range(sets):
        held_out = guessed_sets(choices, rows, runs, prior, seed).runs[0].held_out
        stayed += held_out.guess_low <= held_out.accuracy.estimate <= held_out.guess_high
    return stayed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sets", type=int, default=1000, help="of each kind")
    sets = parser.parse_args().sets
    print(f"interval of the blind share at 95 %: of {sets:,} sets it covers the truth in")
    for kind in KINDS:
        print(
            f"  {covered(kind, sets):>5,}  {kind.images:>5,} images x {kind.questions:>2} questions, given away "
            f"{kind.given_away:.1f}, skill {kind.skill:.1f}, luck {kind.luck:.2f}: share {kind.truth:.3f}",
            flush=True,
        )
    print("a blind run that guesses and chose no row stays inside the guessing interval in")
    for choices in (2, 4):
        print(f"  {inside(choices, sets):>5,}  {choices} choices, 120 rows, two other blind runs that share a prior", flush=True)


if __name__ == "__main__":
    main()
